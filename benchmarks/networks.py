"""Compiled training and inference against Keras's `fit` and `predict`, and PyTorch.

We train by `core.training.fit` with the fused layers and Adam, Keras by `fit` with its
stock ones, PyTorch eagerly, channels last, with its fused Adam: the same network with
the same initial weights, examples and number of steps. Outputs are compared number by
number. PyTorch is the extra `bench`; without it those rows are left out.
"""

import functools
import math

import numpy as np

from benchmarks import mirror
from benchmarks.timing import (
    LATENCY,
    ROOFLINE,
    Benchmark,
    TrainingBenchmark,
    relative_difference,
)

LEARNING_RATE = 1e-5  # of Adam


def happy_house(quick, dtype="float32"):
    """Training of the Happy House network, an epoch of 600 images in batches of 16."""
    from dls_keras.course4 import happy_house as hh

    return classifier(hh.build_model, 16 if quick else 600, (64, 64), 2, 16, dtype)


def happy_house_bfloat16(quick):
    """The same in bfloat16, PyTorch in float32."""
    return happy_house(quick, "mixed_bfloat16")


def residual_networks(quick, dtype="float32"):
    """Training of ResNet50 on 64 x 64 images, a step of 32."""
    from dls_keras.course4 import residual_networks as rn

    m, batch_size = (8, 8) if quick else (128, 32)
    return classifier(rn.build_model, m, (64, 64), 6, batch_size, dtype, step=True)


def residual_networks_bfloat16(quick):
    """The same in bfloat16, PyTorch in float32."""
    return residual_networks(quick, "mixed_bfloat16")


def residual_networks_start(quick):
    """The first training step of ResNet50, including its tracing."""
    import keras
    import tensorflow as tf

    from dls_keras.core import training
    from dls_keras.course4 import residual_networks as rn
    from dls_keras.fast.layers import Adam

    model = rn.build_model()
    x, y = noise(8 if quick else 32, (64, 64), 6)
    cost = keras.losses.sparse_categorical_crossentropy

    def first_step():
        step = training.compile_step(
            lambda x, y: tf.reduce_mean(cost(y, model(x, training=True))),
            model.trainable_variables,
            Adam(LEARNING_RATE),
        )
        return float(step(tf.constant(x), tf.constant(y)))

    return Benchmark(first_step, {}, relative_difference, 0.0)


def segmentation(quick):
    """Training of U-Net, 32 filters, on 96 x 128 images of 23 classes, a step of 8."""
    from dls_keras.course4 import image_segmentation as seg

    build, m = functools.partial(seg.unet_model, n_filters=8 if quick else 32), 8
    return classifier(build, m if quick else 4 * m, (96, 128), 23, m, step=True)


def yolo_network(quick, dtype="float32"):
    """Inference of YOLOv2 on one image, 608 x 608."""
    from dls_keras.networks import yolo_v2

    size = (96 if quick else 608,) * 2
    return inference_benchmark(yolo_v2.yolo_v2((*size, 3)), 1, size, dtype)


def yolo_network_bfloat16(quick):
    """The same in bfloat16, PyTorch in float32."""
    return yolo_network(quick, "mixed_bfloat16")


def style_transfer(quick, dtype="float32"):
    """A step of style transfer through VGG-19 on an image of 300 x 400."""
    import keras
    import tensorflow as tf

    from dls_keras.core import training
    from dls_keras.course4 import style_transfer as st
    from dls_keras.fast import style_costs
    from dls_keras.fast.layers import Adam
    from dls_keras.networks import vgg19

    def build(dtype):
        network = vgg19.vgg19("block5_conv1", dtype=dtype)
        return st.get_layer_outputs(network, st.DEEP)

    keras.utils.set_random_seed(0)
    size = (30, 40) if quick else (300, 400)
    content, style = np.split(noise(2, size, 2)[0], 2)
    model, plain = build(dtype), build("float32")
    model.set_weights(plain.get_weights())
    image = keras.Variable(content, dtype="float32")
    image.constraint = st.clip_0_1
    costs = style_costs.relative_costs(model, content, style)
    step = training.compile_step(
        lambda: st.total_cost(*costs(tf.convert_to_tensor(image)), st.ALPHA, st.BETA),
        [image],
        Adam(0.01),
    )
    baselines = {}
    if mirror.available():
        from benchmarks import eager

        settings = plain, content, style, 0.01, st.ALPHA, st.BETA
        baselines["PyTorch"] = eager.style_transfer_step(*settings)
        if dtype != "float32":
            half = eager.style_transfer_step(*settings, dtype)
            baselines["PyTorch, bfloat16"] = half
    sized = keras.models.clone_model(plain, input_tensors=keras.Input((*size, 3)))
    return Benchmark(
        lambda: [float(step())],
        baselines,
        relative_difference,
        1e-3 if dtype == "float32" else 0.1,
        flops=2 * flops(sized),  # no gradients of the filters, only of the pixels
        dtype=dtype.removeprefix("mixed_"),
    )


def style_transfer_bfloat16(quick):
    """The same in bfloat16, PyTorch in float32."""
    return style_transfer(quick, "mixed_bfloat16")


def face_network(quick):
    """Inference of MobileFaceNet on 112 x 112 images in batches of 32, per image."""
    from dls_keras.networks import mobile_face_net

    m = 2 if quick else 32
    return inference_benchmark(mobile_face_net.mobile_face_net(), m, (112, 112))


def yolo_fastest(quick):
    """Inference of YOLO-Fastest XL on 320 x 320 images in batches of 16, per image."""
    from dls_keras.core import files, weights
    from dls_keras.networks import darknet

    cfg, _ = weights.published("car_detection")["yolo-fastest-1.1-xl"]
    path = files.in_data_folder(cfg.name)
    if path is None:
        return None
    network = darknet.build(darknet.parse(path.read_text("utf-8")))
    size = network.model.input_shape[1:3]
    return inference_benchmark(network.model, 2 if quick else 16, size)


WORKLOADS = {
    happy_house: {"PyTorch": 1 / 0.75, "Keras fit": 1 / 0.35},
    happy_house_bfloat16: {"PyTorch": 1 / 0.5},
    residual_networks: {"PyTorch": 1 / 0.65, "Keras fit": 1 / 0.5, ROOFLINE: 1 / 1.6},
    residual_networks_bfloat16: {"PyTorch": 1 / 0.45},
    residual_networks_start: {LATENCY: 5.0},
    segmentation: {"PyTorch": 1.0},
    yolo_network: {"PyTorch": 1 / 0.6, ROOFLINE: 1 / 1.4},
    yolo_network_bfloat16: {"PyTorch": 1 / 0.35},
    style_transfer: {"PyTorch": 1 / 0.95, ROOFLINE: 1 / 1.25},
    style_transfer_bfloat16: {"PyTorch": 1 / 0.55},
    face_network: {"PyTorch": 1.0},
    yolo_fastest: {"PyTorch": 1.0},
}


def classifier(build, m, size, classes, batch_size, dtype="float32", step=False):
    """Training of a classifier, of images or of pixels, on random data.

    Args:
        build: makes the model for images of `size`, of which there are m.
        step: whether the row is about one step, not an epoch.
    """
    import keras

    keras.utils.set_random_seed(0)
    x, y = noise(m, size, classes, pixels=len(build().output_shape) == 4)
    return training_benchmark(build, x, y, batch_size, dtype=dtype, step=step)


def training_benchmark(
    build, x, y, batch_size, *, tolerance=0.2, dtype="float32", step=False
):
    """Training of a model by Adam, ours in `dtype`, Keras's in float32."""
    from dls_keras.core import training
    from dls_keras.fast.layers import Adam

    model, plain = built(build, dtype), build()
    model.set_weights(plain.get_weights())
    cost = loss_of(model)

    def train(epochs, on_epoch):
        return training.fit(
            lambda x, y: cost(y, model(x, training=True)),
            (x, y),
            model.trainable_variables,
            Adam(LEARNING_RATE),
            epochs=epochs,
            batch_size=batch_size,
            state=model.non_trainable_variables,
            on_epoch=on_epoch,
        )

    baselines = {"Keras fit": keras_epoch(stock(plain), cost, x, y, batch_size)}
    if mirror.available():
        baselines["PyTorch"] = torch_epoch(plain, x, y, batch_size, "float32")
        if dtype != "float32":
            half = torch_epoch(plain, x, y, batch_size, dtype)
            baselines["PyTorch, bfloat16"] = half
    steps = len(x) // batch_size
    return TrainingBenchmark(
        train,
        baselines,
        tolerance,
        # In half precision the weights differ after a step.
        whole_curve=steps == 1 and dtype == "float32",
        flops=steps * batch_size * flops(plain, training=True),
        dtype=dtype.removeprefix("mixed_"),
        units=steps if step else 1,
    )


def keras_epoch(model, cost, x, y, batch_size):
    """A function that trains by Keras's `fit` for one epoch and returns the loss."""
    import keras

    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss=cost)
    whole = len(x) // batch_size * batch_size

    def epoch():
        history = model.fit(
            x[:whole], y[:whole], batch_size=batch_size, epochs=1, verbose=0
        )
        return history.history["loss"][-1]

    return epoch


def torch_epoch(model, x, y, batch_size, dtype):
    """The same with PyTorch, from the weights of the Keras model."""
    import torch
    from torch.nn import functional as F

    def loss(y_hat, y):
        if y_hat.shape[-1] == 1:
            return F.binary_cross_entropy(y_hat, y)
        if y_hat.ndim == 4:  # logits of each pixel
            return F.cross_entropy(y_hat.permute(0, 3, 1, 2), y)
        return F.nll_loss(torch.log(y_hat + 1e-7), y)

    step = mirror.training_step(mirror.mirror(model), loss, LEARNING_RATE, dtype)
    x, y = (torch.as_tensor(part, device=mirror.DEVICE) for part in (x, y))

    def epoch():
        order = torch.randperm(len(x), device=mirror.DEVICE)
        batches = order[: len(x) // batch_size * batch_size].split(batch_size)
        return float(np.mean([step(x[chosen], y[chosen]) for chosen in batches]))

    return epoch


def inference_benchmark(model, m, size, dtype="float32"):
    """Inference on a batch of m images, with random weights and statistics."""
    import tensorflow as tf

    from dls_keras.fast import inference

    rng = np.random.default_rng(0)
    for layer in model.layers:  # statistics as after training
        if type(layer).__name__ == "BatchNormalization":
            for variable in layer.weights:
                shift = variable.name in ("beta", "moving_mean")
                low, high = (-0.2, 0.2) if shift else (0.5, 1.5)
                variable.assign(rng.uniform(low, high, variable.shape))
    x = rng.random((m, *size, 3), dtype="float32")
    ours, fixed = inference.freeze(model, dtype=dtype), tf.constant(x)
    baselines = {"Keras predict": lambda: flat(model.predict(x, verbose=0))}
    if mirror.available():
        network = mirror.fold_batch_norm(mirror.mirror(model)).to(mirror.DEVICE)
        predict = functools.partial(torch_predict, network, x)
        baselines["PyTorch"] = functools.partial(predict, "float32")
        if dtype != "float32":
            baselines["PyTorch, bfloat16"] = functools.partial(predict, dtype)
    return Benchmark(
        lambda: flat(ours(fixed)),
        baselines,
        relative_difference,
        1e-4 if dtype == "float32" else 0.1,
        flops=m * flops(model),
        dtype=dtype.removeprefix("mixed_"),
        units=m,
    )


def torch_predict(network, x, dtype):
    """The outputs of a PyTorch network for the images x, as NumPy arrays."""
    import torch

    half = torch.autocast(mirror.DEVICE, torch.bfloat16, enabled=dtype != "float32")
    with torch.inference_mode(), half:
        outputs = network(torch.as_tensor(x, device=mirror.DEVICE))
        parts = outputs if isinstance(outputs, list | tuple) else [outputs]
        return [part.cpu().numpy() for part in parts]


def flat(outputs):
    """One tensor or several as a list of NumPy arrays."""
    parts = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [np.asarray(part) for part in parts]


def noise(m, size, classes, pixels=False):
    """Random images x (m, *size, 3) float32 in [0, 1] with random labels."""
    rng = np.random.default_rng(0)
    x = rng.random((m, *size, 3), dtype="float32")
    y = rng.integers(0, classes, (m, *size) if pixels else m)
    return x, y[:, None].astype("float32") if classes == 2 else y


def loss_of(model):
    """The mean cross-entropy for the kind of output that a classifier has."""
    import keras
    import tensorflow as tf

    if model.output_shape[-1] == 1:
        cost = keras.losses.binary_crossentropy
    else:
        cost = functools.partial(
            keras.losses.sparse_categorical_crossentropy,
            from_logits=len(model.output_shape) == 4,
        )
    return lambda y, y_hat: tf.reduce_mean(cost(y, tf.cast(y_hat, tf.float32)))


def built(build, dtype):
    """The model, built under the dtype policy `dtype`."""
    import keras

    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        return build()
    finally:
        keras.config.set_dtype_policy(usual)


def stock(model):
    """The same functional model with Keras's own layers."""
    import keras

    def layer(ours):
        kind = getattr(keras.layers, type(ours).__name__, type(ours))
        if kind is type(ours) and not ours.weights:  # both models can use it
            return ours
        return kind.from_config(ours.get_config())

    copy = keras.models.clone_model(model, clone_function=layer)
    copy.set_weights(model.get_weights())
    return copy


def flops(model, training=False):
    """Floating-point operations per example that cannot be avoided.

    Those of convolutions, dense layers and GRUs, without products with padding.
    Training takes three times as many, except for the gradient of the first layer's
    input, which is not needed.
    """
    counts = []
    for layer in model.layers:
        layer = getattr(layer, "layer", layer)  # of TimeDistributed
        kernels = [w for w in layer.weights if "kernel" in w.path]
        if not kernels:
            continue
        shape, share = layer.output.shape, 1.0
        if type(layer).__name__ == "Conv2DTranspose":
            shape = layer.input.shape
        elif getattr(layer, "padding", "valid") == "same":
            share = inside_share(layer)
        positions = share * math.prod(shape[1:-1])
        counts.append(2 * positions * sum(math.prod(k.shape) for k in kernels))
    return 3 * sum(counts) - counts[0] if training else sum(counts)


def inside_share(convolution):
    """The share of a convolution's products that are not with padding."""
    shares = []
    for n, out, f, s in zip(
        convolution.input.shape[1:],
        convolution.output.shape[1:],
        convolution.kernel_size,
        convolution.strides,
        strict=False,  # channels come last
    ):
        before = max((out - 1) * s + f - n, 0) // 2
        inputs = np.arange(out)[:, None] * s + np.arange(f) - before
        shares.append(np.mean((inputs >= 0) & (inputs < n)))
    return math.prod(shares)
