"""Transfer learning: MobileNetV2 learns what an alpaca is from 262 photos (C4 W2 A2).

A network that has seen a million photos knows edges, fur and legs already. Its last
layer is replaced by one that answers the new question, and trained alone: the rest is
frozen, so each picture is only a row of features,

    logit = w . mean over pixels of base(picture / 127.5 - 1) + b

Then the upper layers of the base are set free, too, and follow in small steps.
MobileNetV2 is made for phones: its blocks widen n_C channels by a 1x1 convolution,
filter each channel by itself (depthwise) and narrow them again, the shortcut running
between the narrow ends.

Shapes: m photos (m, 160, 160, 3) in 0..255; one logit each, above 0 for "not alpaca",
since folders are numbered by their names. Edition: 2021, the only one.
Paper: Sandler et al. (2018), "MobileNetV2", https://arxiv.org/abs/1801.04381
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras import plots
from dls_keras.converters import mobilenet_int8
from dls_keras.core import augment, files, images, training, weights
from dls_keras.core.answers import likeliest
from dls_keras.core.errors import InputError
from dls_keras.datasets import alpaca
from dls_keras.fast.layers import Adam, BatchNormalization

SIZE = alpaca.SIZE  # height and width of a photo, in pixels


# The assignment: the course's functions under the course's signatures.


def data_augmenter():
    """Mirror half of the pictures and turn each by up to 72 degrees, in training."""
    return keras.Sequential(
        [layers.RandomFlip("horizontal"), layers.RandomRotation(0.2)]
    )


def alpaca_model(
    image_shape=(SIZE, SIZE), data_augmentation=None, *, weights="imagenet"
):
    """A frozen MobileNetV2 under one new, untrained unit.

    Args:
        image_shape: height and width.
        data_augmentation: the first layer; default: `data_augmenter()`.
        weights: of the base: "imagenet" lets Keras fetch its own, a path names such a
            file, None draws them at random.

    Returns:
        A model from (m, *image_shape, 3) in 0..255 to (m, 1), a logit.
    """
    input_shape = (*image_shape, 3)
    base_model = keras.applications.MobileNetV2(
        input_shape=input_shape, include_top=False, weights=weights
    )
    base_model.trainable = False
    inputs = keras.Input(input_shape)
    x = (data_augmentation or data_augmenter())(inputs)
    x = keras.applications.mobilenet_v2.preprocess_input(x)
    x = base_model(x, training=False)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, layers.Dense(1)(x))


# Transfer: first the head on frozen features, then the upper layers of the base.


def base_of(model):
    """The network within `model` on which its head stands, or None."""
    for part in model.layers:
        if isinstance(part, keras.Model) and not isinstance(part, keras.Sequential):
            return part
    return None


def features(model, x, *, views=1, batch_size=32, seed=0):
    """What the last three layers (pooling, dropout, dense) make their answer of.

    With a frozen base they never change, so they are computed once for all epochs.

    Args:
        x: (m, height, width, 3) in 0..255.
        views: how often to look at each picture: the first time as it is, then as
            `changed` at random.

    Returns:
        (views * m, n_C) float32, view by view.
    """
    look = keras.Model(model.input, model.layers[-3].output)
    rows = []
    for view in range(views):
        for start in range(0, len(x), batch_size):
            batch = tf.cast(x[start : start + batch_size], tf.float32)
            batch = changed([seed, view * len(x) + start], batch) if view else batch
            rows.append(look(batch, training=False))
    return np.concatenate(rows)


def changed(seed, x):
    """Pictures (m, n_H, n_W, 3) in 0..255 turned, moved, zoomed, mirrored and relit.

    The course's `data_augmenter` turns them by up to 72 degrees, these by 11: photos
    are taken upright.
    """
    x = augment.affine(seed, x / 255.0, rotation=0.2, shift=0.1, zoom=0.2, flip=True)
    return 255.0 * augment.light(seed, x, brightness=0.1, contrast=0.2)


def head_of(model):
    """Dropout and the last unit, as a model from features (m, n_C) to logits (m, 1)."""
    *_, dropout, dense = model.layers
    return keras.Sequential([keras.Input(dense.kernel.shape[:1]), dropout, dense])


def fit_head(
    head, x, y, *, epochs=40, batch_size=32, learning_rate=0.01, seed=0, decay=0.01
):
    """Fit a head in place to features x (m, n_C) and labels y (m,).

    Args:
        decay: weight of half the squared length of the kernel in the loss.
    """

    def loss_fn(x, y):
        length = tf.reduce_sum(tf.square(head.layers[-1].kernel))
        return _cross_entropy(y, head(x, training=True)) + decay / 2 * length

    rate = keras.optimizers.schedules.CosineDecay(
        learning_rate, max(1, epochs * (len(x) // batch_size))
    )
    return training.fit(
        loss_fn,
        (x, y),
        head.trainable_variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
    )


def unfreeze(model, fine_tune_at=120):
    """Let the layers of the base from number `fine_tune_at` on learn, too.

    Batch normalisation stays as it is. Keras 3 passes the training=True of a call down
    to every layer, over the training=False that the base was called with; only a frozen
    one keeps its statistics, which a few hundred photos would spoil.
    """
    base_model = base_of(model)
    if base_model is None:
        raise InputError(
            "This model stands on no base that could be fine-tuned. Take alpaca_model "
            'or load_pretrained("imagenet_int8").'
        )
    base_model.trainable = True
    for i, layer in enumerate(base_model.layers):
        normalises = isinstance(layer, layers.BatchNormalization)
        layer.trainable = i >= fine_tune_at and not normalises


def transfer(
    model,
    data,
    *,
    epochs=5,
    batch_size=32,
    learning_rate=0.0001,
    seed=0,
    on_epoch=None,
    views=4,
    fine_tune_at=120,
):
    """Both steps of transfer learning, in place, on a model with a frozen base.

    From "imagenet_int8": 95.4 % of the 65 validation photos after the first step,
    92.3 and 96.9 % after the second in two runs (two minutes on two busy CPU cores).

    Args:
        epochs, batch_size, learning_rate, on_epoch: of the second step, see `train`.
        views: see `features`; the first step learns from so many of each picture.
        fine_tune_at: see `unfreeze`.

    Returns:
        Each epoch's mean loss in the second step.
    """
    keras.utils.set_random_seed(seed)
    x = features(model, data.x, views=views, seed=seed)
    y = np.tile(data.y, views)
    fit_head(head_of(model), x, y, batch_size=batch_size, seed=seed)
    unfreeze(model, fine_tune_at)
    return train(
        model,
        data,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        on_epoch=on_epoch,
    )


# The application: the names that every assignment shares.


def load_data(drawn=66, seed=0):
    """The course's photos with `drawn` animals behind those to learn from.

    Returns:
        An `alpaca.Alpacas`: x (262 + drawn, 160, 160, 3) uint8, y, and 65 photos to
        validate on.
    """
    photos = alpaca.load_alpacas()
    x, y = alpaca.make_alpacas(drawn, seed=seed)
    return photos._replace(
        x=np.concatenate([photos.x, x]), y=np.concatenate([photos.y, y])
    )


def build_model(dtype="float32"):
    """Our own network for those who have no base: nine 3 x 3 convolutions, untrained.

    Args:
        dtype: a Keras policy; "mixed_bfloat16" trains faster and has the same weights.

    Returns:
        A model with inputs, outputs and last three layers as those of `alpaca_model`.
    """
    inputs = keras.Input((SIZE, SIZE, 3))
    X = layers.Rescaling(1 / 127.5, offset=-1.0, dtype=dtype)(inputs)
    X = _convolve(X, 24, 2, dtype)
    X = layers.ReLU(dtype=dtype)(X)
    for filters in (40, 80, 128, 192):  # each at half the height and width
        X_shortcut = layers.AveragePooling2D(2, dtype=dtype)(X)
        X_shortcut = _convolve(X_shortcut, filters, 1, dtype, f=1)
        X = _convolve(X, filters, 2, dtype)
        X = layers.ReLU(dtype=dtype)(X)
        X = _convolve(X, filters, 1, dtype)
        X = layers.Add(dtype=dtype)([X, X_shortcut])
        X = layers.ReLU(dtype=dtype)(X)
    X = layers.GlobalAveragePooling2D(dtype="float32")(X)
    X = layers.Dropout(0.2)(X)
    return keras.Model(inputs, layers.Dense(1)(X))


def _convolve(X, filters, s, dtype, f=3):
    """An f x f convolution of stride s, normalised."""
    X = layers.Conv2D(
        filters,
        f,
        strides=s,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        dtype=dtype,
    )(X)
    return BatchNormalization(dtype=dtype)(X)


def train(
    model,
    data,
    *,
    epochs=80,
    batch_size=16,
    learning_rate=0.002,
    seed=0,
    on_epoch=None,
    checkpoint=None,
    teacher=None,
):
    """Fit in place whatever of `model` is trainable.

    It sees `changed` pictures, each with the shadow of another. The rate climbs for a
    twentieth of the steps, then falls to zero along a cosine.

    Args:
        teacher: a trained model of the course's that `model` shall imitate, see
            `imitation`.

    Returns:
        Each epoch's mean loss, the cross-entropy in nats (and the error of imitation).
    """
    keras.utils.set_random_seed(seed)
    variables = model.trainable_variables

    def loss_fn(x, y):
        return _cross_entropy(y, model(x, training=True))

    if teacher is not None:
        loss_fn, translation = imitation(model, teacher, data.x)
        variables = variables + translation

    def change(seed, x, y):
        x, y = tf.cast(x, tf.float32), tf.cast(y, tf.float32)
        return _mixed(seed, changed(seed, x), y)

    steps = epochs * (len(data.x) // batch_size)
    rate = training.warm_cosine(learning_rate, steps, warmup=steps // 20)
    return training.fit(
        loss_fn,
        (data.x, data.y),
        variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=model.non_trainable_variables,
        augment=change,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )


def imitation(model, teacher, x):
    """A loss under which `model` learns a teacher's features beside the labels.

    A label is one bit a picture; the features of the teacher are 1280 numbers for each
    way to look at it, and say how alike an alpaca and a camel are. A linear layer,
    thrown away afterwards, translates the features of `model` into the teacher's:

        loss = cross-entropy(half label, half teacher)
             + mean square(translated - theirs)

    Args:
        x: (m, height, width, 3), pictures by which the teacher's features are scaled to
            mean 0 and deviation 1.

    Returns:
        The loss, a function of a batch (x, y), and the layer's variables.
    """
    theirs = features(teacher, x)
    mean, deviation = theirs.mean(axis=0), theirs.std(axis=0) + 0.01
    looks = keras.Model(teacher.input, [teacher.layers[-3].output, teacher.output])
    learns = keras.Model(model.input, [model.layers[-3].output, model.output])
    translate = layers.Dense(len(mean))
    translate.build(learns.outputs[0].shape)

    def loss_fn(x, y):
        aim, logit = looks(x, training=False)
        ours, y_hat = learns(x, training=True)
        y = (y + tf.sigmoid(logit)[:, 0]) / 2
        error = tf.square(translate(ours) - (aim - mean) / deviation)
        return _cross_entropy(y, y_hat) + tf.reduce_mean(error)

    return loss_fn, translate.trainable_variables


def _mixed(seed, x, y):
    """Each picture with the shadow of another, and so its label."""
    share = tf.random.stateless_uniform((len(x),), seed, 0.0, 0.5)  # of the other
    x += share[:, None, None, None] * (tf.roll(x, 1, 0) - x)
    return x, y + share * (tf.roll(y, 1, 0) - y)


def _cross_entropy(y, logit):
    """Mean over the batch; y (m,) in [0, 1], logit (m, 1)."""
    y = tf.cast(y, tf.float32)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y, logit[:, 0]))


def load_pretrained(variant="default"):
    """A model that tells alpacas from other things.

    On a base the first layer changes nothing: `train` does so itself.

    Args:
        variant: "default" is our own network, shipped. "imagenet_int8" is MobileNetV2
            from the file that `PUBLISHED` names, under the head that we trained and
            ship. "imagenet" is MobileNetV2 from Keras's own file, under a head of zeros
            that answers 50 % to everything until `transfer` has trained it.
    """
    if variant == "default":
        return weights.load(build_model(), "transfer_learning")
    (path,) = weights.find_published("transfer_learning", variant)
    if variant == "imagenet_int8":
        layers_of_file = mobilenet_int8.read(path)
        model = alpaca_model(data_augmentation=layers.Identity(), weights=None)
        mobilenet_int8.fill(base_of(model), layers_of_file)
        weights.load(head_of(model), "transfer_learning", "head")
        return model
    try:
        model = alpaca_model(data_augmentation=layers.Identity(), weights=str(path))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} is not Keras's file of MobileNetV2 without its top ({error}); it "
            f"is {files.what_is(path)}. Delete it and fetch it again."
        ) from error
    head_of(model).set_weights([np.zeros((1280, 1)), np.zeros(1)])
    return model


def infer(model, image):
    """Say whether a photo shows an alpaca.

    Args:
        image: a photo of any size (path, PIL image or array), stretched to 160 x 160.

    Returns:
        An `Answer`, "alpaca" or "not alpaca"; `details["probabilities"]` holds both.
    """
    x = 255 * images.resized(image, SIZE, SIZE)
    other = float(keras.ops.sigmoid(model(x[np.newaxis], training=False))[0, 0])
    return likeliest(alpaca.CLASSES, (1 - other, other))


def accuracy(model, x, y):
    """The share of pictures x (m, 160, 160, 3) whose label y (m,) `model` gives."""
    logits = model.predict(np.asarray(x, "float32"), verbose=0)
    return np.mean((logits[:, 0] > 0) == y)


def evaluate(model=None):
    """Accuracy on pictures never trained on, as rows (what, ours, goal).

    Without a model the shipped one is measured and, where the base is at hand, transfer
    learning itself: half a minute on two CPU cores.
    """
    photos = alpaca.load_alpacas()
    drawn = alpaca.make_alpacas(100, seed=10_000)
    measured = model or load_pretrained()
    goal = 0.95 if base_of(measured) else None
    rows = [
        ("65 validation photos", accuracy(measured, photos.x_val, photos.y_val), goal),
        ("100 drawn animals never seen", accuracy(measured, *drawn), None),
    ]
    if model is None and weights.available("transfer_learning", "imagenet_int8"):
        base = load_pretrained("imagenet_int8")
        rows += [
            (
                "MobileNetV2 under our head, 65 photos",
                accuracy(base, photos.x_val, photos.y_val),
                0.95,
            ),
            ("its features, five folds of all 327 photos", five_folds(base), None),
        ]
        transfer(base, load_data())
        rows.append(
            (
                "trained here and now, fine-tuned, 65 photos",
                accuracy(base, photos.x_val, photos.y_val),
                None,  # one photo is 1.5 %; two runs gave 96.9 and 92.3 %
            )
        )
    return rows


def five_folds(model, *, views=4):
    """Accuracy of heads on the frozen base over all photos, each once held out.

    Sixty-five photos are few: one more or less is 1.5 %. Here each photo is judged by a
    head that learnt from the other four fifths.
    """
    photos = alpaca.load_alpacas()
    x = np.concatenate([photos.x, photos.x_val])
    y = np.concatenate([photos.y, photos.y_val])
    known = features(model, x, views=views).reshape(views, len(x), -1)
    right = []
    for k in range(5):
        out = np.arange(len(x)) % 5 == k
        head = keras.Sequential([layers.Dropout(0.2), layers.Dense(1)])
        head.build((None, known.shape[-1]))
        fit_head(head, np.concatenate(known[:, ~out]), np.tile(y[~out], views))
        right.append((head(known[0, out])[:, 0] > 0) == y[out])
    return np.concatenate(right).mean()


def picture(model, image):
    """The photo beside the probability of each class, a matplotlib figure."""
    answer = infer(model, image)
    return plots.classification(images.read(image), answer)


def example():
    """The question of the tour: a real photo where data are at hand, else a drawing."""
    photo = files.in_data_folder("alpaca/alpaca/557d20e40f5e2eae.jpg")
    if photo:
        return "Is this an alpaca?", photo
    return "Is this drawn animal an alpaca?", alpaca.make_alpacas(1, seed=9)[0][0]
