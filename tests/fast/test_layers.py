"""Fused layers and optimisers give the numbers of Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from dls_keras.fast import layers as fused
from dls_keras.fast.layers import Adam, BatchNormalization, Conv2D, Dropout, PReLU


@pytest.fixture
def kernel_calls(monkeypatch):
    """Counts how often each fused kernel is put into a graph or run."""
    calls = {"FusedBatchNormV3": 0, "ResourceApplyAdam": 0}
    for name in calls:
        original = getattr(tf.raw_ops, name)

        def counted(name=name, original=original, **arguments):
            calls[name] += 1
            return original(**arguments)

        monkeypatch.setattr(tf.raw_ops, name, counted)
    return calls


# Batch normalisation.


def both(shape, kind=BatchNormalization, **arguments):
    """Our layer and Keras's, with the same odd weights, built for `shape`."""
    (stock,) = kind.__bases__
    layers = kind(**arguments), stock(**arguments)
    for layer in layers:
        layer.build(shape)
        rng = np.random.default_rng(1)
        for weight in layer.weights:
            weight.assign(rng.uniform(0.5, 2, weight.shape))
    return layers


def work(layer, x, training, steps=3):
    """Outputs, gradients and statistics of `steps` steps on changing inputs."""
    found = []
    rng = np.random.default_rng(2)
    for step in range(steps):
        inputs = tf.constant(x * (1 + step) + step)
        slopes = tf.constant(rng.normal(size=x.shape).astype("float32"))
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = layer(inputs, training=training)
            loss = tf.reduce_sum(tf.cast(output, tf.float32) * slopes)
        targets = [inputs, *layer.trainable_weights]
        found += [output, *tape.gradient(loss, targets), *layer.non_trainable_weights]
    return [np.asarray(tf.cast(tensor, tf.float32)) for tensor in found]


def assert_all_close(ours, theirs, tolerance=1e-5):
    """Each array equal to `tolerance`, of its largest number at least."""
    for our, their in zip(ours, theirs, strict=True):
        atol = tolerance * max(1, np.abs(their).max())
        np.testing.assert_allclose(our, their, rtol=tolerance, atol=atol)


def normal(*shape):
    """Random numbers around 1 of another spread in each channel, float32."""
    spread = np.linspace(0.5, 3, shape[-1])
    return (np.random.default_rng(0).normal(1, spread, shape)).astype("float32")


@pytest.mark.parametrize("training", [True, False, None])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"axis": 3, "momentum": 0.7, "epsilon": 0.1},
        {"scale": False},
        {"center": False},
        {"scale": False, "center": False},
        {"trainable": False},
    ],
    ids=str,
)
def test_the_fused_layer_equals_keras(kernel_calls, training, arguments):
    """Outputs, gradients to input, scale and offset, running statistics."""
    x = normal(5, 4, 6, 3)
    ours, theirs = both(x.shape, **arguments)
    # Each gradient is a difference of sums over 120 numbers.
    assert_all_close(work(ours, x, training), work(theirs, x, training))
    assert kernel_calls["FusedBatchNormV3"] == 3


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (2, 1, 1, 3), (1, 5, 1, 4)])
def test_few_numbers_a_channel_keep_the_variance_over_n(shape):
    """One picture of one pixel has variance 0, not 0 / 0."""
    x = normal(*shape)
    ours, theirs = both(shape)
    mine = work(ours, x, True)
    assert np.isfinite(np.concatenate([np.ravel(a) for a in mine])).all()
    # Two numbers a channel make large gradients out of small differences.
    assert_all_close(mine, work(theirs, x, True), 1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_bfloat16_equals_keras_within_its_precision(kernel_calls, training):
    """Statistics are kept in float32; outputs carry 8 bits: 2^-8 = 0.004."""
    x = normal(5, 4, 6, 3)
    ours, theirs = both(x.shape, dtype="mixed_bfloat16")
    mine, keras_s = (work(layer, x, training, 1) for layer in (ours, theirs))
    assert ours(x).dtype == "bfloat16"
    assert kernel_calls["FusedBatchNormV3"] == 2
    assert_all_close(mine, keras_s, 0.01)


@pytest.mark.parametrize(
    "shape, arguments",
    [
        ((7, 3), {}),
        ((4, 5, 3), {}),
        ((2, 3, 4, 5, 3), {}),
        ((4, 3, 5, 5), {"axis": 1}),
        ((4, 5, 5, 3), {"dtype": "float64"}),
    ],
    ids=str,
)
def test_where_the_kernel_does_not_fit_keras_runs(kernel_calls, shape, arguments):
    """Other ranks, axes and types give what they always gave."""
    x = normal(*shape)
    ours, theirs = both(shape, **arguments)
    assert_all_close(work(ours, x, True), work(theirs, x, True), 0)
    assert kernel_calls["FusedBatchNormV3"] == 0


def test_a_mask_is_honoured(kernel_calls):
    """Masked places count for nothing, which the kernel does not know."""
    x = normal(4, 5, 5, 3)
    mask = np.arange(100).reshape(4, 5, 5) % 3 > 0
    ours, theirs = both(x.shape)
    for layer in (ours, theirs):
        layer(x, training=True, mask=mask)
    assert_all_close(ours.weights, theirs.weights, 0)
    assert kernel_calls["FusedBatchNormV3"] == 0


def test_the_layer_works_in_a_model_of_unknown_sizes(kernel_calls):
    """Height, width and number of pictures may come with the call, in a graph too."""
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, BatchNormalization()(inputs))
    assert model.output_shape == (None, None, None, 3)
    call = tf.function(lambda x: model(x, training=True))
    for shape in ((2, 3, 4, 3), (5, 6, 7, 3)):
        x = normal(*shape)
        expected = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-3)
        np.testing.assert_allclose(call(x), expected, atol=1e-5)
    assert kernel_calls["FusedBatchNormV3"] > 0


# Keras 3.15 saves through an __array__ that predates NumPy 2's copy keyword.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_saved_model_keeps_its_fused_layer(tmp_path):
    """Name, weights and settings come back; the published names stay Keras's."""
    layer = BatchNormalization(momentum=0.8, epsilon=0.01)
    model = keras.Sequential([keras.Input((4, 4, 3)), layer])
    assert layer.name.startswith("batch_normalization")
    assert [w.name for w in layer.weights] == [
        *("gamma", "beta", "moving_mean", "moving_variance")
    ]
    model(normal(2, 4, 4, 3), training=True)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.layers[0]) is BatchNormalization
    assert again.layers[0].get_config() == layer.get_config()
    np.testing.assert_array_equal(model(normal(2, 4, 4, 3)), again(normal(2, 4, 4, 3)))


# Convolution.


def convolutions(n_C, *settings, **arguments):
    """Our layer and Keras's with the same weights, for pictures of n_C channels."""
    kinds = Conv2D, keras.layers.Conv2D
    layers = [kind(*settings, **arguments) for kind in kinds]
    for layer in layers:
        layer.build((None, None, None, n_C))
        rng = np.random.default_rng(1)
        for weight in layer.weights:
            weight.assign(rng.normal(size=weight.shape) / weight.shape[-1])
    return layers


def convolve(layer, x):
    """Outputs and gradients to the inputs, the filters and the biases."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = tf.cast(layer(x), tf.float32)
        slopes = np.random.default_rng(2).normal(size=output.shape)
        loss = tf.reduce_sum(output * slopes.astype("float32"))
    found = [output, *tape.gradient(loss, [x, *layer.trainable_weights])]
    return [np.asarray(tf.cast(tensor, tf.float32)) for tensor in found]


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
def test_convolutions_equal_keras(n_H, n_W, f, s, padding, use_bias, activation):
    """Of any size, also where one is no convolution at all."""
    if padding == "valid":
        n_H, n_W = n_H + f[0] - 1, n_W + f[1] - 1
    options = {"use_bias": use_bias, "activation": activation}
    ours, theirs = convolutions(3, 4, f, s, padding, **options)
    x = normal(2, n_H, n_W, 3)
    assert_all_close(convolve(ours, x), convolve(theirs, x))


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    ("size", "f", "s", "channels", "product"),
    [
        ((6, 5), 1, 1, 3, "_placewise"),
        ((6, 5), 1, 2, 3, "_placewise"),
        ((2, 2), 3, 1, 3, "_by_taps"),
        ((1, 9), (5, 2), 1, 3, "_by_taps"),
        ((4, 5), 3, 1, 256, "_learning_by_taps"),
        ((2, 6), (7, 4), 1, 256, "_learning_by_taps"),
        ((8, 9), 3, 1, 256, None),
        ((4, 4), 3, 1, 255, None),
        ((2, 2), 3, 2, 3, None),
    ],
)
def test_small_pictures_are_convolved_by_products(
    monkeypatch, dtype, size, f, s, channels, product
):
    """Each where it was measured to be faster; numbers are Keras's."""
    used = []
    for name in ("_placewise", "_by_taps", "_learning_by_taps"):
        original = getattr(fused, name)

        def noted(*arguments, name=name, original=original, **options):
            used.append(name)
            return original(*arguments, **options)

        monkeypatch.setattr(fused, name, noted)
    ours, theirs = convolutions(channels, channels, f, s, "same", dtype=dtype)
    x = normal(2, *size, channels)
    # Halves carry 8 bits, and a filter's gradient is a sum of differences.
    tolerance = 1e-5 if dtype == "float32" else 0.03
    assert_all_close(convolve(ours, x), convolve(theirs, x), tolerance)
    assert used == ([product] if product else [])


@pytest.mark.parametrize(
    "arguments",
    [{"groups": 2}, {"dilation_rate": 2}, {"data_format": "channels_first"}],
    ids=str,
)
def test_other_convolutions_run_as_in_keras(arguments):
    """What the products do not know."""
    layer = Conv2D(4, 1, **arguments)
    layer.build((None, 4, 4, 4))
    assert not layer._kernel_fits()


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("size", [(5, 6), (None, None)], ids=str)
def test_convolutions_without_a_product_have_keras_numbers(size, groups):
    """In a model, where sizes may be known only once it is called."""
    pictures = normal(3, 5, 6, 4)

    def answers(layer):
        x = keras.Input((*size, 4))
        return keras.Model(x, layer(x)).predict(pictures, verbose=0)

    ours, theirs = (
        kind(4, 3, groups=groups, bias_initializer="ones", kernel_initializer="ones")
        for kind in (Conv2D, keras.layers.Conv2D)
    )
    np.testing.assert_allclose(answers(ours), answers(theirs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "gpus", "by_ones"),
    [("float32", [], True), ("float32", ["GPU"], False), ("mixed_bfloat16", [], False)],
)
def test_a_bias_learns_by_a_product_on_cpus(monkeypatch, dtype, gpus, by_ones):
    """So that no kernel sums it up beside the filters' gradient."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    layer = Conv2D(4, 3, dtype=dtype)
    layer.build((None, 5, 5, 2))

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x))
        return tape.gradient(loss, layer.trainable_variables)

    graph = gradients.get_concrete_function(tf.TensorSpec((None, 5, 5, 2))).graph
    operations = {operation.type for operation in graph.get_operations()}
    assert ("BiasAddGrad" not in operations) == by_ones


def test_on_a_gpu_taps_are_left_to_its_library(monkeypatch):
    """Many small products would each be a kernel of their own."""
    layer = Conv2D(4, 3, padding="same")
    assert layer._product_for(2, 2, 4) is fused._by_taps
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert layer._product_for(2, 2, 4) is None


def test_a_product_takes_any_number_of_pictures():
    """In a graph that is traced once."""
    x = keras.Input((2, 2, 3))
    model = keras.Model(x, Conv2D(4, 3, padding="same")(Conv2D(3, 1)(x)))
    assert model.output_shape == (None, 2, 2, 4)
    call = tf.function(model, input_signature=[tf.TensorSpec((None, 2, 2, 3))])
    for m in (1, 5):
        pictures = normal(m, 2, 2, 3)
        expected = model.predict(pictures, verbose=0)
        np.testing.assert_allclose(call(pictures), expected, rtol=1e-5, atol=1e-6)


# Dropout.


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dropout_drops_its_share(rate, dtype):
    """What is left is scaled so that the mean stays; its gradient is the same."""
    layer = Dropout(rate, seed=1, dtype=dtype)
    x = tf.ones((5, 333, 41), dtype)  # an odd count
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    left = np.asarray(tf.cast(y, "float32"))
    slopes = np.asarray(tf.cast(tape.gradient(y, x), "float32"))
    np.testing.assert_array_equal(slopes, left)
    np.testing.assert_allclose(np.unique(left), [0, 1 / (1 - rate)], rtol=4e-3)
    spread = np.sqrt(rate * (1 - rate) / left.size)
    assert abs(np.mean(left == 0) - rate) < 5 * spread
    # Neighbours, which share a draw, are dropped independently.
    pairs = (left.ravel()[:-1].reshape(-1, 2) == 0).all(axis=1)
    assert abs(pairs.mean() - rate**2) < 5 * np.sqrt(rate**2 / len(pairs))
    np.testing.assert_array_equal(np.asarray(layer(x, training=False)), np.asarray(x))


def test_dropout_repeats_with_its_seed_alone():
    """A call draws anew; another layer of that seed draws the same."""
    x = normal(4, 50)
    layer, twin = Dropout(0.5, seed=7), Dropout(0.5, seed=7)
    first, second = (np.asarray(layer(x, training=True)) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(first, twin(x, training=True))
    copy = Dropout.from_config(layer.get_config())
    np.testing.assert_array_equal(first, copy(x, training=True))


@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        ({"rate": 0.0}, False),
        ({"rate": 0.5, "noise_shape": (None, 1)}, False),
        ({"rate": 0.5}, True),
    ],
)
def test_dropout_leaves_the_rest_to_keras(monkeypatch, arguments, fits):
    """Such as noise that rows share."""
    calls = []
    monkeypatch.setattr(
        keras.layers.Dropout,
        "call",
        lambda self, inputs, training: calls.append(training) or inputs,
    )
    Dropout(**arguments)(normal(4, 5), training=True)
    assert calls == ([] if fits else [True])


# PReLU.


@pytest.mark.parametrize(
    ("shape", "shared_axes", "joined"),
    [((4, 5, 6, 3), (1, 2), True), ((4, 3), None, True), ((4, 5, 3), None, False)],
)
def test_prelu_equals_keras(monkeypatch, shape, shared_axes, joined):
    """Slopes of channels are applied at once, those of places by Keras."""
    ours, theirs = both(shape, PReLU, shared_axes=shared_axes)
    x = normal(*shape)
    expected = work(theirs, x, training=True)
    calls = []
    original = fused._bent
    monkeypatch.setattr(fused, "_bent", lambda *a: calls.append(1) or original(*a))
    assert_all_close(work(ours, x, training=True), expected)
    assert bool(calls) is joined
    x[x > 0] = 0  # where Keras has no slope either
    assert_all_close(work(ours, x, training=True), work(theirs, x, training=True))


# Adam.


def walk(kind, gradients, wrap=lambda g: g, **arguments):
    """The variable after each step along `gradients`, and the last running mean."""
    variable = keras.Variable(np.linspace(-1, 1, gradients[0].size, dtype="float32"))
    optimizer = kind(**arguments)
    places = []
    for gradient in gradients:
        optimizer.apply([wrap(tf.constant(gradient.ravel()))], [variable])
        places.append(variable.numpy())
    return [np.array(places), optimizer._momentums[0].numpy()]


GRADIENTS = np.random.default_rng(3).normal(size=(20, 7)).astype("float32")
GRADIENTS[5] = 0
GRADIENTS[:, 0] *= 1e-6


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
def test_adam_equals_keras_step_by_step(gradients, **arguments):
    """For any gradients and settings, the variable and its running mean."""
    ours = walk(Adam, gradients, **arguments)
    theirs = walk(keras.optimizers.Adam, gradients, **arguments)
    # Keras takes 1 - beta_2 in double precision here and in single there, which
    # alone shifts a step by 1e-5 of its length where beta_2 is 0.999.
    assert_all_close(ours, theirs, 2e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 20)},
        {"learning_rate": 0.1, "clipnorm": 0.5},
        {"learning_rate": 0.1, "clipvalue": 0.1},
        {"learning_rate": 0.1, "global_clipnorm": 0.5},
        {"learning_rate": 0.1, "weight_decay": 0.1},
        {"learning_rate": 0.1, "use_ema": True, "ema_overwrite_frequency": 4},
        {"learning_rate": 0.1, "gradient_accumulation_steps": 3},
    ],
    ids=lambda a: list(a)[-1],
)
def test_adam_takes_the_settings_of_keras(kernel_calls, arguments):
    """Schedules, clipping, decay, averages, accumulation: all beside the kernel."""
    ours = walk(Adam, GRADIENTS, **arguments)
    theirs = walk(keras.optimizers.Adam, GRADIENTS, **arguments)
    assert_all_close(ours, theirs)
    assert kernel_calls["ResourceApplyAdam"] >= 6


def test_amsgrad_runs_as_in_keras(kernel_calls):
    """The kernel does not know it."""
    arguments = {"learning_rate": 0.1, "amsgrad": True}
    ours = walk(Adam, GRADIENTS, **arguments)
    assert_all_close(ours, walk(keras.optimizers.Adam, GRADIENTS, **arguments), 0)
    assert kernel_calls["ResourceApplyAdam"] == 0


def test_sparse_gradients_run_as_in_keras(kernel_calls):
    """Those of an embedding come as rows and their places."""

    def sparse(gradient):
        return tf.IndexedSlices(gradient[1:4], tf.constant([1, 2, 3]), (7,))

    ours, theirs = (
        walk(kind, GRADIENTS, sparse, learning_rate=0.1)
        for kind in (Adam, keras.optimizers.Adam)
    )
    assert_all_close(ours, theirs, 0)
    assert kernel_calls["ResourceApplyAdam"] == 0


def test_adam_moves_a_variable_of_tensorflow(kernel_calls):
    """Style transfer's image may be one; it takes the same fused steps."""
    variables = tf.Variable([1.0, 2.0]), keras.Variable([1.0, 2.0])
    for variable in variables:
        optimizer = Adam(0.1)
        for _ in range(3):
            optimizer.apply([tf.constant([1.0, -2.0])], [variable])
    np.testing.assert_array_equal(*(v.numpy() for v in variables))
    assert kernel_calls["ResourceApplyAdam"] == 6


def test_adam_trains_in_fit_and_in_a_graph():
    """The same losses as Keras's, where `model.fit` compiles the step."""
    losses = []
    x = normal(32, 3)
    for kind in (Adam, keras.optimizers.Adam):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile(kind(0.05), "mse")
        history = model.fit(x, x[:, :2] * 2, epochs=3, batch_size=8, verbose=0)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_adam_adds_few_operations_a_variable():
    """What all variables share is computed once: networks have hundreds of them."""

    def operations(n):
        variables = [keras.Variable(np.ones(3, "float32")) for _ in range(n)]
        optimizer = Adam(0.1)
        optimizer.build(variables)

        @tf.function
        def step():
            optimizer.apply([tf.ones(3)] * n, variables)

        return len(step.get_concrete_function().graph.get_operations())

    # Three handles, a reading, the gradient and the kernel.
    assert operations(20) - operations(10) <= 10 * 7


def test_adam_survives_saving(tmp_path):
    """Its settings come back under its own name."""
    again = keras.optimizers.deserialize(
        keras.optimizers.serialize(Adam(0.3, beta_1=0.8))
    )
    assert type(again) is Adam and again.beta_1 == 0.8
    np.testing.assert_allclose(again.learning_rate, 0.3)


def test_both_compile_under_xla():
    """As steps do on GPUs: same output, statistics and weights as without."""
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
