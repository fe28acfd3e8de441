"""Layers and Adam: where the fast forms apply, where Keras's code runs, and saving.

`small_nets_forms.py` compares their outputs and gradients with those of Keras.
"""

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from dls_keras.fast.layers import Adam, BatchNormalization, Conv2D, Dropout, PReLU


def training_operations(layer, shape):
    """How often each operation is in the graph of a training step of the layer.

    Functions that the graph calls are included.
    """

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.cast(layer(x, training=True), tf.float32))
        return tape.gradient(loss, [x, *layer.trainable_variables])

    if not layer.built:
        layer.build(shape)
    graph = step.get_concrete_function(tf.TensorSpec(shape)).graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return Counter(node.op for node in nodes)


def normal(*shape):
    """Random numbers around 1 with another deviation in each channel, float32."""
    spread = np.linspace(0.5, 3, shape[-1])
    return (np.random.default_rng(0).normal(1, spread, shape)).astype("float32")


def both(shape, kind=BatchNormalization, **arguments):
    """The layer and the Keras layer that it extends, with equal weights."""
    (stock,) = kind.__bases__
    layers = kind(**arguments), stock(**arguments)
    for layer in layers:
        layer.build(shape)
        rng = np.random.default_rng(1)
        for weight in layer.weights:
            weight.assign(rng.uniform(0.5, 2, weight.shape))
    return layers


def train(layer, x):
    """Outputs, gradients and state after one call in training."""
    x = tf.constant(x)
    weights = np.random.default_rng(2).normal(size=x.shape).astype(x.dtype.name)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = layer(x, training=True)
        loss = tf.reduce_sum(output * weights)
    gradients = tape.gradient(loss, [x, *layer.trainable_weights])
    return [np.asarray(a) for a in (output, *gradients, *layer.non_trainable_weights)]


def assert_all_close(ours, keras_s, tolerance=1e-5):
    """Each array equal to `tolerance`, relative to its largest number or to 1."""
    for our, expected in zip(ours, keras_s, strict=True):
        atol = tolerance * max(1, np.abs(expected).max())
        np.testing.assert_allclose(our, expected, rtol=tolerance, atol=atol)


# Batch normalisation.


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_batch_norm_is_one_kernel(dtype):
    """One forward, one backward; outputs have the compute dtype."""
    layer = BatchNormalization(dtype=dtype)
    operations = training_operations(layer, (5, 4, 6, 3))
    assert operations["FusedBatchNormV3"] == operations["FusedBatchNormGradV3"] == 1
    assert layer(normal(5, 4, 6, 3)).dtype == layer.compute_dtype


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((7, 3), {}),
        ((4, 5, 3), {}),
        ((2, 3, 4, 5, 3), {}),
        ((4, 3, 5, 5), {"axis": 1}),
        ((4, 5, 5, 3), {"dtype": "float64"}),
    ],
    ids=str,
)
def test_batch_norm_of_other_ranks_axes_and_types_is_keras_s(shape, arguments):
    """Bit by bit: the Keras code runs."""
    ours, keras_s = both(shape, **arguments)
    x = normal(*shape).astype(ours.compute_dtype)
    assert_all_close(train(ours, x), train(keras_s, x), 0)


def test_batch_norm_with_a_mask_is_keras_s():
    """The kernel does not know masks; masked pixels do not count in the averages."""
    x = normal(4, 5, 5, 3)
    mask = np.arange(100).reshape(4, 5, 5) % 3 > 0
    ours, keras_s = both(x.shape)
    for layer in (ours, keras_s):
        layer(x, training=True, mask=mask)
    assert_all_close(ours.weights, keras_s.weights, 0)


def test_batch_norm_accepts_any_height_width_and_batch_size():
    """They may be unknown when the model is built, and change between calls."""
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, BatchNormalization()(inputs))
    assert model.output_shape == (None, None, None, 3)
    call = tf.function(lambda x: model(x, training=True))
    for shape in ((2, 3, 4, 3), (5, 6, 7, 3)):
        x = normal(*shape)
        expected = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-3)
        np.testing.assert_allclose(call(x), expected, atol=1e-5)


def every_layer():
    """A model of all fast layers, and an input."""
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            Conv2D(5, 3, padding="same", name="conv"),
            BatchNormalization(momentum=0.8, epsilon=0.01),
            PReLU(shared_axes=(1, 2)),
            Dropout(0.5, seed=3),
            Conv2D(2, 1, strides=2, activation="relu"),
        ]
    )
    x = normal(2, 4, 4, 3)
    model(x, training=True)  # moves the averages
    return model, x


def test_saved_models_give_the_same_outputs(tmp_path):
    """With the fast layers, their settings and their weights."""
    model, x = every_layer()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert [type(layer) for layer in again.layers] == [
        type(layer) for layer in model.layers
    ]
    assert again.layers[1].get_config() == model.layers[1].get_config()
    np.testing.assert_array_equal(model(x), again(x))


def test_cloned_models_give_the_same_outputs():
    """With the weights of the original."""
    model, x = every_layer()
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(model(x), clone(x))


def test_names_of_layers_and_weights_are_keras_s():
    """So that published weights find their layers."""
    layer = BatchNormalization()
    layer.build((None, 4, 4, 3))
    assert layer.name.startswith("batch_normalization")
    names = [weight.name for weight in layer.weights]
    assert names == ["gamma", "beta", "moving_mean", "moving_variance"]


# Convolution.


def convolutions(n_C, *settings, **arguments):
    """The layer and Keras's with equal weights, for maps of n_C channels."""
    kinds = Conv2D, keras.layers.Conv2D
    layers = [kind(*settings, **arguments) for kind in kinds]
    for layer in layers:
        layer.build((None, None, None, n_C))
        rng = np.random.default_rng(1)
        for weight in layer.weights:
            weight.assign(rng.normal(size=weight.shape) / weight.shape[-1])
    return layers


def convolve(layer, x):
    """Outputs and gradients of the inputs, the filters and the biases."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = layer(x)
        weights = np.random.default_rng(2).normal(size=output.shape)
        loss = tf.reduce_sum(output * weights.astype("float32"))
    return [output, *tape.gradient(loss, [x, *layer.trainable_weights])]


@given(
    n_H=st.integers(1, 9),
    n_W=st.integers(1, 9),
    f=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    s=st.sampled_from([1, 2, 3, (1, 2)]),
    padding=st.sampled_from(["same", "valid"]),
    use_bias=st.booleans(),
    activation=st.sampled_from([None, "relu", "softmax"]),
)
@settings(deadline=None, max_examples=60)
def test_convolutions_of_any_size_equal_keras_s(
    n_H, n_W, f, s, padding, use_bias, activation
):
    """Outputs and gradients, in whichever form they are computed."""
    if padding == "valid":
        n_H, n_W = n_H + f[0] - 1, n_W + f[1] - 1
    options = {"use_bias": use_bias, "activation": activation}
    ours, keras_s = convolutions(3, 4, f, s, padding, **options)
    x = normal(2, n_H, n_W, 3)
    expected = [np.asarray(array) for array in convolve(keras_s, x)]
    assert_all_close(convolve(ours, x), expected)


FORWARD, FILTERS = "Conv2D", "Conv2DBackpropFilter"


@pytest.mark.parametrize(
    ("size", "f", "strides", "channels", "left"),
    [
        ((6, 5), 1, 1, 3, set()),
        ((6, 5), 1, 2, 3, set()),
        ((2, 2), 3, 1, 3, set()),
        ((1, 9), (5, 2), 1, 3, set()),
        ((4, 5), 3, 1, 256, {FORWARD}),
        ((2, 6), (7, 4), 1, 256, {FORWARD}),
        ((8, 9), 3, 1, 256, {FORWARD, FILTERS}),
        ((4, 4), 3, 1, 255, {FORWARD, FILTERS}),
        ((2, 2), 3, 2, 3, {FORWARD, FILTERS}),
    ],
)
def test_small_maps_are_convolved_by_matmuls(size, f, strides, channels, left):
    """Pointwise and up to 3 x 3 pixels; up to 8 x 8 only the filter gradient."""
    layer = Conv2D(channels, f, strides, "same")
    operations = training_operations(layer, (2, *size, channels))
    assert {name for name in (FORWARD, FILTERS) if operations[name]} == left


@pytest.mark.parametrize(
    "arguments",
    [{"groups": 2}, {"dilation_rate": 2}, {"activation": "tanh", "groups": 4}],
    ids=str,
)
def test_grouped_and_dilated_convolutions_are_keras_s(arguments):
    """Bit by bit, even where the kernel is 1 x 1."""
    ours, keras_s = convolutions(4, 4, 1, **arguments)
    x = normal(2, 5, 6, 4)
    np.testing.assert_array_equal(ours(x), keras_s(x))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("size", [(5, 6), (None, None)], ids=str)
def test_convolutions_in_a_model_equal_keras_s(size, groups):
    """Also where sizes are known only when the model is called."""
    images = normal(3, 5, 6, 4)

    def predict(layer):
        x = keras.Input((*size, 4))
        return keras.Model(x, layer(x)).predict(images, verbose=0)

    ours, keras_s = (
        kind(4, 3, groups=groups, bias_initializer="ones", kernel_initializer="ones")
        for kind in (Conv2D, keras.layers.Conv2D)
    )
    np.testing.assert_allclose(predict(ours), predict(keras_s), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "gpus", "by_matmul"),
    [("float32", [], True), ("float32", ["GPU"], False), ("mixed_bfloat16", [], False)],
)
def test_the_bias_gradient_is_a_matmul_on_cpus(monkeypatch, dtype, gpus, by_matmul):
    """In float32, so that no kernel computes it together with the filter gradient."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    operations = training_operations(Conv2D(4, 3, dtype=dtype), (2, 5, 5, 2))
    assert (operations["BiasAddGrad"] == 0) == by_matmul


def test_on_a_gpu_small_maps_are_convolved_by_its_library(monkeypatch):
    """Each of the small matmuls would be a kernel of its own."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    operations = training_operations(Conv2D(4, 3, padding="same"), (2, 2, 2, 4))
    assert operations[FORWARD] == operations[FILTERS] == 1


def test_a_matmul_form_accepts_any_batch_size():
    """In a graph that is traced once."""
    x = keras.Input((2, 2, 3))
    model = keras.Model(x, Conv2D(4, 3, padding="same")(Conv2D(3, 1)(x)))
    assert model.output_shape == (None, 2, 2, 4)
    call = tf.function(model, input_signature=[tf.TensorSpec((None, 2, 2, 3))])
    for m in (1, 5):
        images = normal(m, 2, 2, 3)
        expected = model.predict(images, verbose=0)
        np.testing.assert_allclose(call(images), expected, rtol=1e-5, atol=1e-6)


# Dropout.


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dropout_drops_its_rate_and_scales_the_rest(rate, dtype):
    """The mean stays; the gradient has the same mask and scale."""
    layer = Dropout(rate, seed=1, dtype=dtype)
    x = tf.ones((5, 333, 41), dtype)  # an odd number of elements
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    kept = np.asarray(tf.cast(y, "float32"))
    gradient = np.asarray(tf.cast(tape.gradient(y, x), "float32"))
    np.testing.assert_array_equal(gradient, kept)
    np.testing.assert_allclose(np.unique(kept), [0, 1 / (1 - rate)], rtol=4e-3)
    deviation = np.sqrt(rate * (1 - rate) / kept.size)
    assert abs(np.mean(kept == 0) - rate) < 5 * deviation
    # Two neighbours share one random number of 32 bits, and are independent.
    pairs = (kept.ravel()[:-1].reshape(-1, 2) == 0).all(axis=1)
    assert abs(pairs.mean() - rate**2) < 5 * np.sqrt(rate**2 / len(pairs))
    np.testing.assert_array_equal(np.asarray(layer(x, training=False)), np.asarray(x))


def test_dropout_depends_on_its_seed_alone():
    """Each call samples a new mask; a layer with the same seed samples the same."""
    x = normal(4, 50)
    layer, same_seed = Dropout(0.5, seed=7), Dropout(0.5, seed=7)
    first, second = (np.asarray(layer(x, training=True)) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(first, same_seed(x, training=True))
    copy = Dropout.from_config(layer.get_config())
    np.testing.assert_array_equal(first, copy(x, training=True))


@pytest.mark.parametrize("arguments", [{"rate": 0.0}, {"noise_shape": (None, 1)}])
def test_other_dropout_is_keras_s(arguments):
    """A rate of 0, and a mask that is shared along an axis: the same mask as Keras."""
    settings = {"rate": 0.5, "seed": 1} | arguments
    ours, keras_s = Dropout(**settings), keras.layers.Dropout(**settings)
    x = normal(40, 5)
    np.testing.assert_array_equal(ours(x, training=True), keras_s(x, training=True))


# PReLU.


@pytest.mark.parametrize(("shape", "axes"), [((4, 5, 6, 3), (1, 2)), ((4, 5, 3), None)])
def test_the_gradient_of_prelu_at_zero_is_keras_s(shape, axes):
    """It is 0; one slope per channel, or one per pixel and channel."""
    ours, keras_s = both(shape, PReLU, shared_axes=axes)
    x = normal(*shape)
    x[x > 0] = 0
    assert_all_close(train(ours, x), train(keras_s, x))


# Adam.


def updates(kind, gradients, wrap=lambda g: g, **arguments):
    """The variable after each step along `gradients`, and the last running mean."""
    variable = keras.Variable(np.linspace(-1, 1, gradients[0].size, dtype="float32"))
    optimizer = kind(**arguments)
    steps = []
    for gradient in gradients:
        optimizer.apply([wrap(tf.constant(gradient.ravel()))], [variable])
        steps.append(variable.numpy())
    (momentum,) = [v for v in optimizer.variables if v.path.endswith("momentum")]
    return [np.array(steps), momentum.numpy()]


GRADIENTS = np.random.default_rng(3).normal(size=(20, 7)).astype("float32")


@settings(max_examples=30)
@given(
    gradients=st_numpy.arrays(
        "float32",
        st.tuples(st.integers(1, 8), st.integers(1, 5)),
        elements=st.floats(-1e3, 1e3, width=32),
    ),
    learning_rate=st.floats(1e-5, 0.1),
    beta_1=st.floats(0, 0.99),
    beta_2=st.floats(0.5, 0.999),
    epsilon=st.sampled_from([1e-8, 1e-7, 1e-3]),
)
def test_adam_equals_keras_s_step_by_step(gradients, **arguments):
    """For any gradients and settings, the variable and its running mean."""
    ours = updates(Adam, gradients, **arguments)
    keras_s = updates(keras.optimizers.Adam, gradients, **arguments)
    # Keras computes 1 - beta_2 in double precision here and in single there, which
    # alone changes a step by 1e-5 of its length where beta_2 is 0.999.
    assert_all_close(ours, keras_s, 2e-5)


def adam_operations(kind, n=1, **arguments):
    """How often each operation is in the graph of one update of n variables."""
    variables = [keras.Variable(np.ones(3, "float32")) for _ in range(n)]
    optimizer = kind(0.1, **arguments)
    optimizer.build(variables)

    @tf.function
    def step():
        optimizer.apply([tf.ones(3)] * n, variables)

    graph = step.get_concrete_function().graph
    return Counter(operation.type for operation in graph.get_operations())


def test_adam_is_one_kernel_per_variable():
    """And at most half of the operations of Keras's Adam."""
    ours, keras_s = (
        adam_operations(kind, n=20) for kind in (Adam, keras.optimizers.Adam)
    )
    assert ours["ResourceApplyAdam"] == 20
    assert ours.total() < keras_s.total() / 2


def test_amsgrad_is_keras_s():
    """The kernel does not know it."""
    arguments = {"learning_rate": 0.1, "amsgrad": True}
    ours = updates(Adam, GRADIENTS, **arguments)
    assert_all_close(ours, updates(keras.optimizers.Adam, GRADIENTS, **arguments), 0)


def test_sparse_gradients_are_applied_by_keras():
    """Those of an embedding: rows and their indices."""

    def sparse(gradient):
        return tf.IndexedSlices(gradient[1:4], tf.constant([1, 2, 3]), (7,))

    ours, keras_s = (
        updates(kind, GRADIENTS, sparse, learning_rate=0.1)
        for kind in (Adam, keras.optimizers.Adam)
    )
    assert_all_close(ours, keras_s, 0)


def test_adam_updates_a_tensorflow_variable():
    """Such as the image of style transfer, in the same steps as a Keras variable."""
    variables = tf.Variable([1.0, 2.0]), keras.Variable([1.0, 2.0])
    for variable in variables:
        optimizer = Adam(0.1)
        for _ in range(3):
            optimizer.apply([tf.constant([1.0, -2.0])], [variable])
    np.testing.assert_array_equal(*(v.numpy() for v in variables))


def test_adam_trains_in_keras_fit():
    """With the losses of Keras's Adam, in the graph that `model.fit` compiles."""
    losses = []
    x = normal(32, 3)
    for kind in (Adam, keras.optimizers.Adam):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile(kind(0.05), "mse")
        history = model.fit(x, x[:, :2] * 2, epochs=3, batch_size=8, verbose=0)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_adam_is_saved_with_its_settings():
    """And loaded under its own name."""
    again = keras.optimizers.deserialize(
        keras.optimizers.serialize(Adam(0.3, beta_1=0.8))
    )
    assert type(again) is Adam and again.beta_1 == 0.8
    np.testing.assert_allclose(again.learning_rate, 0.3)


def test_batch_norm_and_adam_compile_under_xla():
    """As on GPUs: same output, statistics and weights as without XLA."""
    x = normal(5, 4, 6, 3)
    found = []
    for jit_compile in (False, True):
        layer, _ = both(x.shape)
        optimizer = Adam(0.1)
        optimizer.build(layer.trainable_variables)

        @tf.function(jit_compile=jit_compile)
        def step(layer=layer, optimizer=optimizer):
            with tf.GradientTape() as tape:
                output = layer(x, training=True)
                loss = tf.reduce_sum(output**3)
            variables = layer.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
            return output

        found.append([step(), step(), *layer.weights])
    assert_all_close(*found)
