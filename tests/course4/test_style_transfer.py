"""What the reference cases of style transfer cannot say."""

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
from dls_keras.fast.layers import Adam


def activations(seed, n_H=4, n_W=5, n_C=3):
    """Random activations (1, n_H, n_W, n_C) float32."""
    drawn = np.random.default_rng(seed).normal(size=(1, n_H, n_W, n_C))
    return tf.constant(drawn, tf.float32)


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
    """A drawn landscape and a generated painting, both small."""
    scene = paintings.make_scenes(1, height=36, width=48)[0]
    painting = paintings.make_paintings(1, height=40, width=40)[0]
    return paintings.Pair(Image.fromarray(scene), Image.fromarray(painting))


# The course's functions.


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 9))
def test_a_gram_matrix_holds_all_scalar_products_of_rows(seed, n_C, pixels):
    """So it is symmetric, and its eigenvalues are not negative."""
    A = np.random.default_rng(seed).normal(size=(n_C, pixels))
    G = np.asarray(nst.gram_matrix(tf.constant(A)))
    np.testing.assert_allclose(G, np.einsum("ip,jp->ij", A, A), rtol=1e-9, atol=1e-9)
    assert np.linalg.eigvalsh(G).min() > -1e-9


def test_manner_does_not_depend_on_where_things_are():
    """Pixels in another order have the same Gram matrix; their content differs."""
    a = activations(0)
    pixels = tf.reshape(a, (20, 3))
    moved = tf.reshape(
        tf.random.experimental.stateless_shuffle(pixels, [0, 1]), a.shape
    )
    assert float(nst.compute_layer_style_cost(a, moved)) < 1e-10
    assert float(nst.compute_content_cost([a], [moved])) > 0.1


def test_the_layer_style_cost_is_the_formula():
    """Written out with loops over channels."""
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


def test_each_style_layer_counts_by_its_share():
    """And the last element, the content layer's, does not count."""
    S, G = [activations(i) for i in range(3)], [activations(i) for i in range(3, 6)]
    cost = nst.compute_style_cost(S, G, [("one", 0.25), ("two", 2.0)])
    one, two, _ = map(nst.compute_layer_style_cost, S, G)
    assert float(cost) == pytest.approx(0.25 * float(one) + 2 * float(two), rel=1e-6)


def test_layer_outputs_end_with_the_last_layer_asked_for(network):
    """The layer behind is not computed."""
    assert [layer.name for layer in network.layers[1:]] == ["one", "two"]
    assert [output.shape[-1] for output in network.outputs] == [6, 4]


def test_a_train_step_goes_downhill_and_stays_in_range(monkeypatch):
    """Twenty steps on an image variable, with the course's layers at a tiny size."""
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


def test_a_tensor_and_its_image_show_the_same():
    """Up to the cut to whole numbers, with and without the leading axis."""
    pixels = np.random.default_rng(0).uniform(size=(5, 7, 3)).astype("float32")
    image = nst.tensor_to_image(pixels[np.newaxis])
    assert image.size == (7, 5)
    assert np.abs(np.asarray(image) / 255 - pixels).max() <= 1 / 255
    assert nst.tensor_to_image(tf.constant(pixels)) == image


# The application.


def test_relative_costs_are_those_of_the_course_in_parts_of_nothing(network):
    """Cost over cost of a network that sees nothing, layer by layer."""
    rng = np.random.default_rng(0)
    content, style, image = rng.uniform(size=(3, 1, 9, 7, 3)).astype("float32")
    a_C, a_S, a_G = network(content), network(style), network(image)
    nothing = [tf.zeros_like(a) for a in a_G]
    expected = (
        nst.compute_content_cost(a_C, a_G) / nst.compute_content_cost(a_C, nothing),
        nst.compute_layer_style_cost(a_S[0], a_G[0])
        / nst.compute_layer_style_cost(a_S[0], nothing[0]),
    )
    costs = nst.relative_costs(network, content, style)(tf.constant(image))
    np.testing.assert_allclose(costs, expected, rtol=1e-5)


def test_the_weights_are_constants_of_the_graph(network):
    """It reads no variable, so nothing keeps kernels from being prepared once."""
    content = np.random.default_rng(0).uniform(size=(1, 8, 8, 3)).astype("float32")
    costs = nst.relative_costs(network, content, content)
    graph = tf.function(costs).get_concrete_function(tf.TensorSpec((1, 8, 8, 3))).graph
    assert not graph.variables
    assert "ReadVariableOp" not in {
        operation.type for operation in graph.get_operations()
    }


def test_all_steps_run_through_one_trace(network, pair, monkeypatch):
    """Python computes the cost once, however many steps there are."""
    traced = []

    def counted(*args):
        traced.append(args)
        return args[0] + args[1]

    monkeypatch.setattr(nst, "total_cost", counted)
    nst.infer(network, pair, steps=5)
    assert len(traced) == 1


def test_painting_brings_the_manner_nearer(network, pair):
    """The style cost falls to a tenth, while the content stays nearer than noise."""
    x_C, x_S = (images.resized(p, p.height, p.width)[np.newaxis] for p in pair)
    costs = nst.relative_costs(network, x_C, x_S)
    painted = (
        np.asarray(nst.infer(network, pair, steps=60), "float32")[np.newaxis] / 255
    )
    noise = np.random.default_rng(0).uniform(size=x_C.shape).astype("float32")
    (_, before), (content, after), (far, _) = map(costs, (x_C, painted, noise))
    assert after < 0.1 * before
    assert content < far


@pytest.mark.large
def test_half_precision_paints_as_well(pair):
    """Another picture (Adam enlarges what is rounded), which costs as little.

    The shipped network judges both in float32, after a hundred steps.
    """
    judge = nst.load_pretrained()
    given = [np.asarray(picture, "float32")[np.newaxis] / 255 for picture in pair]
    costs = nst.relative_costs(judge, *given)

    def cost(picture):
        x = tf.constant(np.asarray(picture, "float32")[np.newaxis] / 255)
        return float(nst.total_cost(*costs(x), nst.ALPHA, nst.BETA))

    whole = nst.infer(judge, pair, steps=100)
    half = nst.infer(nst.load_pretrained(dtype="mixed_bfloat16"), pair, steps=100)
    assert cost(half) < 1.1 * cost(whole) < 0.2 * cost(pair.content)


def test_noise_comes_from_the_seed(network, pair):
    """One seed, one picture; another seed, another."""
    one, again, other = (
        np.asarray(nst.infer(network, pair, steps=3, start="noise", seed=seed))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one.astype(int) - other).mean() > 10


@pytest.mark.parametrize(
    ("given", "size", "result"),
    [((48, 36), 400, (48, 36)), ((480, 361), 50, (50, 38)), ((37, 95), 90, (35, 90))],
)
def test_pictures_of_any_size_keep_their_proportions(
    network, pair, given, size, result
):
    """The longer side is reduced to `size`; nothing is enlarged."""
    content = pair.content.resize(given)
    painted = nst.infer(network, content, style=pair.style, size=size, steps=1)
    assert painted.size == result


def test_smoothness_leaves_less_difference_between_neighbours(network, pair):
    """By the measure that it is the weight of."""
    rough, smooth = (
        nst.infer(network, pair, steps=30, smoothness=weight) for weight in (0.0, 20.0)
    )
    rough, smooth = (
        nst.total_variation(np.asarray(p, "float32")[np.newaxis])
        for p in (rough, smooth)
    )
    assert smooth < 0.8 * rough


def test_pictures_along_the_way_are_written(network, pair, tmp_path):
    """After every third step; the last one of nine is the result."""
    painted = nst.infer(network, pair, steps=9, every=3, folder=tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["00003.png", "00006.png", "00009.png"]
    assert images.read(tmp_path / "00009.png") == painted


def test_two_paths_may_be_joined_as_in_path(network, pair, tmp_path):
    """As the command line hands them in; one path alone gets a generated style."""
    one, two = tmp_path / "photo.png", tmp_path / "painting.png"
    images.write(pair.content, one)
    images.write(pair.style, two)
    joined = nst.infer(network, f"{one}{os.pathsep}{two}", steps=2)
    assert joined == nst.infer(network, pair, steps=2)
    assert joined == nst.infer(network, str(one), style=two, steps=2)
    assert joined != nst.infer(network, str(one), steps=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": "photo"}, "'photo'"),
        ({"every": 2}, "folder"),
        ({"size": 20}, "20 x 15 pixels"),
        ({"every": 1, "folder": "no/such"}, "no/such"),
        ({"steps": 0}, "steps"),
        ({"style": np.full((40, 40, 3), np.nan)}, "NaN"),
    ],
)
def test_what_cannot_be_painted_is_told(network, pair, settings, message):
    """In one sentence that names what came."""
    with pytest.raises(InputError, match=message):
        nst.infer(network, pair, **{"steps": 2, **settings})


def test_what_is_no_picture_is_told(network, tmp_path):
    """A text file, a missing one, one pixel."""
    text = tmp_path / "photo.jpg"
    text.write_text("not a picture")
    for wrong in (text, tmp_path / "none.png", Image.new("RGB", (1, 1))):
        with pytest.raises(InputError):
            nst.infer(network, wrong)


def test_only_published_layers_can_be_asked_for():
    """The variants that exist are named."""
    with pytest.raises(InputError, match="vgg19_layers"):
        nst.load_pretrained("vgg16")


@pytest.mark.data
def test_training_brings_the_activations_nearer_to_those_of_vgg():
    """Twelve steps on four squares: the last losses lie well below the first ones."""
    keras.utils.set_random_seed(1)
    data = nst.load_data(m=2, drawn=2)
    losses = nst.train(nst.build_model(), data, epochs=12, batch_size=4, seed=1)
    assert np.mean(losses[-4:]) < 0.7 * np.mean(losses[:4])


@pytest.mark.data
def test_the_compact_network_sees_what_vgg_sees():
    """On a picture never trained on, by the variance explained and by a painting."""
    model, teacher = nst.load_pretrained(), nst.load_pretrained("vgg19_layers")
    pair = paintings.load_pictures()
    x = images.resized(pair.content, 96, 128)[np.newaxis]
    explained = nst.explained_variance(teacher(x), model(x))
    assert explained["block1_conv1"] > 0.8
    assert min(explained.values()) > 0.3
    x_S = images.resized(pair.style, 96, 128)[np.newaxis]
    judged = nst.relative_costs(teacher, x, x_S)
    painted = nst.infer(model, pair, size=128, steps=60)
    _, before = judged(x)
    _, after = judged(np.asarray(painted, "float32")[np.newaxis] / 255)
    assert after < 0.5 * before


@pytest.mark.data
@pytest.mark.large
def test_half_precision_paints_the_course_s_picture():
    """With VGG-19, at the course's size, by a hundred of its moves: Adam at 0.01."""
    content, style = (
        images.resized(picture, 300, 400)[np.newaxis]
        for picture in paintings.load_pictures()
    )
    painted = []
    for dtype in ("float32", "mixed_bfloat16"):
        network = nst.load_pretrained("vgg19_layers", dtype=dtype)
        costs = nst.relative_costs(network, content, style)
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
        painted.append(image.numpy())
    whole, half = painted
    assert np.mean((whole - half) ** 2) < 10**-3.5  # a PSNR of 35 dB


@pytest.mark.data
def test_the_data_at_hand_are_those_of_the_records():
    """Each published file of eight layers, by its hash."""
    for remote in weights.published("style_transfer")["vgg19_layers"]:
        files.check_hash(files.find_data(remote), remote)
