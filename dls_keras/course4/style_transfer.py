"""Neural style transfer: render a photo in the style of a painting (C4 W4 A2).

No weights are trained here; gradient descent updates the pixels of an image. A network
trained for another task measures how close the image is to the goal. In a deep layer
its activations a should be those of the photo (the content). In several layers the
correlations between channels, summed over all positions, should be those of the
painting (the style):

    J_content = sum((a_C - a_G)^2) / (4 n_H n_W n_C)
    G = A A^T,   J_style = sum((G_S - G_G)^2) / (4 n_C^2 (n_H n_W)^2)
    J = alpha J_content + beta J_style

Shapes: the activations of a layer are (1, n_H, n_W, n_C), A is their unrolled form
(n_C, n_H n_W) and G their Gram matrix (n_C, n_C). The index C stands for the content
image, S for the style image and G for the generated image. Edition: 2021; in 2017
`compute_content_cost` took the two activations and `compute_style_cost` the model, and
images were prepared by `reshape_and_normalize_image`.
Paper: Gatys, Ecker & Bethge (2015), https://arxiv.org/abs/1508.06576
"""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from PIL import Image

from dls_keras import plots
from dls_keras.converters import vgg19 as vgg19_files
from dls_keras.core import (
    augment,
    files,
    images,
    inputs,
    pretrained,
    settings,
    training,
    weights,
)
from dls_keras.core.answers import Answer, Row
from dls_keras.core.errors import InputError
from dls_keras.core.progress import progress
from dls_keras.datasets import catalog, paintings
from dls_keras.fast import style_costs

# Keras's Adam in fewer operations; a test compares the two.
from dls_keras.fast.layers import Adam
from dls_keras.networks import vgg19

# The style layers of the course, and the weight of each.
STYLE_LAYERS = [
    ("block1_conv1", 0.2),
    ("block2_conv1", 0.2),
    ("block3_conv1", 0.2),
    ("block4_conv1", 0.2),
    ("block5_conv1", 0.2),
]
MEANS = np.array([123.68, 116.779, 103.939])  # of ImageNet's images, RGB in [0, 255]

# The assignment: the course's functions with the course's signatures.


def compute_content_cost(content_output, generated_output):
    """The squared distance of generated and content image in the content layer.

    Args:
        content_output, generated_output: lists of activations of the same layers. The
            last ones, (1, n_H, n_W, n_C), are compared.

    Returns:
        J_content, a scalar tensor, at least 0.
    """
    a_C, a_G = content_output[-1], generated_output[-1]
    _, n_H, n_W, n_C = a_G.shape
    return tf.reduce_sum(tf.square(a_C - a_G)) / (4 * n_H * n_W * n_C)


def gram_matrix(A):
    """The Gram matrix A A^T: the inner product of each pair of channels.

    Args:
        A: (n_C, n_H n_W), one row per channel.

    Returns:
        (n_C, n_C).
    """
    return tf.matmul(A, A, transpose_b=True)


def compute_layer_style_cost(a_S, a_G):
    """The squared distance of the Gram matrices of one layer, a scalar tensor.

    Args:
        a_S, a_G: (1, n_H, n_W, n_C) activations of style and generated image.
    """
    _, n_H, n_W, n_C = a_G.shape
    A_S, A_G = (tf.transpose(tf.reshape(a, (-1, n_C))) for a in (a_S, a_G))
    G_S, G_G = gram_matrix(A_S), gram_matrix(A_G)
    return tf.reduce_sum(tf.square(G_S - G_G)) / (4 * n_C**2 * (n_H * n_W) ** 2)


def compute_style_cost(
    style_image_output, generated_image_output, STYLE_LAYERS=STYLE_LAYERS
):
    """The weighted sum of the style costs of several layers, a scalar tensor.

    Args:
        style_image_output, generated_image_output: lists of activations, one for each
            of `STYLE_LAYERS` and, last, those of the content layer, which are not used.
        STYLE_LAYERS: pairs of a layer's name and its weight.
    """
    a_S, a_G = style_image_output[:-1], generated_image_output[:-1]
    J_style = 0
    for i, (_, weight) in enumerate(STYLE_LAYERS):
        J_style += weight * compute_layer_style_cost(a_S[i], a_G[i])
    return J_style


def total_cost(J_content, J_style, alpha=10, beta=40):
    """The total cost J = alpha J_content + beta J_style."""
    return alpha * J_content + beta * J_style


def get_layer_outputs(vgg, layer_names):
    """A model that returns the activations of some layers of `vgg`.

    Layers after the last of them are not part of it.

    Args:
        layer_names: pairs of a layer's name and its weight, which is not used here.

    Returns:
        A model from the input of `vgg` to a list of activations.
    """
    outputs = [vgg.get_layer(name).output for name, _ in layer_names]
    return keras.Model(vgg.input, outputs)


def clip_0_1(image):
    """The image with its values limited to [0, 1]."""
    return tf.clip_by_value(image, 0.0, 1.0)


def tensor_to_image(tensor):
    """An image (h, w, 3) or (1, h, w, 3) with values in [0, 1] as a PIL image."""
    pixels = np.asarray(tensor) * 255
    return Image.fromarray(pixels.reshape(pixels.shape[-3:]).astype("uint8"))


def train_step(
    generated_image, *, vgg_model_outputs, a_C, a_S, optimizer, alpha=10, beta=40
):
    """Update the image by one step of gradient descent on the total cost.

    The keyword arguments are the notebook's globals. `infer` compiles such steps and
    computes what is the same in all of them once.

    Args:
        generated_image: a variable (1, n_H, n_W, 3) in [0, 1], updated in place.
        vgg_model_outputs: the model of `get_layer_outputs` for `STYLE_LAYERS` and,
            last, the content layer.
        a_C, a_S: its outputs for the content image and for the style image.
        optimizer: a Keras optimiser; the course's is Adam with a rate of 0.01.

    Returns:
        The cost before the step.
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
    """An image (h, w, 3) in [0, 255] minus ImageNet's mean, (1, h, w, 3) float64.

    A helper of the 2017 edition; our networks contain this step.
    """
    return image[np.newaxis] - MEANS


# The application: the names that every assignment shares.

# Style layers and, last, the content layer, as `get_layer_outputs` takes them. The
# compact network and VGG-19 in eight files end with the third block.
DEEP = (*STYLE_LAYERS, ("block4_conv2", 1.0))  # the content layer of the paper
SHALLOW = (
    ("block1_conv1", 0.25),
    ("block2_conv1", 0.25),
    ("block3_conv1", 0.25),
    ("block3_conv4", 0.25),
    ("block3_conv3", 1.0),
)
CROP, WINDOW = 96, 64  # sides of a stored and of a sampled training crop, in pixels
SMALLEST = 32  # shortest side of an image, in pixels
ALPHA, BETA = 1.0, 40.0  # weights of `fast.style_costs`, chosen by eye


def load_data(
    photos: int = 2400, extra: int = 800, seed: int = 0, *, synthetic: bool = False
) -> paintings.Crops:
    """Training crops of photos and of synthetic paintings and landscapes.

    See `datasets.paintings.load_training_crops`. No image of the course's style
    transfer is among them.

    Args:
        photos, extra: how many crops of photos, and how many synthetic images.
        synthetic: the synthetic images alone, and the network that ships in place of
            VGG-19; needs no files.
    """
    how: dict[str, Any] = {"size": CROP, "seed": seed, "synthetic": synthetic}
    return paintings.load_training_crops(photos, extra, **how)


def build_model(*, dtype: str = "float32") -> keras.Model:
    """The compact network, untrained, with its style layers and, last, content layer.

    Args:
        dtype: of the arithmetic; "mixed_bfloat16" trains faster on CPUs with bfloat16
            units.

    Returns:
        A model from (m, n_H, n_W, 3) float32, RGB in [0, 1], to a list of activations.
    """
    return get_layer_outputs(vgg19.compact_vgg19(dtype=dtype), SHALLOW)


def train(
    model: keras.Model,
    data: paintings.Crops,
    *,
    epochs: int = 5,
    batch_size: int = 8,
    learning_rate: float = 0.0015,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Knowledge distillation: train `model` in place to give VGG-19's activations.

    With the data of `load_data(synthetic=True)` they are those of the network that
    ships, since VGG-19 needs its files.

    Args:
        settings: further settings of `core.training.fit`.

    Returns:
        Each epoch's mean `networks.vgg19.distillation_loss`.
    """
    keras.utils.set_random_seed(seed)
    made = isinstance(data, paintings.SyntheticCrops)
    variant = "default" if made else "vgg19_layers"
    teacher = load_pretrained(variant, dtype=model.layers[-1].dtype_policy)
    names = [name for name, _ in SHALLOW]
    steps = epochs * (len(data.x) // batch_size)
    rate = training.cosine_decay_with_warmup(learning_rate, steps, warmup=50)
    return training.fit(
        lambda x: vgg19.distillation_loss(names, teacher(x), model(x, training=True)),
        (data.x,),
        model.trainable_variables,
        Adam(rate, clipnorm=1.0),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        augment=augmented,
        **settings,
    )


def augmented(seed: Any, x: tf.Tensor) -> list[tf.Tensor]:
    """Random windows of crops, transformed: (m, 64, 64, 3) float32 in [0, 1].

    Half of them are blended with another window, and half get noise, since images
    during style transfer look like neither photos nor paintings.
    """
    x = tf.cast(x, tf.float32) / 255
    x = augment.affine(seed, x, rotation=0.3, zoom=0.25, flip=True)
    m = x.shape[0]
    x = tf.image.stateless_random_crop(x, (m, WINDOW, WINDOW, 3), seed)
    x = augment.colour_jitter(seed, x, brightness=0.2, contrast=0.4, tint=0.15)
    blend, noise = tf.unstack(
        tf.random.stateless_uniform((2, m, 1, 1, 1), seed, -0.5, 0.5)
    )
    x += tf.nn.relu(blend) * (tf.roll(x, 1, axis=0) - x)
    x += 0.4 * tf.nn.relu(noise) * tf.random.stateless_normal(x.shape, seed)
    return [clip_0_1(x)]


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default", *, dtype: Any = "float32") -> keras.Model:
    """A pretrained network with its style layers and, last, its content layer.

    Args:
        variant: "default" is our compact network, whose weights ship with the package.
            The others are VGG-19 as published: "vgg19" from Keras's file and
            "vgg19_mat" from MatConvNet's, with the course's five style layers;
            "vgg19_layers" from one file for each of the first eight layers, with the
            layers of "default".
        dtype: of the arithmetic; "mixed_bfloat16" is faster on CPUs with such units.
    """
    if variant == "default":
        model = weights.load(build_model(), "style_transfer")  # checked in float32
        if dtype == "float32":
            return model
        rounded = build_model(dtype=dtype)
        rounded.set_weights(model.get_weights())
        return rounded
    paths = weights.find_published("style_transfer", variant)
    chosen = SHALLOW if variant == "vgg19_layers" else DEEP
    # The names sort by depth; the network ends with the deepest chosen layer.
    network = vgg19.vgg19(max(name for name, _ in chosen), dtype=dtype)
    if variant == "vgg19":
        arrays = vgg19_files.read_keras(*paths)
    elif variant == "vgg19_mat":
        arrays = vgg19_files.read_matconvnet(*paths)
    else:
        arrays = vgg19_files.read_npz(*paths)
    vgg19_files.fill(network, arrays)
    return get_layer_outputs(network, chosen)


class _InRange(keras.constraints.Constraint):
    """The colours of an image stay in [0, 1]."""

    def __call__(self, image):
        return clip_0_1(image)


@inputs.one_by_one(inputs.PICTURE)
def infer(
    model: keras.Model,
    content: Any,
    *,
    style: Any = None,
    size: int = 400,
    steps: int = 80,
    alpha: float = ALPHA,
    beta: float = BETA,
    smoothness: float = 0.0,
    start: str = "content",
    learning_rate: float = 0.03,
    seed: int = 0,
    every: int = 0,
    folder: str | Path | None = None,
) -> Answer:
    """Render a photo in the style of a painting.

    Args:
        model: as `load_pretrained` returns it.
        content: the photo (path, PIL image or array), or both images: a
            `paintings.Pair`, or two paths joined as in PATH, "photo.jpg:painting.jpg"
            (on Windows by a semicolon).
        style: the painting; default: the one in `content`, else a synthetic one.
        size: the longer side of the result in pixels; a smaller photo keeps its size.
            The painting is reduced in the same way, so `size` also determines how
            coarse its brush strokes are.
        steps: of Adam, whose learning rate decays from `learning_rate` to 0.
        alpha, beta: weights of the relative costs of content and style
            (`fast.style_costs`).
        smoothness: weight of `total_variation`.
        start: "content" starts from the photo, "noise" from uniform noise with `seed`.
        every: write the image to `folder`/00010.png and so on after so many steps.

    Returns:
        An `Answer` such as "an image of 400 x 300 pixels"; the result is
        `details["image"]`, a PIL image with the photo's aspect ratio. `confidence` is
        None, since no probability is computed.
    """
    content, given = _content_and_style(content)
    style = given if style is None else style
    style = paintings.make_pictures().style if style is None else style
    x_C, x_S = _reduced(content, size), _reduced(style, size)
    if steps < 1:
        raise InputError(f"steps must be at least 1, received {steps}.")
    if start not in ("content", "noise"):
        raise InputError(f'start must be "content" or "noise", received {start!r}.')
    if every and folder is None:
        raise InputError(f"every={every} needs a folder to write to: set `folder`.")
    folder = Path(folder or "")
    noise = np.random.default_rng(seed).uniform(size=x_C.shape)
    image = keras.Variable(x_C if start == "content" else noise, dtype="float32")
    image.constraint = _InRange()  # applied by the optimiser after each step
    costs = style_costs.relative_costs(model, x_C, x_S)

    def cost():
        generated = tf.convert_to_tensor(image)
        J = total_cost(*costs(generated), alpha, beta)
        return J + smoothness * total_variation(generated) if smoothness else J

    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    step = training.compile_step(cost, [image], Adam(rate))
    with progress("style transfer", total=steps) as bar:
        for i in range(1, steps + 1):
            J = float(step())
            bar.advance(1, f"cost {J:.4g}")
            if every and i % every == 0:
                images.write(tensor_to_image(image), folder / f"{i:05}.png")
    result = tensor_to_image(image)
    return Answer(
        f"an image of {result.width} x {result.height} pixels",
        image=result,
        for_picture={"style": images.read(x_S[0])},
    )


def total_variation(image: tf.Tensor) -> tf.Tensor:
    """The mean absolute difference of neighbouring pixels (1, h, w, 3), a scalar.

    It is the sum of two means, over vertical and over horizontal neighbours.
    """
    down = tf.reduce_mean(tf.abs(image[:, 1:] - image[:, :-1]))
    return down + tf.reduce_mean(tf.abs(image[:, :, 1:] - image[:, :, :-1]))


def evaluate(model: keras.Model | None = None, *, synthetic: bool = False) -> list[Row]:
    """How well the compact network replaces VGG-19, on images not used for training.

    The rows are the share of the variance of each layer of VGG-19 that it explains, and
    the style cost, measured by VGG-19, of the course's photo and of the results of both
    networks.

    Args:
        synthetic: the style costs of synthetic images, measured by `model` itself;
            needs no files.
    """
    model = model or load_pretrained()
    if synthetic:
        rows, pair = [], paintings.make_pictures(seed=10_000)
        teacher, name = model, "the model itself, synthetic landscape"
        results = {"our result": infer(model, pair, size=200).details["image"]}
    else:
        pair, name = paintings.load_pictures(), "VGG-19"
        teacher = load_pretrained("vgg19_layers")
        rows = _explained(model, teacher)
        results = {
            "the result of VGG-19": infer(teacher, pair, size=200).details["image"],
            "our result": infer(model, pair, size=200).details["image"],
        }
    x_C, x_S = (_reduced(image, 200) for image in pair)
    costs = style_costs.relative_costs(teacher, x_C, x_S)
    for what, image in {"the photo": pair.content, **results}.items():
        _, J_style = costs(_reduced(image, 200))
        rows.append(Row(f"style cost measured by {name}, {what}", float(J_style)))
    return rows


def _explained(model, teacher):
    """Rows: the share of the variance of each layer of VGG-19 that `model` explains."""
    held_out = [catalog.find(remote) for remote in paintings.PICTURES.values()]
    x = paintings.crops(held_out, 108, size=128, seed=1) / np.float32(255)
    a, a_hat = (network.predict(x, verbose=0) for network in (teacher, model))
    shares = vgg19.explained_variance([name for name, _ in SHALLOW], a, a_hat)
    return [
        Row(f"explained variance of VGG-19's {name}", r) for name, r in shares.items()
    ]


def picture(content: Any, answer: Answer) -> Figure:
    """Photo, style and result side by side."""
    photo, _ = _content_and_style(content)
    style, result = answer.for_picture["style"], answer.details["image"]
    return plots.row({"photo": photo, "style": style, "result": result})


def example() -> tuple[str, paintings.Pair]:
    """A question and its images: the course's if available, else synthetic ones."""
    if files.in_data_folder(paintings.PICTURES["louvre"].name):
        question, pair = "How would Monet paint the Louvre?", paintings.load_pictures()
    else:
        question = "How does this landscape look in the style of that painting?"
        pair = paintings.make_pictures()
    small = [images.read(image) for image in pair]
    for image in small:
        image.thumbnail((160, 160))
    return question, paintings.Pair(*small)


def _content_and_style(content):
    """The content image, and the style image given with it or None."""
    if isinstance(content, str) and os.pathsep in content:
        if not Path(content).exists():
            content = tuple(content.split(os.pathsep, 1))
    if isinstance(content, tuple) and len(content) == 2:
        return content
    return content, None


def _reduced(image, size):
    """An image with its longer side reduced to `size`: (1, h, w, 3) in [0, 1]."""
    image = images.read(image)
    scale = min(1.0, size / max(image.size))
    height, width = (max(1, round(scale * side)) for side in image.size[::-1])
    if min(height, width) < SMALLEST:
        raise InputError(
            f"With size={size} an image of {image.width} x {image.height} is reduced "
            f"to {width} x {height} pixels; both sides must be at least {SMALLEST}. "
            "Crop it, use a larger one, or increase `size`."
        )
    return images.resized(image, height, width)[np.newaxis]
