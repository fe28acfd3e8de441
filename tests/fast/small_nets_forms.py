"""The fast forms of convolutional networks: im2col, Keras layers, frozen networks."""

import keras
import numpy as np
import tensorflow as tf
from forms import Form
from keras import layers

from dls_keras.course4 import convolution_steps
from dls_keras.fast import im2col, inference
from dls_keras.fast.layers import Adam, BatchNormalization, Conv2D, PReLU

# Convolution and pooling in NumPy: matrix products against loops over windows.


def convolution(stride, pad, f):
    """The outputs and the three gradients of a convolution of two images, 7 x 9 x 3."""

    def inputs():
        rng = np.random.default_rng(f)
        n_H, n_W = ((n + 2 * pad - f) // stride + 1 for n in (7, 9))
        shapes = (2, 7, 9, 3), (f, f, 3, 4), (1, 1, 1, 4), (2, n_H, n_W, 4)
        return tuple(rng.normal(size=shape) for shape in shapes)

    def fast(A_prev, W, b, dZ):
        Z = im2col.convolve(A_prev, W, b, stride, pad)
        dA_prev, dW, db = im2col.convolve_gradients(dZ, A_prev, W, stride, pad)
        return Z, dA_prev, dW, db.reshape(b.shape)

    def lesson(A_prev, W, b, dZ):
        Z, cache = convolution_steps.conv_forward_by_loops(
            A_prev, W, b, {"stride": stride, "pad": pad}
        )
        return Z, *convolution_steps.conv_backward_by_loops(dZ, cache)

    name = f"convolution {f} x {f}, stride {stride}, pad {pad}"
    return Form(name, fast, lesson, inputs, rtol=1e-12, atol=1e-12)


def pooling(f, stride, mode):
    """The outputs and the gradient of pooling; integers, so that there are ties."""

    def inputs():
        rng = np.random.default_rng(f)
        n_H, n_W = ((n - f) // stride + 1 for n in (7, 9))
        return (
            rng.integers(0, 5, (2, 7, 9, 3)).astype("float64"),
            rng.normal(size=(2, n_H, n_W, 3)),
        )

    def fast(A_prev, dA):
        A = im2col.pool(A_prev, f, stride, mode)
        return A, im2col.pool_gradient(dA, A_prev, f, stride, mode)

    def lesson(A_prev, dA):
        hparameters = {"f": f, "stride": stride}
        A, cache = convolution_steps.pool_forward_by_loops(A_prev, hparameters, mode)
        return A, convolution_steps.pool_backward_by_loops(dA, cache, mode)

    name = f"{mode} pooling {f} x {f}, stride {stride}"
    return Form(name, fast, lesson, inputs, rtol=1e-12, atol=1e-12)


# Layers: each against the Keras layer that it extends, with the same weights.


def layer(name, kind, shape, *, training=None, tolerance=1e-5, **arguments):
    """The outputs of a layer and its state after the call.

    Gradients are those of the inputs and the trainable weights; nobody differentiates
    the state, such as moving averages.

    Args:
        kind: a class of `fast.layers`; its base class is the lesson's form.
        shape: of the inputs, examples first.
        tolerance: relative to numbers of size 1.
    """
    call = {} if training is None else {"training": training}

    def build(kind):
        built = kind(**arguments)
        built.build((None, *shape[1:]))
        return built

    def inputs():
        rng = np.random.default_rng(1)
        x = rng.normal(1, np.linspace(0.5, 3, shape[-1]), shape)
        weights = [
            rng.uniform(0.5, 2, w.shape)
            if len(w.shape) == 1
            else rng.normal(size=w.shape) / np.sqrt(w.shape[-1])
            for w in build(kind).trainable_variables
        ]
        return tuple(array.astype("float32") for array in (x, *weights))

    def form(kind):
        def function(x, *weights):
            built = build(kind)
            state = [
                tf.constant(np.linspace(0.5, 2, w.shape[0]), tf.float32)
                for w in built.non_trainable_variables
            ]
            outputs, state = built.stateless_call(weights, state, x, **call)
            state = [tf.stop_gradient(tf.cast(part, tf.float32)) for part in state]
            return [tf.cast(outputs, tf.float32), *state]

        return function

    return Form(
        f"{kind.__name__}, {name}",
        form(kind),
        form(kind.__bases__[0]),
        inputs,
        gradients=True,
        rtol=tolerance,
        atol=20 * tolerance,  # sums of up to a few hundred products
    )


MAPS = (5, 4, 6, 3)
NORMS = [
    layer("training", BatchNormalization, MAPS, training=True),
    layer("inference", BatchNormalization, MAPS, training=False),
    layer("frozen", BatchNormalization, MAPS, training=True, trainable=False),
    *(
        layer(str(settings), BatchNormalization, MAPS, training=True, **settings)
        for settings in (
            {"axis": 3, "momentum": 0.7, "epsilon": 0.1},
            {"scale": False},
            {"center": False},
            {"scale": False, "center": False},
        )
    ),
    *(
        layer(f"training, maps {shape}", BatchNormalization, shape, training=True)
        for shape in ((1, 1, 1, 3), (1, 5, 1, 4))  # few numbers per channel
    ),
    layer(
        "bfloat16",
        BatchNormalization,
        MAPS,
        training=True,
        dtype="mixed_bfloat16",
        tolerance=0.01,  # outputs have 8 significant bits: 2^-8 = 0.004
    ),
]
CONVOLUTIONS = [
    layer(
        f"{what}, {dtype}",
        Conv2D,
        (2, *size, channels),
        filters=channels,
        kernel_size=f,
        strides=strides,
        padding="same",
        dtype=dtype,
        tolerance=tolerance,
    )
    for dtype, tolerance in (("float32", 1e-5), ("mixed_bfloat16", 0.03))
    for what, size, f, strides, channels in (
        ("pointwise", (6, 5), 1, 1, 3),
        ("pointwise, stride 2", (6, 5), 1, 2, 3),
        ("matmul per offset, 2 x 2", (2, 2), 3, 1, 3),
        ("matmul per offset, 1 x 9", (1, 9), (5, 2), 1, 3),
        ("filter gradient per offset, 4 x 5", (4, 5), 3, 1, 256),
        ("filter gradient per offset, 2 x 6", (2, 6), (7, 4), 1, 256),
        ("bias gradient by matmul", (8, 9), 3, 1, 4),
        ("bias gradient by matmul, stride 2", (8, 9), 3, 2, 4),
    )
]
SLOPES = [
    layer("slopes of channels", PReLU, (4, 5, 6, 3), shared_axes=(1, 2)),
    layer("slopes of units", PReLU, (4, 3)),
    layer("slopes of pixels", PReLU, (4, 5, 3)),
]


# Adam: the variable after each of 20 steps.


def adam(learning_rate=0.1, **settings):
    """The updates of Keras's Adam for the same gradients."""

    def inputs():
        gradients = np.random.default_rng(3).normal(size=(20, 7)).astype("float32")
        gradients[5] = 0
        gradients[:, 0] *= 1e-6
        return (gradients,)

    def form(kind):
        def function(gradients):
            variable = keras.Variable(np.linspace(-1, 1, 7, dtype="float32"))
            optimizer = kind(learning_rate, **settings)
            steps = []
            for gradient in gradients:
                optimizer.apply([tf.constant(gradient)], [variable])
                steps.append(variable.numpy())
            return np.array(steps)

        return function

    schedule = "" if isinstance(learning_rate, float) else ", learning rate schedule"
    name = f"Adam{schedule}{''.join(f', {key}' for key in settings)}"
    # Keras computes 1 - beta_2 in double precision, the kernel in single.
    tolerances = {"rtol": 2e-5, "atol": 2e-5}
    return Form(name, form(Adam), form(keras.optimizers.Adam), inputs, **tolerances)


# Frozen networks: against the model in inference.


def branched_network():
    """A network with each kind of batch norm that can, or cannot, be folded."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="plain")(image)
    x = BatchNormalization(name="norm_of_plain")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.BatchNormalization(scale=False, name="norm_of_depthwise")(x)
    x = layers.LeakyReLU(0.1)(x)
    activated = layers.Conv2D(4, 1, activation="relu", name="with_relu")(x)
    activated = BatchNormalization(name="norm_after_relu")(activated)
    shared = layers.Conv2D(4, 1, name="shared")(x)
    normalised = BatchNormalization(center=False, name="norm_of_shared")(shared)
    x = layers.Concatenate()([activated, layers.Add()([shared, normalised])])
    output = layers.Conv2D(2, 1, name="an_output")(x)
    norm_of_two = BatchNormalization(name="norm_of_two")
    first, second = (norm_of_two(layers.Conv2D(2, 1)(x)) for _ in range(2))
    x = layers.Concatenate()(
        [x, BatchNormalization(name="norm_of_output")(output), first, second]
    )
    model = keras.Model(image, [layers.GlobalAveragePooling2D()(x), output])
    rng = np.random.default_rng(0)
    for variable in model.weights:  # as if it were trained
        low = 0.5 if variable.name in ("gamma", "moving_variance") else -1.0
        variable.assign(rng.uniform(low, 1.0, variable.shape))
    return model


def frozen(name, freeze):
    """The outputs of `branched_network` for two images, after `freeze(model)`."""

    def inputs():
        return (np.random.default_rng(0).random((2, 8, 8, 3), dtype="float32"),)

    return Form(
        name,
        lambda x: freeze(branched_network())(x),
        lambda x: branched_network()(x, training=False),
        inputs,
        gradients=True,
        rtol=1e-4,
        atol=1e-5,
    )


FORMS = [
    *(
        convolution(stride, pad, f)
        for f, stride, pad in ((3, 1, 1), (2, 2, 0), (4, 3, 2), (1, 2, 0), (3, 2, 5))
    ),
    *(
        pooling(f, stride, mode)
        for f, stride in ((2, 2), (3, 2), (3, 1), (2, 3))
        for mode in ("max", "average")
    ),
    *NORMS,
    *CONVOLUTIONS,
    *SLOPES,
    adam(),
    adam(keras.optimizers.schedules.CosineDecay(0.1, 20)),
    adam(clipnorm=0.5),
    adam(clipvalue=0.1),
    adam(global_clipnorm=0.5),
    adam(weight_decay=0.1),
    adam(use_ema=True, ema_overwrite_frequency=4),
    adam(gradient_accumulation_steps=3),
    frozen("freeze", inference.freeze),
    frozen("with_constant_weights", inference.with_constant_weights),
    frozen("fold_batch_norms", inference.fold_batch_norms),
]
