"""Deep network application: properties beyond the reference cases."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dls_keras.core import files, weights
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.course1 import deep_network_application as dna
from dls_keras.datasets import cats


@pytest.fixture(scope="module")
def synthetic():
    """300 held-out synthetic pictures, as columns and labels (1, m)."""
    x, y = cats.make_cats(300, seed=10_000)
    return x.reshape(300, -1).T / 255, y[np.newaxis]


@pytest.fixture(scope="module")
def network():
    return dna.load_pretrained()


@pytest.fixture(scope="module")
def cat():
    """A synthetic picture of a cat, (64, 64, 3) uint8."""
    x, y = cats.make_cats(10, seed=2)
    return x[y.argmax()]


def loop(model, X, Y, epochs, learning_rate):
    """The training loop of the lesson, with the cost of every step."""
    losses = []
    for _ in range(epochs):
        AL, caches = dna.L_model_forward(X, model)
        losses.append(dna.compute_cost(AL, Y))
        grads = dna.L_model_backward(AL, Y, caches)
        model = dna.update_parameters(model, grads, learning_rate)
    return model, losses


def assert_close(model, expected):
    """Every array equal to 1e-12."""
    assert model.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(model[name], value, rtol=0, atol=1e-12)


# The course's functions.


def test_the_models_return_and_print_every_hundredth_cost(capsys):
    """The last cost is printed, too, but not returned."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(4, 6)), np.array([[0, 1, 1, 0, 1, 0]])
    start = dna.initialize_parameters_deep([4, 3, 1])
    expected, losses = loop(start, X, Y, 150, 0.0075)
    parameters, costs = dna.L_layer_model(X, Y, [4, 3, 1], 0.0075, 150, True)
    assert_close(parameters, expected)
    assert costs == [losses[0], losses[100]]
    assert capsys.readouterr().out.splitlines() == [
        f"Cost after iteration {i}: {losses[i]}" for i in (0, 100, 149)
    ]

    expected, losses = loop(dna.initialize_parameters(4, 3, 1), X, Y, 101, 0.1)
    parameters, costs = dna.two_layer_model(X, Y, (4, 3, 1), 0.1, 101)
    assert_close(parameters, expected)
    assert costs == [losses[0], losses[100]]
    assert capsys.readouterr().out == ""


def test_predict_prints_the_accuracy(capsys):
    """One of three labels agrees with a network that never predicts a cat."""
    parameters = {"W1": np.zeros((1, 2)), "b1": -np.ones((1, 1))}
    p = dna.predict(np.ones((2, 3)), np.array([[1, 0, 1]]), parameters)
    assert p.dtype == float and p.tolist() == [[0.0, 0.0, 0.0]]
    assert capsys.readouterr().out == f"Accuracy: {1 / 3}\n"


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.integers(1, 6), min_size=2, max_size=5))
def test_the_initial_parameters_have_the_shapes_of_the_layers(dims):
    """The weights are sampled in the course's order, the biases are zero."""
    parameters = dna.initialize_parameters_deep(dims)
    rng = np.random.RandomState(1)
    for k in range(1, len(dims)):
        expected = rng.randn(dims[k], dims[k - 1]) / np.sqrt(dims[k - 1])
        np.testing.assert_array_equal(parameters[f"W{k}"], expected)
        np.testing.assert_array_equal(parameters[f"b{k}"], np.zeros((dims[k], 1)))
    assert len(parameters) == 2 * (len(dims) - 1)


# Training; `tests/fast` compares the dual form with the loop on random problems.


def test_training_can_be_continued(synthetic):
    """70 steps and then 80 give the same model as 150 steps."""
    dims = (12288, 5, 3, 1)
    twice, once = dna.build_model(dims), dna.build_model(dims)
    losses = [loss for n in (70, 80) for loss in dna.train(twice, synthetic, epochs=n)]
    expected = dna.train(once, synthetic, epochs=150)
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-12)
    assert_close(twice, once)
    assert losses[-1] < 0.95 * losses[0]


def test_a_confident_wrong_network_can_be_trained():
    """For |z| = 1e4 the cost is |z|, a step is finite, and there is no warning."""
    X, Y = np.array([[1e4, -1e4]]), np.array([[0, 1]])
    model = {"W1": np.ones((1, 1)), "b1": np.zeros((1, 1))}
    losses = dna.train(model, (X, Y), epochs=1, learning_rate=1e-4)
    np.testing.assert_allclose(losses, [1e4], rtol=1e-12)
    # The gradient is 1e4, so the step is -1 from W1 = 1.
    np.testing.assert_allclose(model["W1"], 0, atol=1e-12)


@pytest.mark.data
def test_train_agrees_with_the_loop_on_the_photos():
    """Four layers, the first ten of the course's 2500 steps, to 1e-12."""
    data, model = dna.load_data(), dna.build_model()
    expected, costs = loop(dict(model), data.x, data.y, 10, 0.0075)
    losses = dna.train(model, data, epochs=10)
    np.testing.assert_allclose(losses, costs, rtol=0, atol=1e-12)
    assert_close(model, expected)


@pytest.mark.data
@pytest.mark.large
@pytest.mark.parametrize("layers", ["two", "four"])
def test_train_agrees_with_the_loop_in_all_steps_on_the_photos(layers):
    """The course's own runs: 2500 steps, to 1e-12."""
    data = dna.load_data()
    if layers == "two":
        start = dna.initialize_parameters(*dna.TWO_LAYERS)
    else:
        start = dna.build_model()
    model = dict(start)
    losses = dna.train(model, data)
    expected, costs = loop(start, data.x, data.y, 2500, 0.0075)
    np.testing.assert_allclose(losses, costs, rtol=0, atol=1e-12)
    assert_close(model, expected)


# The application.


@pytest.mark.data
def test_evaluate_gives_the_numbers_of_the_course():
    """All 52 printed costs to ten digits, 72 % and 80 %; the model meets its goals."""
    rows = {row.what: row for row in dna.evaluate()}
    costs = [what for what in rows if "cost after" in what]
    assert len(costs) == 52
    for what in costs:
        row = rows.pop(what)
        assert row.ours == pytest.approx(row.equals, rel=1e-10)
    for layers, train, test in (("two", 209, 36), ("four", 206, 40)):
        row = rows.pop(f"{layers} layers: training accuracy, 209 photos")
        assert row.ours == train / 209
        assert rows.pop(f"{layers} layers: test accuracy, 50 photos").ours == test / 50
    assert len(rows) == 2
    for row in rows.values():
        assert row.ours >= row.at_least


@pytest.mark.data
def test_synthetic_pictures_are_appended_to_the_photos():
    """The first 209 columns are the photos, the rest synthetic."""
    data = dna.load_data(extra=3, seed=5)
    assert data.x.shape == (12288, 212) and data.y.shape == (1, 212)
    x, y = cats.make_cats(3, seed=5)
    np.testing.assert_array_equal(data.x[:, 211].reshape(64, 64, 3) * 255, x[2])
    np.testing.assert_array_equal(data.y[0, 209:], y)


def test_the_pretrained_network_recognises_synthetic_cats(network, synthetic):
    """At least 95 % of the held-out pictures."""
    AL, _ = dna.L_model_forward(synthetic[0], network)
    assert np.mean((AL > 0.5) == synthetic[1]) >= 0.95


def test_the_record_describes_the_weight_file(network):
    """File name, size, parameters, hash and the output for one fixed input."""
    record = weights.record("deep_network_application")
    facts = weights.facts(weights.find(record))
    for name in ("file", "sha256", "bytes", "params"):
        assert facts[name] == getattr(record, name)
    shapes = {name: value.shape for name, value in network.items()}
    assert shapes == {name: v.shape for name, v in dna.build_model().items()}
    x = np.random.default_rng(0).uniform(size=(1, 12288)).astype("float32")
    answer, _ = dna.L_model_forward(x.T, network)
    assert answer.item() == pytest.approx(record.golden[0], rel=1e-4)


def test_an_unknown_variant_raises_an_error_that_lists_the_known_ones():
    """The message names the requested and the available variants."""
    with pytest.raises(InputError, match="'course'.*default"):
        dna.load_pretrained("course")


def test_infer_agrees_with_the_forward_pass(network):
    """A 64 x 64 picture is not resized; the confidence is the answer's probability."""
    x, _ = cats.make_cats(8, seed=1)
    for picture in x:
        p = dna.L_model_forward(picture.reshape(-1, 1) / 255, network)[0].item()
        answer = dna.infer(network, picture)
        assert answer == cats.CLASSES[int(p > 0.5)]
        probabilities = answer.details["probabilities"]
        assert answer.confidence == max(probabilities.values()) >= 0.5
        # `infer` has the pixels in float32.
        assert probabilities["cat"] == pytest.approx(p, abs=1e-6)
        assert sum(probabilities.values()) == 1


def test_infer_accepts_every_kind_of_picture(network, cat, tmp_path):
    """A file, opaque RGBA, a large photo and a grey picture."""
    expected = dna.infer(network, cat)
    Image.fromarray(cat).save(tmp_path / "cat.png")
    assert dna.infer(network, tmp_path / "cat.png").confidence == expected.confidence
    rgba = np.dstack([cat, np.full((64, 64), 255, "uint8")])
    assert dna.infer(network, rgba).confidence == expected.confidence
    large = Image.fromarray(cat).resize((1000, 800), Image.Resampling.NEAREST)
    # Enlarging and reducing blur the picture a little.
    assert abs(dna.infer(network, large).confidence - expected.confidence) < 0.1
    grey = np.asarray(Image.fromarray(cat).convert("L"))
    expected = dna.infer(network, np.dstack([grey] * 3))
    assert dna.infer(network, grey).details == expected.details


def test_what_is_not_a_picture_raises_an_error(network, tmp_path):
    """NaN, a missing file and a text file named .jpg have different messages."""
    with pytest.raises(InputError, match="NaN"):
        dna.infer(network, np.full((64, 64, 3), np.nan))
    path = tmp_path / "cat.jpg"
    with pytest.raises(MissingFileError, match="cat.jpg"):
        dna.infer(network, path)
    path.write_text("a cat")
    with pytest.raises(InputError, match="not an image"):
        dna.infer(network, path)


def test_the_example_of_the_tour_has_the_correct_answer(network, monkeypatch):
    """Without data it is a synthetic picture without a cat, as the question says."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    question, image = dna.example()
    assert "synthetic" in question
    answer = dna.infer(network, image)
    assert answer == "non-cat"
    title = dna.picture(image, answer).axes[0].get_title()
    assert title.startswith("non-cat")


@pytest.mark.data
@pytest.mark.parametrize(
    "name, answer",
    [
        ("cat_in_iran", "cat"),
        ("my_image2", "cat"),
        ("gargouille", "non-cat"),
        ("la_defense", "non-cat"),
        ("my_image", "non-cat"),
    ],
)
def test_the_photos_of_the_notebook_are_classified_correctly(network, name, answer):
    """Two cats and three views of Paris; one of them is the example of the tour."""
    photo = files.in_data_folder(f"catvnoncat/images/{name}.jpg")
    assert dna.infer(network, photo) == answer
    question, shown = dna.example()
    assert "synthetic" not in question and shown.name == "la_defense.jpg"


def test_training_and_inference_do_not_import_tensorflow():
    """So both start in a fraction of a second."""
    program = """if True:
        import sys
        from dls_keras.course1 import deep_network_application as dna
        from dls_keras.datasets import cats
        x, y = cats.make_cats(4)
        dna.train(dna.build_model(), (x.reshape(4, -1).T / 255, y[None]), epochs=3)
        dna.infer(dna.load_pretrained(), x[0])
        heavy = {"tensorflow", "keras", "torch", "jax"} & {*sys.modules}
        sys.exit(f"imported {heavy}" if heavy else 0)
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
