"""Style transfer beyond the reference cases of the course's functions."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dls_keras.core import files, images, training, weights
from dls_keras.core.errors import InputError
from dls_keras.course4 import style_transfer as nst
from dls_keras.datasets import paintings
from dls_keras.fast import style_costs
from dls_keras.fast.layers import Adam
from dls_keras.networks import vgg19


def activations(seed, n_H=4, n_W=5, n_C=3):
    """Random activations (1, n_H, n_W, n_C) float32."""
    values = np.random.default_rng(seed).normal(size=(1, n_H, n_W, n_C))
    return tf.constant(values, tf.float32)


def pixels(image):
    """A PIL image as an array (1, h, w, 3) float32 in [0, 1]."""
    return np.asarray(image, "float32")[np.newaxis] / 255


@pytest.fixture(scope="module")
def network():
    """A network of two tiny layers: the first for style, the second for content."""
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="one")(image)
    y = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="two")(x)
    z = keras.layers.Conv2D(4, 3, padding="same", name="three")(y)
    whole = keras.Model(image, z)
    return nst.get_layer_outputs(whole, [("one", 1.0), ("two", 1.0)])


@pytest.fixture(scope="module")
def pair():
    """A synthetic landscape and a synthetic painting, both small."""
    scene = paintings.make_scenes(1, height=36, width=48)[0]
    painting = paintings.make_paintings(1, height=40, width=40)[0]
    return paintings.Pair(Image.fromarray(scene), Image.fromarray(painting))


# The course's functions.


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 9))
def test_a_gram_matrix_holds_the_inner_products_of_all_rows(seed, n_C, positions):
    """So it is symmetric, and its eigenvalues are not negative."""
    A = np.random.default_rng(seed).normal(size=(n_C, positions))
    G = np.asarray(nst.gram_matrix(tf.constant(A)))
    np.testing.assert_allclose(G, np.einsum("ip,jp->ij", A, A), rtol=1e-9, atol=1e-9)
    assert np.linalg.eigvalsh(G).min() > -1e-9


def test_style_does_not_depend_on_positions():
    """Shuffled positions have the same Gram matrix and another content."""
    a = activations(0)
    rows = tf.reshape(a, (20, 3))
    shuffled = tf.reshape(
        tf.random.experimental.stateless_shuffle(rows, [0, 1]), a.shape
    )
    assert float(nst.compute_layer_style_cost(a, shuffled)) < 1e-10
    assert float(nst.compute_content_cost([a], [shuffled])) > 0.1


def test_the_layer_style_cost_is_the_formula_with_loops():
    """Over all pairs of channels."""
    a_S, a_G = activations(1), activations(2)
    S, G = (np.asarray(a, "float64")[0] for a in (a_S, a_G))
    total = 0.0
    for i in range(3):
        for j in range(3):
            total += (
                (S[..., i] * S[..., j]).sum() - (G[..., i] * G[..., j]).sum()
            ) ** 2
    expected = total / (4 * 3**2 * (4 * 5) ** 2)
    cost = nst.compute_layer_style_cost(a_S, a_G)
    assert float(cost) == pytest.approx(expected, rel=1e-5)  # float32 sums


def test_the_content_cost_has_the_gradient_of_its_formula():
    """(a_G - a_C) / (2 n_H n_W n_C), and only the last layers count."""
    a_C, a_G = activations(3), tf.Variable(activations(4))
    with tf.GradientTape() as tape:
        cost = nst.compute_content_cost([a_G, a_C], [a_C, a_G])
    expected = (a_G - a_C) / (2 * 4 * 5 * 3)
    np.testing.assert_allclose(tape.gradient(cost, a_G), expected, rtol=1e-5)


def test_each_style_layer_has_its_weight():
    """And the last element, that of the content layer, is not used."""
    S, G = [activations(i) for i in range(3)], [activations(i) for i in range(3, 6)]
    cost = nst.compute_style_cost(S, G, [("one", 0.25), ("two", 2.0)])
    one, two, _ = map(nst.compute_layer_style_cost, S, G)
    assert float(cost) == pytest.approx(0.25 * float(one) + 2 * float(two), rel=1e-6)


def test_layer_outputs_end_with_the_last_layer_requested(network):
    """The layer after it is not part of the model."""
    assert [layer.name for layer in network.layers[1:]] == ["one", "two"]
    assert [output.shape[-1] for output in network.outputs] == [6, 4]


def test_train_steps_lower_the_cost_and_keep_the_range():
    """Twenty steps on an image, with as many layers as the course has, but tiny."""
    keras.utils.set_random_seed(1)
    image = keras.Input((None, None, 3))
    x, outputs = image, []
    for _ in range(len(nst.STYLE_LAYERS) + 1):
        x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
        outputs.append(x)
    model = keras.Model(image, outputs)
    rng = np.random.default_rng(0)
    content, style = rng.uniform(size=(2, 1, 8, 8, 3)).astype("float32")
    picture = tf.Variable(content)
    optimizer = Adam(0.05)
    optimizer.build([picture])
    settings = {"a_C": model(content), "a_S": model(style), "optimizer": optimizer}
    costs = [
        float(nst.train_step(picture, vgg_model_outputs=model, **settings))
        for _ in range(20)
    ]
    assert costs[-1] < 0.5 * costs[0]
    assert 0 <= picture.numpy().min() <= picture.numpy().max() <= 1


def test_a_tensor_becomes_an_image_with_the_same_pixels():
    """Up to truncation to integers, with and without the leading axis."""
    values = np.random.default_rng(0).uniform(size=(5, 7, 3)).astype("float32")
    image = nst.tensor_to_image(values[np.newaxis])
    assert image.size == (7, 5)
    assert np.abs(np.asarray(image) / 255 - values).max() <= 1 / 255
    assert nst.tensor_to_image(tf.constant(values)) == image


# The application.


def test_the_weights_are_constants_of_the_graph(network):
    """It reads no variable, so TensorFlow packs the kernels only once."""
    content = np.random.default_rng(0).uniform(size=(1, 8, 8, 3)).astype("float32")
    costs = style_costs.relative_costs(network, content, content)
    graph = tf.function(costs).get_concrete_function(tf.TensorSpec((1, 8, 8, 3))).graph
    assert not graph.variables
    assert "ReadVariableOp" not in {
        operation.type for operation in graph.get_operations()
    }


def test_all_steps_share_one_trace(network, pair, monkeypatch):
    """Python computes the cost once, for any number of steps."""
    traced = []

    def counted(*args):
        traced.append(args)
        return args[0] + args[1]

    monkeypatch.setattr(nst, "total_cost", counted)
    nst.infer(network, pair, steps=5)
    assert len(traced) == 1


def test_the_result_has_the_style_of_the_painting(network, pair):
    """The style cost falls to a tenth; the content cost is lower than that of noise."""
    x_C, x_S = map(pixels, pair)
    costs = style_costs.relative_costs(network, x_C, x_S)
    result = pixels(nst.infer(network, pair, steps=60).details["image"])
    noise = np.random.default_rng(0).uniform(size=x_C.shape).astype("float32")
    (_, before), (content, after), (far, _) = map(costs, (x_C, result, noise))
    assert after < 0.1 * before
    assert content < far


def test_the_answer_states_the_size_and_no_confidence(network, pair):
    """The result itself is in the details."""
    answer = nst.infer(network, pair, steps=1)
    assert answer == "an image of 48 x 36 pixels"
    assert answer.confidence is None
    assert answer.details["image"].size == (48, 36)


def test_the_picture_shows_photo_style_and_result(network, pair):
    """The style image as it was used, also where it is not part of the input."""
    large = pair.style.resize((80, 80))
    answer = nst.infer(network, pair.content, style=large, size=48, steps=1)
    axes = nst.picture(pair.content, answer).axes
    assert [one.get_title() for one in axes] == ["photo", "style", "result"]
    photo, style, result = (one.images[0].get_array() for one in axes)
    np.testing.assert_array_equal(photo, pair.content)
    np.testing.assert_array_equal(style, np.rint(255 * images.resized(large, 48, 48)))
    np.testing.assert_array_equal(result, answer.details["image"])


@pytest.mark.large
def test_half_precision_reaches_the_same_cost(pair):
    """The images differ, since Adam amplifies rounding, but the costs are similar.

    Both are measured by the shipped network in float32, after a hundred steps.
    """
    network = nst.load_pretrained()
    costs = style_costs.relative_costs(network, *map(pixels, pair))

    def cost(image):
        J = costs(tf.constant(pixels(image)))
        return float(nst.total_cost(*J, nst.ALPHA, nst.BETA))

    half = nst.load_pretrained(dtype="mixed_bfloat16")
    full, rounded = (
        nst.infer(model, pair, steps=100).details["image"] for model in (network, half)
    )
    assert cost(rounded) < 1.1 * cost(full) < 0.2 * cost(pair.content)


def test_the_seed_determines_the_noise(network, pair):
    """The same seed gives the same image, another seed another one."""
    one, again, other = (
        np.asarray(answer.details["image"])
        for answer in (
            nst.infer(network, pair, steps=3, start="noise", seed=seed)
            for seed in (0, 0, 1)
        )
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one.astype(int) - other).mean() > 10


@pytest.mark.parametrize(
    ("given", "size", "result"),
    [((48, 36), 400, (48, 36)), ((480, 361), 50, (50, 38)), ((37, 95), 90, (35, 90))],
)
def test_images_of_any_size_keep_their_aspect_ratio(network, pair, given, size, result):
    """The longer side is reduced to `size`; nothing is enlarged."""
    content = pair.content.resize(given)
    answer = nst.infer(network, content, style=pair.style, size=size, steps=1)
    assert answer.details["image"].size == result


def test_smoothness_lowers_the_total_variation(network, pair):
    """It is the weight of that term."""
    rough, smooth = (
        nst.infer(network, pair, steps=30, smoothness=weight) for weight in (0.0, 20.0)
    )
    rough, smooth = (
        nst.total_variation(pixels(answer.details["image"]))
        for answer in (rough, smooth)
    )
    assert smooth < 0.8 * rough


def test_intermediate_images_are_written(network, pair, tmp_path):
    """After every third step; the last one of nine is the result."""
    answer = nst.infer(network, pair, steps=9, every=3, folder=tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["00003.png", "00006.png", "00009.png"]
    assert images.read(tmp_path / "00009.png") == answer.details["image"]


def test_two_paths_may_be_joined_as_in_path(network, pair, tmp_path):
    """As on the command line; with one path alone the style image is synthetic."""
    one, two = tmp_path / "photo.png", tmp_path / "painting.png"
    images.write(pair.content, one)
    images.write(pair.style, two)
    joined = nst.infer(network, f"{one}{os.pathsep}{two}", steps=2)
    assert joined == nst.infer(network, pair, steps=2)
    assert joined == nst.infer(network, str(one), style=two, steps=2)
    assert joined != nst.infer(network, str(one), steps=2)
    axes = nst.picture(f"{one}{os.pathsep}{two}", joined).axes
    np.testing.assert_array_equal(axes[0].images[0].get_array(), pair.content)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": "photo"}, "'photo'"),
        ({"every": 2}, "folder"),
        ({"size": 20}, "20 x 15 pixels"),
        ({"every": 1, "folder": "no/such"}, "no/such"),
        ({"steps": 0}, "at least 1, received 0"),
        ({"style": np.full((40, 40, 3), np.nan)}, "NaN"),
    ],
)
def test_invalid_settings_are_refused(network, pair, settings, message):
    """The message holds the value that was received."""
    with pytest.raises(InputError, match=message):
        nst.infer(network, pair, **{"steps": 2, **settings})


def test_files_that_are_not_an_image_are_refused(network, tmp_path):
    """A text file, a missing file; and an image of one pixel."""
    text = tmp_path / "photo.jpg"
    text.write_text("not a picture")
    for wrong in (text, tmp_path / "none.png", Image.new("RGB", (1, 1))):
        with pytest.raises(InputError):
            nst.infer(network, wrong)


def test_an_unknown_variant_is_refused():
    """The message names those that exist."""
    with pytest.raises(InputError, match="vgg19_layers"):
        nst.load_pretrained("vgg16")


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_saved_network_gives_the_same_activations(dtype, tmp_path):
    """Loaded from a .keras file, and cloned."""
    model = nst.build_model(dtype=dtype)
    model.save(tmp_path / "compact.keras")
    loaded = keras.models.load_model(tmp_path / "compact.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    x = np.random.default_rng(0).uniform(size=(1, 21, 30, 3)).astype("float32")
    for other in (loaded, clone):
        for a, b in zip(other(x), model(x), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.data
def test_training_lowers_the_distillation_loss():
    """Twelve steps on four crops."""
    keras.utils.set_random_seed(1)
    data = nst.load_data(photos=2, extra=2)
    losses = nst.train(nst.build_model(), data, epochs=12, batch_size=4, seed=1)
    assert np.mean(losses[-4:]) < 0.7 * np.mean(losses[:4])


@pytest.mark.data
def test_the_compact_network_replaces_vgg():
    """On a held-out photo, by the explained variance and by the style of its result."""
    model, teacher = nst.load_pretrained(), nst.load_pretrained("vgg19_layers")
    pair = paintings.load_pictures()
    x, x_S = (images.resized(image, 96, 128)[np.newaxis] for image in pair)
    names = [name for name, _ in nst.SHALLOW]
    explained = vgg19.explained_variance(names, teacher(x), model(x))
    assert explained["block1_conv1"] > 0.8
    assert min(explained.values()) > 0.3
    costs = style_costs.relative_costs(teacher, x, x_S)
    answer = nst.infer(model, pair, size=128, steps=60)
    _, before = costs(x)
    _, after = costs(pixels(answer.details["image"]))
    assert after < 0.5 * before


@pytest.mark.data
@pytest.mark.large
def test_half_precision_gives_the_same_image_with_vgg():
    """Of the course's size, after a hundred of its steps: Adam with a rate of 0.01."""
    content, style = (
        images.resized(image, 300, 400)[np.newaxis]
        for image in paintings.load_pictures()
    )
    results = []
    for dtype in ("float32", "mixed_bfloat16"):
        network = nst.load_pretrained("vgg19_layers", dtype=dtype)
        costs = style_costs.relative_costs(network, content, style)
        image = keras.Variable(content)
        image.constraint = nst.clip_0_1
        step = training.compile_step(
            lambda costs=costs, image=image: nst.total_cost(
                *costs(image.value), nst.ALPHA, nst.BETA
            ),
            [image],
            Adam(0.01),
        )
        for _ in range(100):
            step()
        results.append(image.numpy())
    full, half = results
    assert np.mean((full - half) ** 2) < 10**-3.5  # a PSNR of 35 dB


@pytest.mark.data
def test_the_published_layers_have_the_recorded_hashes():
    """Each of the eight files."""
    for remote in weights.published("style_transfer")["vgg19_layers"]:
        files.check_hash(files.find_data(remote), remote)


@pytest.mark.data
@pytest.mark.large
def test_the_numbers_are_those_of_the_record():
    """With the labels of the record, to 1 % of the explained variance."""
    rows = nst.evaluate()
    recorded = weights.record("style_transfer").metrics
    assert [row.what for row in rows] == [what for what, _ in recorded]
    for row, (what, stated) in zip(rows, recorded, strict=True):
        assert row.ours == pytest.approx(float(stated), abs=0.01), what
