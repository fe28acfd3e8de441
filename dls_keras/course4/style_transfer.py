"""Neural style transfer: a photo painted in the manner of a painting (C4 W4 A2).

Nothing is learnt here but a picture. A network trained on other things looks at it,
and its activations a say how near it is to what is wanted: deep inside they should
be those of the photo, and what the channels of a layer have to do with each other,
wherever that is in the picture, should be as in the painting:

    J_content = sum((a_C - a_G)^2) / (4 n_H n_W n_C)
    G = A A^T,   J_style = sum((G_S - G_G)^2) / (4 n_C^2 (n_H n_W)^2)
    J = alpha J_content + beta J_style

Gradient descent then moves the pixels.

Shapes: a layer's activations are (1, n_H, n_W, n_C), A is their unrolled form (n_C,
n_H n_W) and G their Gram matrix (n_C, n_C); C is the photo, S the painting, G what is
made. Edition: 2021; in 2017 `compute_content_cost` took the two activations and
`compute_style_cost` the model, and pictures went through
`reshape_and_normalize_image`.
Paper: Gatys, Ecker & Bethge (2015), https://arxiv.org/abs/1508.06576
"""

import os
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from dls_keras import plots
from dls_keras.converters import vgg19 as vgg19_files
from dls_keras.core import augment, files, images, training, weights
from dls_keras.core.errors import InputError
from dls_keras.core.progress import progress
from dls_keras.datasets import alpaca, paintings
from dls_keras.fast import inference
from dls_keras.fast.layers import Adam
from dls_keras.networks import vgg19

# The layers in which the course compares manners, and how much each counts.
STYLE_LAYERS = [
    ("block1_conv1", 0.2),
    ("block2_conv1", 0.2),
    ("block3_conv1", 0.2),
    ("block4_conv1", 0.2),
    ("block5_conv1", 0.2),
]
MEANS = np.array([123.68, 116.779, 103.939])  # of ImageNet's pictures, RGB in [0, 255]

# The assignment: the course's functions under the course's signatures.


def compute_content_cost(content_output, generated_output):
    """How far the made picture is from the photo, in the last of the layers.

    Args:
        content_output, generated_output: lists of activations of the same layers; the
            last ones, (1, n_H, n_W, n_C), are compared.

    Returns:
        A scalar tensor, at least 0.
    """
    a_C, a_G = content_output[-1], generated_output[-1]
    _, n_H, n_W, n_C = a_G.shape
    return tf.reduce_sum(tf.square(a_C - a_G)) / (4 * n_H * n_W * n_C)


def gram_matrix(A):
    """What each two channels have in common: (n_C, n_C) from A, (n_C, n_H n_W)."""
    return tf.matmul(A, A, transpose_b=True)


def compute_layer_style_cost(a_S, a_G):
    """How far the manners of two pictures are apart in one layer, a scalar tensor.

    Args:
        a_S, a_G: (1, n_H, n_W, n_C) activations of painting and made picture.
    """
    _, n_H, n_W, n_C = a_G.shape
    G_S, G_G = (gram_matrix(_unrolled(a)) for a in (a_S, a_G))
    return tf.reduce_sum(tf.square(G_S - G_G)) / (4 * n_C**2 * (n_H * n_W) ** 2)


def compute_style_cost(
    style_image_output, generated_image_output, STYLE_LAYERS=STYLE_LAYERS
):
    """How far the manners are apart in several layers together, a scalar tensor.

    Args:
        style_image_output, generated_image_output: lists of activations, one for each
            of `STYLE_LAYERS` and one more, the content layer's, which is left out.
        STYLE_LAYERS: pairs of a layer's name and its share.
    """
    # The last element is the content layer's.
    a_S, a_G = style_image_output[:-1], generated_image_output[:-1]
    return sum(
        share * compute_layer_style_cost(a_S[i], a_G[i])
        for i, (_, share) in enumerate(STYLE_LAYERS)
    )


def total_cost(J_content, J_style, alpha=10, beta=40):
    """Both costs together, `alpha` and `beta` times each."""
    return alpha * J_content + beta * J_style


def get_layer_outputs(vgg, layer_names):
    """A model to the activations of some layers of `vgg`.

    What lies behind the last of them is left out, so it costs nothing.

    Args:
        layer_names: pairs of a layer's name and its share, which is not used here.

    Returns:
        A model from what `vgg` takes to a list of activations.
    """
    outputs = [vgg.get_layer(name).output for name, _ in layer_names]
    return keras.Model(vgg.input, outputs)


def clip_0_1(image):
    """The picture with values below 0 set to 0, and those above 1 to 1."""
    return tf.clip_by_value(image, 0.0, 1.0)


def tensor_to_image(tensor):
    """A picture (h, w, 3) or (1, h, w, 3) of values in [0, 1] as a PIL image."""
    pixels = np.asarray(tensor) * 255
    return Image.fromarray(pixels.reshape(pixels.shape[-3:]).astype("uint8"))


def train_step(
    generated_image, *, vgg_model_outputs, a_C, a_S, optimizer, alpha=10, beta=40
):
    """Move the picture down the gradient of the total cost, once.

    The keyword arguments are the notebook's globals. `infer` makes the same move with
    all that does not change computed before, compiled into one graph.

    Args:
        generated_image: a variable (1, n_H, n_W, 3) in [0, 1], changed in place.
        vgg_model_outputs: what `get_layer_outputs` returns for `STYLE_LAYERS` and,
            last, the content layer.
        a_C, a_S: its outputs for the photo and for the painting.
        optimizer: a Keras optimiser; the course's is Adam at 0.01.

    Returns:
        The cost before the move.
    """
    with tf.GradientTape() as tape:
        a_G = vgg_model_outputs(generated_image)
        J_style = compute_style_cost(a_S, a_G)
        J_content = compute_content_cost(a_C, a_G)
        J = total_cost(J_content, J_style, alpha, beta)
    gradient = tape.gradient(J, generated_image)
    optimizer.apply([gradient], [generated_image])
    generated_image.assign(clip_0_1(generated_image))
    return J


def reshape_and_normalize_image(image):
    """A picture (h, w, 3) in [0, 255] less ImageNet's mean, (1, h, w, 3) float64.

    The helper of 2017; our networks do this themselves.
    """
    return image[np.newaxis] - MEANS


def _unrolled(a):
    """Activations (1, n_H, n_W, n_C) with a row for each channel, (n_C, n_H n_W)."""
    return tf.transpose(tf.reshape(a, (-1, a.shape[-1])))


# The application: the names that every assignment shares.

# What networks look at: their style layers and, last, the content layer. The compact
# one and the part of VGG-19 in eight files end with the third block.
DEEP = (*STYLE_LAYERS, ("block4_conv2", 1.0))  # content as in the paper
SHALLOW = (
    ("block1_conv1", 0.25),
    ("block2_conv1", 0.25),
    ("block3_conv1", 0.25),
    ("block3_conv4", 0.25),
    ("block3_conv3", 1.0),
)
SQUARE, WINDOW = 96, 64  # sides of a square to learn from and of a window, in pixels
SMALLEST = 32  # shortest side of a picture, in pixels
ALPHA, BETA = 1.0, 40.0  # weights of the relative costs, chosen by eye


class Squares(NamedTuple):
    """Pictures to learn activations from, as `load_data` returns them."""

    x: np.ndarray


def load_data(m=2400, drawn=800, seed=0):
    """Squares of photos and drawings, x (m + drawn, 96, 96, 3) uint8.

    The photos are the alpacas and other animals of `datasets.alpaca`; of the drawings
    three quarters are paintings and one landscapes of `datasets.paintings`. No picture
    of the course's style transfer is among them.
    """
    scenes = drawn // 4
    size = {"height": SQUARE, "width": SQUARE}
    parts = [
        paintings.make_paintings(drawn - scenes, seed=seed, **size),
        paintings.make_scenes(scenes, seed=seed, **size),
    ]
    if m:
        parts.append(paintings.crops(alpaca.photos()[0], m, size=SQUARE, seed=seed))
    return Squares(np.concatenate(parts))


def build_model(*, dtype="float32"):
    """The compact network, untrained, to its style layers and, last, the content layer.

    Args:
        dtype: "mixed_bfloat16" trains faster on CPUs that multiply such numbers.
    """
    return get_layer_outputs(vgg19.compact_vgg19(dtype=dtype), SHALLOW)


def train(
    model,
    data,
    *,
    epochs=5,
    batch_size=8,
    learning_rate=0.0015,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Teach `model` in place to give the activations of VGG-19, in units of its spread.

    It learns on random windows, turned, relit, blended with each other and with noise,
    since the pictures on the way to a painting look like none of these alone.

    Returns:
        Each epoch's mean loss: the squared error in parts of the variance and the
        relative squared error of the Gram matrices, means over the layers.
    """
    keras.utils.set_random_seed(seed)
    teacher = load_pretrained("vgg19_layers", dtype=model.layers[-1].dtype_policy)
    spreads = [vgg19.SPREAD[name] for name, _ in SHALLOW]
    steps = len(data.x) // batch_size

    def loss_fn(x):
        loss = 0.0
        for a, a_hat, spread in zip(
            teacher(x), model(x, training=True), spreads, strict=True
        ):
            a = tf.stop_gradient(tf.cast(a, tf.float32)) / spread
            a_hat = tf.cast(a_hat, tf.float32)
            G, G_hat = _grams(a), _grams(a_hat)
            error = tf.reduce_sum(tf.square(G_hat - G), (1, 2))
            loss += tf.reduce_mean(tf.square(a_hat - a))
            loss += tf.reduce_mean(error / tf.reduce_sum(tf.square(G), (1, 2)))
        return loss / len(spreads)

    rate = training.warm_cosine(learning_rate, steps * epochs, warmup=50)
    return training.fit(
        loss_fn,
        (data.x,),
        model.trainable_variables,
        Adam(rate, clipnorm=1.0),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        augment=_changed,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )


def _changed(seed, x):
    """Windows of squares as the train docstring says: (m, 64, 64, 3) in [0, 1]."""
    x = tf.cast(x, tf.float32) / 255
    x = augment.affine(seed, x, rotation=0.3, zoom=0.25, flip=True)
    m = x.shape[0]
    x = tf.image.stateless_random_crop(x, (m, WINDOW, WINDOW, 3), seed)
    x = augment.light(seed, x, brightness=0.2, contrast=0.4, tint=0.15)
    # Half of the pictures are blended, and another half get noise.
    blend, noise = tf.unstack(
        tf.random.stateless_uniform((2, m, 1, 1, 1), seed, -0.5, 0.5)
    )
    x += tf.nn.relu(blend) * (tf.roll(x, 1, axis=0) - x)
    x += 0.4 * tf.nn.relu(noise) * tf.random.stateless_normal(x.shape, seed)
    return [clip_0_1(x)]


def load_pretrained(variant="default", *, dtype="float32"):
    """A network that looks at pictures, to its style layers and the content layer.

    Args:
        variant: "default" is ours, shipped. The others are VGG-19 as published:
            "vgg19" from Keras's file and "vgg19_mat" from MatConvNet's, with the
            course's five style layers, and "vgg19_layers" from the first eight
            layers, one file each, with the layers of the default.
        dtype: of the arithmetic; "mixed_bfloat16" is faster where the CPU has it.
    """
    if variant == "default":
        model = weights.load(build_model(), "style_transfer")  # checked in float32
        if dtype == "float32":
            return model
        rounded = build_model(dtype=dtype)
        rounded.set_weights(model.get_weights())
        return rounded
    paths = weights.find_published("style_transfer", variant)
    read = {
        "vgg19": vgg19_files.read_keras,
        "vgg19_mat": vgg19_files.read_matconvnet,
        "vgg19_layers": vgg19_files.read_npz,
    }[variant]
    chosen = SHALLOW if variant == "vgg19_layers" else DEEP
    last = max(name for name, _ in chosen)
    network = vgg19.vgg19(last, dtype=dtype)
    vgg19_files.fill(network, read(*paths))
    return get_layer_outputs(network, chosen)


def infer(
    model,
    content,
    *,
    style=None,
    size=400,
    steps=80,
    alpha=ALPHA,
    beta=BETA,
    smoothness=0.0,
    start="content",
    learning_rate=0.03,
    seed=0,
    every=0,
    folder=None,
):
    """Paint a photo in the manner of a painting.

    Args:
        model: what `load_pretrained` returns.
        content: the photo (path, PIL image or array), or both pictures: a
            `paintings.Pair`, or their paths joined as in PATH, "photo.jpg:painting.jpg"
            (on Windows by a semicolon).
        style: the painting; default: the one in `content`, else a generated one.
        size: the longer side of the result in pixels; a smaller photo keeps its own.
            The painting is reduced likewise, so `size` also sets how coarse its
            strokes come out.
        steps: moves of Adam, whose rate falls from `learning_rate` to 0.
        alpha, beta: weights of the costs of content and style (see `relative_costs`).
        smoothness: weight of the mean difference of neighbouring pixels.
        start: "content" begins with the photo, "noise" with noise drawn from `seed`.
        every: write the picture as `folder`/00010.png and so on after so many steps.

    Returns:
        A PIL image, RGB, with the photo's proportions.
    """
    content, style = _both(content, style)
    x_C, x_S = (_fitted(picture, size) for picture in (content, style))
    if steps < 1:
        raise InputError(f"Painting takes some steps, received steps={steps}.")
    if start not in ("content", "noise"):
        raise InputError(f'start must be "content" or "noise", not {start!r}.')
    if every and folder is None:
        raise InputError("Pictures along the way need a folder: name one.")
    noise = np.random.default_rng(seed).uniform(size=x_C.shape)
    image = keras.Variable(x_C if start == "content" else noise, dtype="float32")
    image.constraint = clip_0_1  # which the optimiser applies after each move
    costs = relative_costs(model, x_C, x_S)

    def cost():
        picture = tf.convert_to_tensor(image)
        J = total_cost(*costs(picture), alpha, beta)
        return J + smoothness * total_variation(picture) if smoothness else J

    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    step = training.compile_step(cost, [image], Adam(rate))
    with progress("painting", total=steps) as bar:
        for i in range(1, steps + 1):
            J = float(step())
            bar.advance(1, f"cost {J:.4g}")
            if every and i % every == 0:
                images.write(tensor_to_image(image), Path(folder) / f"{i:05}.png")
    return tensor_to_image(image)


def relative_costs(model, content, style):
    """How far a picture is from the photo and from the painting's manner.

    Layers differ in scale by factors of ten, and networks more. So each cost is taken
    in parts of what it would be if the layer saw nothing:

        J_content = J(a_C, a_G) / J(a_C, 0)
        J_style = mean over the layers of J(a_S, a_G) / J(a_S, 0)

    with the course's costs J, whose constant factors cancel. The Gram matrices are
    divided by n_H n_W, so photo and painting may differ in size.

    Args:
        model: what `load_pretrained` returns.
        content, style: (1, h, w, 3) float32 in [0, 1].

    Returns:
        A function from a picture of the content's size to J_content and J_style. What
        does not change is computed here, and a graph of it holds the network's
        weights as constants.
    """
    a_C = model(content)[-1]
    G_S = [_mean_gram(a) for a in model(style)[:-1]]
    network = inference.constant(model)

    def costs(image):
        *a_G, a_last = network(image)
        J_style = [_error(_mean_gram(a), G) for a, G in zip(a_G, G_S, strict=True)]
        return _error(a_last, a_C), tf.reduce_mean(J_style)

    return costs


def total_variation(image):
    """The mean difference of pixels (1, h, w, 3) to those below and to the right."""
    down = tf.reduce_mean(tf.abs(image[:, 1:] - image[:, :-1]))
    return down + tf.reduce_mean(tf.abs(image[:, :, 1:] - image[:, :, :-1]))


def explained_variance(activations, estimates):
    """The share of the variance of VGG's layers that the compact network explains.

    Args:
        activations: of VGG-19 at the layers of `SHALLOW`.
        estimates: what the compact network gives, in units of `vgg19.SPREAD`.

    Returns:
        A dict from each layer's name to its share, at most 1.
    """
    shares = {}
    for (name, _), a, a_hat in zip(SHALLOW, activations, estimates, strict=True):
        a = np.asarray(a) / vgg19.SPREAD[name]
        shares[name] = float(1 - np.mean(np.square(a - a_hat)) / np.var(a))
    return shares


def evaluate(model=None):
    """How well the compact network stands in for VGG-19, as rows (what, ours, goal).

    On pictures it was not trained on: the share of the variance of each of VGG's
    layers that it explains, and the style cost, measured by VGG, of the course's
    photo, of what VGG paints from it and of what the network paints.
    """
    model = model or load_pretrained()
    teacher = load_pretrained("vgg19_layers")
    held_out = [files.find_data(remote) for remote in paintings.PICTURES.values()]
    squares = paintings.crops(held_out, 108, size=128, seed=1) / np.float32(255)
    rows = [
        (f"explained variance of {name}", share, None)
        for name, share in explained_variance(
            teacher.predict(squares, verbose=0), model.predict(squares, verbose=0)
        ).items()
    ]
    pair = paintings.load_pictures()
    x_C, x_S = (_fitted(picture, 200) for picture in pair)
    judged = relative_costs(teacher, x_C, x_S)
    for what, picture in {
        "the photo": pair.content,
        "painted by VGG-19": infer(teacher, pair, size=200),
        "painted by the network": infer(model, pair, size=200),
    }.items():
        _, J_style = judged(_fitted(picture, 200))
        rows.append((f"style cost by VGG-19, {what}", float(J_style), None))
    return rows


def picture(model, content):
    """Photo, painting and result side by side, a matplotlib figure."""
    content, style = _both(content, None)
    painted = infer(model, content, style=style)
    return plots.row({"photo": content, "manner of": style, "painted": painted})


def example():
    """The question of the tour: the course's pictures if at hand, else drawn ones."""
    if files.in_data_folder(paintings.PICTURES["louvre"].name):
        question, pair = "Can the Louvre be painted so?", paintings.load_pictures()
    else:
        question = "Can this drawn landscape be painted so?"
        pair = paintings.make_pictures()
    small = [images.read(picture) for picture in pair]
    for picture in small:
        picture.thumbnail((160, 160))
    return question, paintings.Pair(*small)


def _both(content, style):
    """Photo and painting as pictures, however they were handed in."""
    joined = isinstance(content, str) and os.pathsep in content
    if joined and not Path(content).exists():
        content = tuple(content.split(os.pathsep, 1))
    if isinstance(content, tuple) and len(content) == 2:
        content, beside = content
        style = beside if style is None else style
    if style is None:
        style = paintings.make_pictures().style
    return images.read(content), images.read(style)


def _fitted(picture, size):
    """A picture with its longer side reduced to `size`: (1, h, w, 3) in [0, 1]."""
    picture = images.read(picture)
    scale = min(1.0, size / max(picture.size))
    height, width = (max(1, round(scale * side)) for side in picture.size[::-1])
    if min(height, width) < SMALLEST:
        raise InputError(
            f"A picture of {picture.width} x {picture.height} would be looked at in "
            f"{width} x {height} pixels, expected {SMALLEST} at least either way. "
            "Crop it, take a larger one, or raise `size`."
        )
    return images.resized(picture, height, width)[np.newaxis]


def _error(a, target):
    """The squared error in parts of the target's own square, a scalar."""
    a, target = tf.cast(a, tf.float32), tf.cast(target, tf.float32)
    # Nothing would divide by zero: a black picture in a network without biases.
    whole = tf.reduce_sum(tf.square(target)) + 1e-9
    return tf.reduce_sum(tf.square(a - target)) / whole


def _mean_gram(a):
    """The Gram matrix of activations (1, n_H, n_W, n_C) over n_H n_W."""
    return _grams(a)[0] / (a.shape[1] * a.shape[2])


def _grams(a):
    """The Gram matrix of each picture's activations, (m, n_C, n_C)."""
    m, n_H, n_W, n_C = a.shape
    a = tf.reshape(tf.cast(a, tf.float32), (m, n_H * n_W, n_C))
    return tf.matmul(a, a, transpose_a=True)
