"""Transfer learning: a pretrained MobileNetV2 recognises alpacas (C4 W2 A2).

A network that was trained on a million photos extracts features of general use, such as
edges, fur and legs. Its classification layer is replaced by a new one, and only this
head is trained at first. The base is frozen, so for the head a photo is a fixed vector:

    logit = w . mean over pixels of base(image / 127.5 - 1) + b

Fine-tuning then trains the upper layers of the base, too, with a small learning rate.
MobileNetV2 is made for phones. Its block, the inverted residual, expands the channels
by a 1x1 convolution, filters each channel separately (depthwise convolution) and
projects to few channels again; the residual connection joins the narrow ends.

Shapes: m photos (m, 160, 160, 3) in [0, 255]; one logit each, positive for "not
alpaca", since classes are numbered by the names of their folders. Edition: 2021, the
only one.
Paper: Sandler et al. (2018), "MobileNetV2", https://arxiv.org/abs/1801.04381
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure

from dls_keras import plots
from dls_keras.converters import mobilenet_int8
from dls_keras.core import (
    augment,
    examples,
    files,
    hdf5,
    images,
    inputs,
    pretrained,
    readers,
    settings,
    training,
    weights,
)
from dls_keras.core.answers import Answer, Row, likeliest
from dls_keras.core.errors import InputError
from dls_keras.datasets import alpaca

# Keras's Adam in fewer operations; a test compares the two.
from dls_keras.fast.layers import Adam
from dls_keras.networks import compact_resnet

SIZE = alpaca.SIZE  # height and width of an image, in pixels

# Shipped weights: 75.4 % of the 65 validation photos with the compact network, 95.4 %
# with MobileNetV2 and the shipped head, see `weights/records.toml`.


# The assignment: the course's functions under the course's signatures.


@settings.keras_defaults()
def data_augmenter():
    """Layers that flip half of the images and rotate each by up to 72 degrees.

    They do so in training only.
    """
    return keras.Sequential(
        [layers.RandomFlip("horizontal"), layers.RandomRotation(0.2)]
    )


@settings.keras_defaults()
def alpaca_model(
    image_shape=(SIZE, SIZE), data_augmentation=None, *, weights="imagenet"
):
    """A frozen MobileNetV2 with one new, untrained output unit.

    Args:
        image_shape: height and width.
        data_augmentation: the first layer; default: `data_augmenter()`.
        weights: of the base: "imagenet" for Keras's own file, which Keras downloads,
            the path of such a file, or None for random weights.

    Returns:
        A model from (m, *image_shape, 3) in [0, 255] to (m, 1), a logit.
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


# Transfer learning: train the head on fixed features, then fine-tune the base.


def transfer(
    model: keras.Model,
    data: alpaca.Alpacas,
    *,
    epochs: int = 5,
    batch_size: int = 32,
    learning_rate: float = 0.0001,
    seed: int = 0,
    views: int = 4,
    fine_tune_at: int = 120,
    **settings: Any,
) -> list[float]:
    """Both steps of transfer learning, in place: two minutes on two CPU cores.

    Args:
        model: one with a frozen base, such as `alpaca_model` returns.
        epochs, batch_size, learning_rate: of fine-tuning, see `train`.
        views: how many augmented views of each photo the head is trained on, see
            `features`.
        fine_tune_at: number of the first layer to fine-tune, see `unfreeze`.
        settings: further arguments of `train`, for fine-tuning.

    Returns:
        The mean loss of each epoch of fine-tuning.
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
        **settings,
    )


def base_of(model: keras.Model) -> keras.Model | None:
    """The pretrained network inside `model`, or None if there is none."""
    for part in model.layers:
        if isinstance(part, keras.Model) and not isinstance(part, keras.Sequential):
            return part
    return None


def head_of(model: keras.Model) -> keras.Sequential:
    """Dropout and the output unit, from features (m, n_C) to logits (m, 1).

    They are the layers of `model`, not copies.
    """
    *_, dropout, dense = model.layers
    return keras.Sequential([keras.Input(dense.kernel.shape[:1]), dropout, dense])


@settings.keras_defaults()
def features(
    model: keras.Model,
    x: np.ndarray,
    *,
    views: int = 1,
    batch_size: int = 32,
    seed: int = 0,
) -> np.ndarray:
    """Pooled base features, the input of the head (`head_of`).

    With a frozen base they are constant, so they are computed once for all epochs.

    Args:
        x: (m, height, width, 3) in [0, 255].
        views: the number of views of each image: the first is the image itself, the
            others are `augmented`.

    Returns:
        (views * m, n_C) float32, view by view.
    """
    extractor = keras.Model(model.input, model.layers[-3].output)  # pooling's output
    rows = []
    for view in range(views):
        for start in range(0, len(x), batch_size):
            batch = tf.cast(x[start : start + batch_size], tf.float32)
            batch = augmented([seed, view * len(x) + start], batch) if view else batch
            rows.append(extractor(batch, training=False))
    return np.concatenate(rows)


def augmented(seed: Any, x: tf.Tensor) -> tf.Tensor:
    """Images (m, n_H, n_W, 3) in [0, 255] after random affine and colour changes.

    The course's `data_augmenter` rotates by up to 72 degrees, this by 11: photos are
    taken upright.
    """
    x = augment.affine(seed, x / 255.0, rotation=0.2, shift=0.1, zoom=0.2, flip=True)
    return 255.0 * augment.colour_jitter(seed, x, brightness=0.1, contrast=0.2)


def fit_head(
    head: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    epochs: int = 40,
    batch_size: int = 32,
    learning_rate: float = 0.01,
    seed: int = 0,
    decay: float = 0.01,
) -> list[float]:
    """Train a head in place on features x (m, n_C) and labels y (m,).

    Args:
        decay: of the L2 penalty, decay / 2 * sum(w**2).

    Returns:
        The mean loss of each epoch: cross-entropy in nats plus the penalty.
    """

    def loss_fn(x, y):
        squares = tf.reduce_sum(tf.square(head.layers[-1].kernel))
        return _cross_entropy(y, head(x, training=True)) + decay / 2 * squares

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


def unfreeze(model: keras.Model, fine_tune_at: int = 120) -> None:
    """Make the layers of the base trainable from number `fine_tune_at` on.

    Batch normalisation stays frozen. Keras 3 passes the training=True of a call down
    to every layer and overrides the training=False that the base was called with. Only
    a frozen layer keeps its moving statistics; a few hundred photos would spoil them.

    Raises:
        InputError: if the model has no pretrained base.
    """
    base_model = base_of(model)
    if base_model is None:
        raise InputError(
            "This model has no pretrained base to fine-tune. Use alpaca_model() or "
            'load_pretrained("imagenet_int8").'
        )
    base_model.trainable = True
    for i, layer in enumerate(base_model.layers):
        normalises = isinstance(layer, layers.BatchNormalization)
        layer.trainable = i >= fine_tune_at and not normalises


def _cross_entropy(y, logit):
    """Mean over the batch, in nats; y (m,) in [0, 1], logit (m, 1)."""
    losses = keras.losses.binary_crossentropy(y[:, None], logit, from_logits=True)
    return tf.reduce_mean(losses)


# The application: the names that every assignment shares.


def load_data(
    extra: int = 66, seed: int = 0, *, synthetic: bool = False
) -> alpaca.Alpacas:
    """The course's photos, with synthetic images in the training set.

    Args:
        extra: how many images of `alpaca.make_alpacas` are appended to the 262
            training photos; the 65 validation photos stay alone.
        synthetic: images of `make_alpacas` in place of the photos; needs no files.
    """
    photos = alpaca.load_alpacas(synthetic=synthetic)
    x, y = alpaca.make_alpacas(extra, seed=seed)
    return photos._replace(
        x=np.concatenate([photos.x, x]), y=np.concatenate([photos.y, y])
    )


def build_model(dtype: str = "float32", *, network: str = "compact") -> keras.Model:
    """A compact residual network without pretrained base, untrained.

    It replaces MobileNetV2 where its weights are not available; input, output and the
    last three layers are those of `alpaca_model`.

    Args:
        dtype: a Keras dtype policy; "mixed_bfloat16" trains faster and has the same
            weights.
        network: "compact", or "mobilenet_v2" for an untrained `alpaca_model`.
    """
    if network == "mobilenet_v2":
        return alpaca_model(data_augmentation=layers.Identity(), weights=None)
    if network != "compact":
        raise InputError(
            "transfer_learning has the networks compact and mobilenet_v2, not "
            f"{network!r}."
        )
    return compact_resnet.compact_resnet((SIZE, SIZE, 3), dtype=dtype)


@examples.accepted(pixels="uint8")
def train(
    model: keras.Model,
    data: alpaca.Alpacas,
    *,
    epochs: int = 80,
    batch_size: int = 16,
    learning_rate: float = 0.002,
    seed: int = 0,
    teacher: keras.Model | None = None,
    **settings: Any,
) -> list[float]:
    """Train the trainable layers of `model` in place, on `augmented` images with mixup.

    The learning rate has a linear warmup over 5 % of the steps, then a cosine decay to
    zero.

    Args:
        teacher: a trained `alpaca_model` for knowledge distillation, see
            `compact_resnet.distillation_loss`.
        settings: further arguments of `core.training.fit`.

    Returns:
        The mean loss of each epoch: the cross-entropy in nats or, with a teacher, the
        loss of distillation.
    """
    keras.utils.set_random_seed(seed)
    variables = model.trainable_variables

    def loss_fn(x, y, training=True):
        return _cross_entropy(
            tf.cast(y, tf.float32), model(tf.cast(x, tf.float32), training=training)
        )

    if teacher is not None:
        loss_fn, projection = compact_resnet.distillation_loss(
            model, teacher, features(teacher, data.x)
        )
        variables = variables + projection

    def change(seed, x, y):
        x, y = tf.cast(x, tf.float32), tf.cast(y, tf.float32)
        return augment.mixup(seed, augmented(seed, x), y)

    steps = epochs * (len(data.x) // batch_size)
    rate = training.cosine_decay_with_warmup(learning_rate, steps, warmup=steps // 20)
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
        model=model,
        **settings,
    )


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> keras.Model:
    """A trained classifier of alpacas.

    The first layer of a model with MobileNetV2 is the identity in place of
    `data_augmenter`, since `train` augments the images.

    Args:
        variant: "default" is the compact network, which is shipped. "imagenet_int8" is
            MobileNetV2 from a published file with the shipped head. "imagenet" is
            MobileNetV2 from Keras's own file with a head of zeros: its probability is
            0.5 for every image until `transfer` has trained it.
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
    expected = "Keras's file of MobileNetV2 without top"
    advice = "Delete it and fetch it again."
    with hdf5.opened(path, expected, advice) as file:
        file.arrays()  # raises for links to other files and for NaN
    with readers.reading(path, expected, advice):
        model = alpaca_model(data_augmentation=layers.Identity(), weights=str(path))
    head_of(model).set_weights([np.zeros((1280, 1)), np.zeros(1)])
    return model


@inputs.batched(inputs.PICTURE)
def infer(model: keras.Model, photos: Any) -> list[Answer]:
    """Classify a photo: alpaca or not.

    Args:
        photos: a photo of any size (path, PIL image, array, bytes), or a list of them;
            resized to 160 x 160 without keeping the aspect ratio.

    Returns:
        An `Answer`, "alpaca" or "not alpaca". Its confidence is the sigmoid
        probability of that class; `details["probabilities"]` holds both.
    """
    x = 255 * np.stack([images.resized(photo, SIZE, SIZE) for photo in photos])
    others = np.asarray(keras.ops.sigmoid(model(x, training=False)))[:, 0]
    return [likeliest(alpaca.CLASSES, (1 - p, p)) for p in others.tolist()]


def accuracy(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """Accuracy on images x (m, 160, 160, 3) in [0, 255] with labels y (m,)."""
    logits = model.predict(np.asarray(x, "float32"), verbose=0)
    return np.mean((logits[:, 0] > 0) == y)


def evaluate(model: keras.Model | None = None, *, synthetic: bool = False) -> list[Row]:
    """Accuracy on held-out photos and on held-out synthetic images.

    Without `model` the shipped compact network is measured and, if MobileNetV2 is
    available, transfer learning itself: half a minute on two CPU cores.

    Args:
        synthetic: only the rows of synthetic images; needs no files.
    """
    measured = model or load_pretrained()
    made = Row(
        "accuracy, 100 held-out synthetic images",
        accuracy(measured, *alpaca.make_alpacas(100, seed=10_000)),
    )
    if synthetic:
        return [made]
    photos = alpaca.load_alpacas()
    held_out = photos.x_val, photos.y_val
    goal = 0.95 if base_of(measured) else None
    rows = [
        Row(
            "validation accuracy, 65 photos",
            accuracy(measured, *held_out),
            at_least=goal,
        ),
        made,
    ]
    if model is None and weights.available("transfer_learning", "imagenet_int8"):
        base = load_pretrained("imagenet_int8")
        rows += [
            Row(
                "MobileNetV2 with the shipped head: validation accuracy, 65 photos",
                accuracy(base, *held_out),
                at_least=0.95,
            ),
            Row(
                "MobileNetV2's features: 5-fold cross-validation, 327 photos",
                cross_validate(base),
            ),
        ]
        transfer(base, load_data())
        # Without a goal: one photo is 1.5 %, and runs differ by three photos.
        rows.append(
            Row(
                "MobileNetV2, fine-tuned now: validation accuracy, 65 photos",
                accuracy(base, *held_out),
            )
        )
    return rows


@settings.keras_defaults()
def cross_validate(model: keras.Model, *, folds: int = 5, views: int = 4) -> float:
    """Accuracy of new heads on all 327 photos by k-fold cross-validation.

    Each photo is classified by a head that was trained on the other folds. The 65
    validation photos alone are few: one of them is 1.5 %.
    """
    photos = alpaca.load_alpacas()
    x = np.concatenate([photos.x, photos.x_val])
    y = np.concatenate([photos.y, photos.y_val])
    by_view = features(model, x, views=views).reshape(views, len(x), -1)
    correct = []
    for k in range(folds):
        held_out = np.arange(len(x)) % folds == k
        head = keras.Sequential([layers.Dropout(0.2), layers.Dense(1)])
        head.build((None, by_view.shape[-1]))
        fit_head(
            head, np.concatenate(by_view[:, ~held_out]), np.tile(y[~held_out], views)
        )
        correct.append((head(by_view[0, held_out])[:, 0] > 0) == y[held_out])
    return np.concatenate(correct).mean()


def picture(image: Any, answer: Answer) -> Figure:
    """The photo next to the probability of each class."""
    return plots.classification(images.read(image), answer)


def example() -> tuple[str, Any]:
    """A question and its input: a photo if it is available, else a synthetic image."""
    photo = files.in_data_folder("alpaca/alpaca/557d20e40f5e2eae.jpg")
    if photo:
        return "Is this an alpaca?", photo
    return "Is this synthetic animal an alpaca?", alpaca.make_alpacas(1, seed=9)[0][0]
