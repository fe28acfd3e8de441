"""Files that state their architecture are compared with the network in every option.

The files are written by tf_keras, which is Keras 2, where it is installed, and in the
spelling of Keras 1 by hand. What tf_keras predicts is the expected output.
"""

import json
import re

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from dls_keras.converters import keras_h5
from dls_keras.core.errors import InputError
from dls_keras.course4 import image_segmentation as segmentation
from dls_keras.course4 import transfer_learning

pytestmark = pytest.mark.filterwarnings("ignore")  # tf_keras warns of old formats

SIZE = (12, 12, 3)


@pytest.fixture(scope="module")
def tk():
    """Keras 2."""
    return pytest.importorskip("tf_keras", reason="pip install --no-deps tf_keras")


def randomised(model, seed=0):
    """The model with random weights that keep its outputs in a useful range."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "float" not in str(variable.dtype):
            continue
        scale = 1 / np.sqrt(max(1, np.prod(variable.shape[:-1])))
        array = rng.normal(0, scale, variable.shape)
        if "variance" in variable.name or "gamma" in variable.name:
            array = 0.5 + abs(array)
        variable.assign(array.astype("float32"))
    return model


def saved(model, folder, **save):
    """A whole-model file of tf_keras."""
    path = folder / "m.h5"
    model.save(path, save_format="h5", **save)
    return path


def message_of(action, *arguments, **keywords):
    """The message of the InputError that an action raises."""
    with pytest.raises(InputError) as error:
        action(*arguments, **keywords)
    return str(error.value)


def images(m=4, size=SIZE, seed=1):
    return np.random.default_rng(seed).uniform(0, 1, (m, *size)).astype("float32")


# A network with an option of each kind, from either library.


def plain(of, **changes):
    """A chain of layers; each change replaces one option."""
    get = {
        **{
            "pad": 1,
            "padding": "valid",
            "strides": 1,
            "dilation": 1,
            "function": "relu",
        },
        **{"epsilon": 1e-3, "pool": of.MaxPooling2D, "pool_size": 2, "pool_strides": 2},
        **{"pool_padding": "valid", "end": "sigmoid", "axis": -1},
    } | changes
    return [
        of.ZeroPadding2D(get["pad"]),
        of.Conv2D(
            *(4, 3, get["strides"], get["padding"]), dilation_rate=get["dilation"]
        ),
        of.BatchNormalization(axis=get["axis"], epsilon=get["epsilon"]),
        of.Activation(get["function"]),
        get["pool"](get["pool_size"], get["pool_strides"], get["pool_padding"]),
        of.Conv2D(3, 2, padding="same", activation=get["function"]),
        of.GlobalAveragePooling2D(),
        of.Dropout(0.5),
        of.Dense(2, activation=get["end"]),
    ]


def sequential(library, parts, size=SIZE):
    return library.Sequential([library.Input(size), *parts])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pad": 2}, "zero_padding2d has padding 2, this network 1"),
        ({"pad": ((1, 0), (1, 0))}, "padding ((1, 0), (1, 0)), this network 1"),
        ({"padding": "same"}, "conv2d has padding 'same', this network 'valid'"),
        ({"strides": 2}, "conv2d has strides (2, 2), this network (1, 1)"),
        ({"dilation": 2}, "conv2d has dilation_rate (2, 2), this network (1, 1)"),
        ({"function": "tanh"}, "is the activation tanh, in this network the"),
        ({"function": "hard_sigmoid"}, "the activation keras2_hard_sigmoid"),
        ({"pool_size": 3}, "max_pooling2d has pool_size (3, 3), this network (2, 2)"),
        ({"pool_strides": 1}, "max_pooling2d has strides (1, 1), this network (2, 2)"),
        ({"pool_strides": 1, "pool_padding": "same"}, "has padding 'same', this net"),
        (
            {"end": "softmax"},
            "dense is the activation softmax, in this network the act",
        ),
        ({"end": None}, "this network has the activation sigmoid (dense"),
        ({"axis": 1}, ""),
    ],
    ids=str,
)
def test_each_option_that_changes_numbers_is_compared(tk, tmp_path, changes, said):
    """The message names the layer and both values, and the model is unchanged."""
    path = saved(sequential(tk, plain(tk.layers, **changes)), tmp_path)
    model = sequential(keras, plain(layers))
    before = model.get_weights()
    message = message_of(keras_h5.fill, model, keras_h5.read(path))
    assert said in re.sub("_[0-9]+(?= )", "", message)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_another_kind_of_pooling_is_refused_by_name(tk, tmp_path):
    """Average instead of maximum, and a maximum over the whole map."""
    average = plain(tk.layers, pool=tk.layers.AveragePooling2D)
    whole = plain(tk.layers)
    whole[6] = tk.layers.GlobalMaxPooling2D()
    for parts, said in [
        (average, "a layer AveragePooling2D, in this network a layer MaxPooling2D"),
        (whole, "a layer GlobalMaxPooling2D, in this network a layer GlobalAveragePo"),
    ]:
        contents = keras_h5.read(saved(sequential(tk, parts), tmp_path))
        model = sequential(keras, plain(layers))
        assert said in message_of(keras_h5.fill, model, contents)


def test_what_changes_no_number_is_not_compared(tk, tmp_path):
    """Names, initial values, penalties, dropout, noise, and layers split or joined."""
    parts = [
        tk.layers.ZeroPadding2D(((1, 1), (1, 1)), name="a"),
        tk.layers.Conv2D(4, 3, kernel_initializer="zeros", bias_regularizer="l2"),
        tk.layers.BatchNormalization(axis=3, momentum=0.5, trainable=False),
        tk.layers.GaussianNoise(0.1),
        tk.layers.ReLU(),
        tk.layers.MaxPool2D(),
        tk.layers.Conv2D(3, 2, padding="same"),
        tk.layers.Activation("relu"),
        tk.layers.SpatialDropout2D(0.3),
        tk.layers.GlobalAvgPool2D(),
        tk.layers.Dense(2),
        tk.layers.Activation("linear"),
        tk.layers.Activation("sigmoid"),
    ]
    stored = randomised(sequential(tk, parts))
    model = sequential(keras, plain(layers))
    keras_h5.fill(model, keras_h5.read(saved(stored, tmp_path)))
    x = images()
    np.testing.assert_allclose(model(x), stored(x), rtol=0, atol=1e-5)


def test_an_epsilon_is_taken_over(tk, tmp_path):
    """Also by a saved copy of the model."""
    stored = randomised(sequential(tk, plain(tk.layers, epsilon=1e-5)))
    model = sequential(keras, plain(layers))
    keras_h5.fill(model, keras_h5.read(saved(stored, tmp_path)))
    model.save(tmp_path / "m.keras")
    for one in (model, keras.models.load_model(tmp_path / "m.keras")):
        assert one.layers[2].epsilon == 1e-5
        np.testing.assert_allclose(one(images()), stored(images()), rtol=0, atol=1e-5)


def block(library, order, *, add=None, filters=5):
    """A residual block whose two paths have arrays of equal shapes."""
    of = library.layers
    x = library.Input(SIZE)
    paths = {}
    for name in ("main", "shortcut"):
        paths[name] = of.Conv2D(filters, 1)(x)
        if name == "main":
            paths[name] = of.Activation("relu")(paths[name])
            paths[name] = of.Conv2D(filters, 1)(paths[name])
        else:
            paths[name] = of.Conv2D(filters, 1)(paths[name])
    y = (add or of.Add)()([paths[name] for name in order])
    return library.Model(x, of.GlobalAveragePooling2D()(of.Activation("relu")(y)))


@pytest.mark.parametrize("order", [("main", "shortcut"), ("shortcut", "main")])
def test_layers_are_paired_by_their_place(tk, tmp_path, order):
    """Whoever wrote Add()([X_shortcut, X]) has the shortcut's arrays first."""
    stored = randomised(block(tk, order))
    model = block(keras, ("main", "shortcut"))
    keras_h5.fill(model, keras_h5.read(saved(stored, tmp_path)))
    np.testing.assert_allclose(model(images()), stored(images()), rtol=0, atol=1e-5)


def test_another_way_to_join_is_refused(tk, tmp_path):
    """A product of the two paths has the same arrays as their sum."""
    stored = block(tk, ("main", "shortcut"), add=tk.layers.Multiply)
    model = block(keras, ("main", "shortcut"))
    message = message_of(keras_h5.fill, model, keras_h5.read(saved(stored, tmp_path)))
    assert "a layer Multiply" in message and "a layer Add" in message


def test_layers_too_many_and_too_few_are_named(tk, tmp_path):
    """Only the first three differences are listed."""
    more = plain(tk.layers)
    more.insert(4, tk.layers.Activation("tanh"))
    less = plain(tk.layers)
    del less[4]
    for parts, said in [
        (more, "is the activation tanh, this network has none there"),
        (less, "this network has a layer MaxPooling2D"),
    ]:
        contents = keras_h5.read(saved(sequential(tk, parts), tmp_path))
        model = sequential(keras, plain(layers))
        assert said in message_of(keras_h5.fill, model, contents)
    parts = plain(tk.layers, pad=2, function="tanh", pool_strides=1, end="linear")
    contents = keras_h5.read(saved(sequential(tk, parts), tmp_path))
    message = message_of(keras_h5.fill, sequential(keras, plain(layers)), contents)
    assert "; and 2 more." in message and "\n" not in message


def test_a_lambda_layer_is_refused_and_not_run(tk, tmp_path):
    """Its function is byte code; only its class is read."""
    parts = plain(tk.layers)
    parts.insert(0, tk.layers.Lambda(lambda x: 2 * x, name="double"))
    contents = keras_h5.read(saved(sequential(tk, parts), tmp_path))
    message = message_of(keras_h5.fill, sequential(keras, plain(layers)), contents)
    assert "double is a Lambda layer, whose program is not read" in message


def reader(of, **changes):
    """Recurrent layers over words."""
    get = {
        **{"mask_zero": False, "activation": "tanh", "merge_mode": "concat"},
        **{"backwards": False},
    } | changes
    lstm = of.LSTM(4, return_sequences=True, activation=get["activation"])
    return [
        of.Embedding(6, 3, mask_zero=get["mask_zero"]),
        of.Bidirectional(lstm, merge_mode=get["merge_mode"]),
        of.TimeDistributed(of.Dense(8, activation="relu")),
        of.GRU(5, go_backwards=get["backwards"]),
        of.Dense(2, activation="softmax"),
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mask_zero": True}, "embedding has mask_zero True, this network False"),
        ({"activation": "relu"}, "has activation 'relu', this network 'tanh'"),
        ({"backwards": True}, "gru has go_backwards True, this network False"),
    ],
    ids=str,
)
def test_options_of_recurrent_layers_are_compared(tk, tmp_path, changes, said):
    """Also inside of Bidirectional."""
    path = saved(sequential(tk, reader(tk.layers, **changes), (7,)), tmp_path)
    message = message_of(
        keras_h5.fill, sequential(keras, reader(layers), (7,)), keras_h5.read(path)
    )
    assert said in re.sub("_[0-9]+(?= )", "", message)


def test_a_dense_layer_may_be_wrapped_or_not(tk, tmp_path):
    """TimeDistributed(Dense) computes what Dense computes."""
    stored = randomised(sequential(tk, reader(tk.layers), (7,)))
    parts = reader(layers)
    parts[2] = layers.Dense(8, activation="relu")
    model = sequential(keras, parts, (7,))
    keras_h5.fill(model, keras_h5.read(saved(stored, tmp_path)))
    x = np.random.default_rng(0).integers(0, 6, (4, 7))
    np.testing.assert_allclose(model(x), stored(x), rtol=0, atol=1e-5)


def test_sums_merged_in_other_ways_are_refused(tk, tmp_path):
    """Forward and backward outputs multiplied instead of added: the same arrays."""
    path = saved(sequential(tk, reader(tk.layers, merge_mode="mul"), (7,)), tmp_path)
    model = sequential(keras, reader(layers, merge_mode="sum"), (7,))
    message = message_of(keras_h5.fill, model, keras_h5.read(path))
    assert "has merge_mode 'mul', this network 'sum'" in message


# Models within models.


def nested(library, *, trainable=True, scaling="operations"):
    """A small network with a pretrained part, a preprocessing and an augmentation."""
    of = library.layers
    x = library.Input(SIZE, name="inner_input")
    y = of.Conv2D(4, 3, use_bias=False, name="first")(x)
    y = of.BatchNormalization(name="first_norm")(y)
    y = of.ReLU(6.0)(y)
    y = of.Conv2D(4, 3, padding="same", use_bias=False, name="second")(y)
    y = of.BatchNormalization(name="second_norm")(y)
    base = library.Model(x, y, name="base")
    base.trainable = trainable
    if trainable == "upper":
        base.trainable = True
        for layer in base.layers[:3]:
            layer.trainable = False
    inputs = library.Input(SIZE)
    augmenter = library.Sequential(
        [of.RandomFlip("horizontal"), of.RandomRotation(0.2)]
    )
    x = augmenter(inputs) if library is not keras else of.Identity()(inputs)
    x = x / 127.5 - 1.0 if scaling == "operations" else of.Rescaling(1 / 127.5, -1)(x)
    x = of.GlobalAveragePooling2D()(base(x, training=False))
    return library.Model(inputs, of.Dense(1)(of.Dropout(0.2)(x)))


@pytest.mark.parametrize("trainable", [True, False, "upper"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_model_within_the_model_is_filled(tk, tmp_path, trainable, whole):
    """Keras 2 saved its arrays in an order that depends on which were trainable."""
    stored = randomised(nested(tk, trainable=trainable))
    path = tmp_path / "m.h5"
    stored.save(path, save_format="h5") if whole else stored.save_weights(path)
    model = nested(keras, scaling="layer")
    keras_h5.fill(model, keras_h5.read(path))
    x = 255 * images()
    np.testing.assert_allclose(model(x), stored(x, training=False), rtol=0, atol=1e-4)


def test_differences_within_a_nested_model_are_named(tk, tmp_path):
    """By both names; so is another preprocessing."""
    stored = nested(tk)
    config = json.loads(stored.to_json())
    text = json.dumps(config).replace('"same"', '"valid"').replace("127.5", "255.0")
    path, model_json = tmp_path / "m.h5", tmp_path / "m.json"
    stored.save_weights(path)
    model_json.write_text(text)
    contents = keras_h5.read(path, model_json=model_json)
    message = message_of(keras_h5.fill, nested(keras), contents)
    assert "base/second has padding 'valid', this network 'same'" in message
    assert "has scale" in message


def test_a_large_pretrained_base_is_filled(tk, tmp_path):
    """The course's alpaca model, the layers of MobileNetV2 from 120 on tuned."""
    base = tk.applications.MobileNetV2((32, 32, 3), include_top=False, weights=None)
    for layer in base.layers[:120]:
        layer.trainable = False
    inputs = tk.Input((32, 32, 3))
    x = tk.Sequential([tk.layers.RandomFlip(), tk.layers.RandomRotation(0.2)])(inputs)
    x = base(tk.applications.mobilenet_v2.preprocess_input(x), training=False)
    x = tk.layers.Dropout(0.2)(tk.layers.GlobalAveragePooling2D()(x))
    stored = randomised(tk.Model(inputs, tk.layers.Dense(1)(x)))
    model = transfer_learning.alpaca_model((32, 32), layers.Identity(), weights=None)
    keras_h5.fill(model, keras_h5.read(saved(stored, tmp_path)))
    x = 255 * images(2, (32, 32, 3))
    expected = stored(x, training=False)
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-4)


def unet(tk, n_filters=2, n_classes=23, last="linear"):
    """The course's U-Net, as its notebook of 2021 builds it."""
    of = tk.layers

    def convolve(x, filters):
        for _ in range(2):
            x = of.Conv2D(filters, 3, activation="relu", padding="same")(x)
        return x

    x = inputs = tk.Input((96, 128, 3))
    skips = []
    for multiple in (1, 2, 4, 8):
        x = convolve(x, multiple * n_filters)
        x = of.Dropout(0.3)(x) if multiple == 8 else x
        skips.append(x)
        x = of.MaxPooling2D(pool_size=(2, 2))(x)
    x = of.Dropout(0.3)(convolve(x, 16 * n_filters))
    for multiple in (8, 4, 2, 1):
        up = of.Conv2DTranspose(multiple * n_filters, 3, strides=2, padding="same")(x)
        merge = of.concatenate([up, skips.pop()], axis=3)
        x = convolve(merge, multiple * n_filters)
    x = of.Conv2D(n_filters, 3, activation="relu", padding="same")(x)
    x = of.Conv2D(n_classes, 1, padding="same", activation=last)(x)
    return tk.Model(inputs, x)


def test_the_courses_unet_is_converted_and_answers(tk, tmp_path):
    """23 classes, at the course's size; a softmax at its end is refused."""
    stored = randomised(unet(tk))
    model = segmentation.build_model(2, n_classes=23)
    keras_h5.fill(model, keras_h5.read(saved(stored, tmp_path)))
    x = images(1, (96, 128, 3))
    np.testing.assert_allclose(model(x), stored(x), rtol=0, atol=1e-5)
    photo = (255 * x[0]).astype("uint8")
    answer = segmentation.infer(model, photo)
    expected = np.argmax(stored(photo[None] / np.float32(255)), axis=-1)[0]
    assert np.mean(answer.details["mask"] == expected) > 0.999
    assert len(answer.details["shares"]) == 23
    assert segmentation.picture(photo, answer).axes
    contents = keras_h5.read(saved(unet(tk, last="softmax"), tmp_path))
    assert "softmax" in message_of(keras_h5.fill, model, contents)


# Keras 1, whose options had other names.

KERAS_1 = [
    ("ZeroPadding2D", {"padding": [1, 1], "dim_ordering": "tf"}),
    (
        "Convolution2D",
        {
            **{"nb_filter": 4, "nb_row": 3, "nb_col": 3, "activation": "linear"},
            **{"border_mode": "valid", "subsample": [1, 1], "dim_ordering": "tf"},
            **{"init": "glorot_uniform", "bias": True, "W_regularizer": None},
        },
    ),
    ("BatchNormalization", {"mode": 0, "axis": -1, "momentum": 0.99, "epsilon": 1e-5}),
    ("Activation", {"activation": "relu"}),
    (
        "MaxPooling2D",
        {
            **{"pool_size": [2, 2], "strides": [2, 2], "border_mode": "valid"},
            **{"dim_ordering": "tf"},
        },
    ),
    (
        "Convolution2D",
        {
            **{"nb_filter": 3, "nb_row": 2, "nb_col": 2, "activation": "relu"},
            **{"border_mode": "same", "subsample": [1, 1], "dim_ordering": "default"},
        },
    ),
    ("GlobalAveragePooling2D", {"dim_ordering": "tf"}),
    ("Dropout", {"p": 0.5}),
    ("Dense", {"output_dim": 2, "activation": "sigmoid", "input_dim": None}),
]


def keras_1_file(folder, model, layers_of_file):
    """A whole-model file as Keras 1 wrote it, with the arrays of `model`."""
    path = folder / "keras1.h5"
    entries = [
        {"class_name": kind, "config": options | {"name": f"layer_{i}"}}
        for i, (kind, options) in enumerate(layers_of_file)
    ]
    config = {"class_name": "Sequential", "config": entries}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = np.bytes_(json.dumps(config))
        group = file.create_group("model_weights")
        names = [entry["config"]["name"] for entry in entries]
        group.attrs["layer_names"] = np.asarray([*map(str.encode, names)])
        for name, layer in zip(names, model.layers, strict=True):
            inner = group.create_group(name)
            arrays = {f"{name}_{i}": w.numpy() for i, w in enumerate(layer.weights)}
            inner.attrs["weight_names"] = np.asarray([*map(str.encode, arrays)])
            for key, array in arrays.items():
                inner[key] = array
    return path


def test_the_options_of_keras_1_have_other_names(tmp_path):
    """The file of an equal network fits; the epsilon is Keras 1's."""
    network = randomised(sequential(keras, plain(layers, epsilon=1e-5)))
    model = sequential(keras, plain(layers))
    path = keras_1_file(tmp_path, network, KERAS_1)
    keras_h5.fill(model, keras_h5.read(path))
    np.testing.assert_array_equal(model(images()), network(images()))


@pytest.mark.parametrize(
    ("number", "option", "value", "said"),
    [
        (0, "padding", [2, 2], "layer_0 has padding 2, this network 1"),
        (1, "border_mode", "same", "layer_1 has padding 'same', this network 'valid'"),
        (1, "subsample", [2, 2], "layer_1 has strides (2, 2), this network (1, 1)"),
        (2, "axis", 1, "layer_2 has axis 1, this network -1"),
        (4, "strides", [1, 1], "layer_4 has strides (1, 1), this network (2, 2)"),
        (6, "dim_ordering", "th", "Theano"),
        (8, "activation", "softmax", "layer_8 is the activation softmax"),
    ],
)
def test_differences_in_the_names_of_keras_1_are_found(
    tmp_path, number, option, value, said
):
    """Each is written with the names of Keras 3."""
    stated = [(kind, dict(options)) for kind, options in KERAS_1]
    stated[number][1][option] = value
    network = sequential(keras, plain(layers))
    contents = [keras_1_file(tmp_path, network, stated)]
    message = message_of(lambda: keras_h5.fill(network, keras_h5.read(*contents)))
    assert said in message


def test_the_shape_of_the_input_is_compared(tk, tmp_path):
    """Where the file and the model both state it: pooling hides the size."""
    contents = keras_h5.read(saved(sequential(tk, plain(tk.layers)), tmp_path))
    for size, said in [
        ((14, 14, 3), "the input has shape (12, 12, 3), this network (14, 14, 3)"),
        ((None, None, 3), None),
    ]:
        model = sequential(keras, plain(layers), size)
        if said:
            assert said in message_of(keras_h5.fill, model, contents)
        else:
            keras_h5.fill(model, contents)


def test_operations_on_tensors_are_layers_too(tk, tmp_path):
    """x + y instead of Add, a function or a layer as the activation, x * 2."""

    def build(library, simple):
        of = library.layers
        x = library.Input(SIZE)
        y = of.Conv2D(3, 1, activation=of.LeakyReLU(0.1) if simple else None)(x)
        y = y if simple else of.LeakyReLU(0.1)(y)
        y = of.Conv2D(3, 3, padding="same")(y)
        y = y + x if simple else of.Add()([y, x])
        y = tk.backend.relu(y) if library is tk and simple else of.ReLU()(y)
        y = y * 2.0 if simple else of.Rescaling(2.0)(y)
        return library.Model(x, of.Dense(1)(y))

    stored = randomised(build(tk, True))
    model = build(keras, False)
    keras_h5.fill(model, keras_h5.read(saved(stored, tmp_path)))
    np.testing.assert_allclose(model(images()), stored(images()), rtol=0, atol=1e-5)
    other = keras.Model(model.inputs, model.layers[-1](model.layers[-3].output))
    message = message_of(keras_h5.fill, other, keras_h5.read(tmp_path / "m.h5"))
    assert "a scaling, 2 x + 0, this network has none there" in message


def test_padding_that_adds_nothing_is_not_compared(tk, tmp_path):
    """Around pools that cover the image, and kernels of one pixel."""

    def build(of, padding):
        return [
            of.Conv2D(4, 1, padding=padding),
            of.MaxPooling2D(2, padding=padding),
            of.Conv2D(3, 1, 2, padding=padding),
            of.AveragePooling2D(3, padding=padding),
            of.Flatten(),
        ]

    stored = randomised(sequential(tk, build(tk.layers, "same")))
    contents = keras_h5.read(saved(stored, tmp_path))
    model = sequential(keras, build(layers, "valid"))
    keras_h5.fill(model, contents)
    np.testing.assert_allclose(model(images()), stored(images()), rtol=0, atol=1e-5)
    other = sequential(keras, build(layers, "valid"), (13, 13, 3))
    assert "padding 'same'" in message_of(
        keras_h5.fill, other, contents._replace(graph=larger(contents.graph))
    )


def larger(graph):
    """A graph whose input is 13 pixels wide."""
    steps = [
        step._replace(facts=step.facts | {"shape": (13, 13, 3)})
        if step.kind == "input"
        else step
        for step in graph.steps
    ]
    return graph._replace(steps=steps)


def test_damaged_architectures_are_refused(tk, tmp_path):
    """Tensors of wrong types, layers in a circle, and without an input."""
    stored = block(tk, ("main", "shortcut"))
    path, model_json = tmp_path / "m.h5", tmp_path / "m.json"
    stored.save_weights(path)
    text = stored.to_json()
    name = stored.layers[-1].name
    first = re.search('"(conv2d[_0-9]*)"', text)[1]
    for old, new in [
        (f'[["{name}", 0, 0]]', f'[["{name}", 0, {{}}]]'),
        (f'[["{name}", 0, 0]]', f'[["{name}", [], 0]]'),
        (f'[["{name}", 0, 0]]', '[["nowhere", 0, 0]]'),
        (f'["{stored.input_names[0]}", 0, 0, {{}}]', f'["{first}", 0, 0, {{}}]'),
    ]:
        assert old in text
        model_json.write_text(text.replace(old, new, 1))
        message = message_of(keras_h5.read, path, model_json=model_json)
        assert "is not an architecture" in message
