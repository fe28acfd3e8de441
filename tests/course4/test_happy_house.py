"""The Happy House: what the layer table does not cover."""

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from dls_keras.core.errors import InputError
from dls_keras.course4 import happy_house as hh
from dls_keras.datasets import smiles


@pytest.fixture(scope="module")
def pretrained():
    return hh.load_pretrained()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`$DLS_KERAS_DATA` with 60 synthetic faces as the course's test photos."""
    (tmp_path / "happy").mkdir()
    write(tmp_path, "test", 60)
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    return tmp_path


def write(folder, part, m):
    x, y = smiles.make_happy(m, seed=m)
    with h5py.File(folder / f"happy/{part}_happy.h5", "w") as file:
        file[f"{part}_set_x"], file[f"{part}_set_y"] = x, y


def test_layers_have_the_names_of_the_course():
    """So that weights saved by name in 2017 find their layers."""
    model = hh.HappyModel((64, 64, 3))
    names = [layer.name for layer in model.layers]
    assert {"conv0", "bn0", "max_pool", "fc"} <= set(names)
    assert model.name == "HappyModel"


def test_a_bfloat16_model_has_the_same_weights_and_outputs(pretrained):
    """Outputs are float32 and equal to two digits."""
    model = hh.build_model(dtype="mixed_bfloat16")
    model.set_weights(pretrained.get_weights())
    x = hh.preprocess(smiles.make_happy(6, seed=1).x)
    assert {w.dtype for w in model.weights} == {"float32"}
    p = model(x)
    assert p.dtype == "float32"
    np.testing.assert_allclose(p, pretrained(x), atol=0.05)


def test_saved_and_cloned_models_give_the_same_outputs(pretrained, tmp_path):
    """Bit by bit."""
    pretrained.save(tmp_path / "happy.keras")
    loaded = keras.models.load_model(tmp_path / "happy.keras")
    clone = keras.models.clone_model(pretrained)
    clone.set_weights(pretrained.get_weights())
    x = hh.preprocess(smiles.make_happy(6, seed=1).x)
    for model in (loaded, clone):
        np.testing.assert_array_equal(model(x), pretrained(x))


def test_without_the_training_photos_the_last_fifty_are_held_out(folder):
    """The others are the training set, and synthetic faces are appended to them."""
    x, y, x_test, y_test = hh.load_data(extra=4)
    photos = smiles.load_happy()
    assert len(x) == len(y) == 14 and len(x_test) == 50
    np.testing.assert_array_equal(x_test, hh.preprocess(photos.x_test[10:]))
    np.testing.assert_array_equal(x[:10], hh.preprocess(photos.x_test[:10]))
    assert x.dtype == np.float32 and 0 <= x.min() and x.max() <= 1


def test_the_training_photos_are_used_if_available(folder):
    """Then all test photos are for testing."""
    write(folder, "train", 20)
    data = hh.load_data()
    assert len(data.x) == 20 and len(data.x_test) == 60


def test_training_lowers_the_loss_and_updates_the_moving_statistics():
    """On twelve synthetic faces."""
    x, y = smiles.make_happy(12)
    keras.utils.set_random_seed(1)
    model = hh.build_model()
    before = model.get_layer("bn0").moving_variance.numpy()
    data = smiles.SyntheticHappy(hh.preprocess(x), y)
    losses = hh.train(model, data, epochs=6, batch_size=12)
    assert losses[-1] < losses[0]
    assert (model.get_layer("bn0").moving_variance.numpy() != before).all()


@pytest.mark.parametrize("mode", ["L", "RGBA", "RGB"])
def test_photos_of_any_size_and_mode_are_classified(pretrained, mode):
    """The answer is one of two classes, whose probabilities sum to one."""
    face = Image.fromarray(smiles.make_happy(2).x[1]).convert(mode).resize((300, 90))
    answer = hh.infer(pretrained, face)
    assert answer in smiles.CLASSES
    probabilities = answer.details["probabilities"]
    assert sum(probabilities.values()) == pytest.approx(1)
    assert answer.confidence == max(probabilities.values()) == probabilities[answer]


def test_infer_preprocesses_like_training(pretrained):
    """Its probability is the output of the network for preprocessed photos."""
    x, _ = smiles.make_happy(4, seed=2)
    p = pretrained.predict(hh.preprocess(x), verbose=0)[:, 0]
    for photo, expected in zip(x, p, strict=True):
        answer = hh.infer(pretrained, photo)
        assert answer.details["probabilities"]["happy"] == pytest.approx(
            expected, abs=1e-4
        )


def test_invalid_images_raise_an_error(pretrained, tmp_path):
    """A text file named .jpg, a missing file, NaN."""
    text = tmp_path / "face.jpg"
    text.write_text("not a picture")
    for wrong in (text, tmp_path / "none.png", np.full((64, 64, 3), np.nan)):
        with pytest.raises(InputError):
            hh.infer(pretrained, wrong)


def test_the_picture_shows_the_answer(pretrained):
    """The photo, and a bar for each class."""
    face = smiles.make_happy(1).x[0]
    answer = hh.infer(pretrained, face)
    photo, bars = hh.picture(face, answer).axes
    assert answer in photo.get_title()
    assert len(bars.patches) == 2


@pytest.mark.data
def test_the_accuracy_on_held_out_photos_is_that_of_the_record(pretrained):
    """90 % of the last fifty; the goal of 96 % is not reached."""
    photos, _ = hh.evaluate(pretrained)
    assert photos.at_least == 0.96
    assert photos.ours >= 0.88  # one photo of fifty may differ by rounding


@pytest.mark.data
@pytest.mark.large
def test_cross_validation_reaches_ninety_percent():
    """Five trainings: the record says 93.3 %."""
    assert hh.cross_validate() >= 0.9


@pytest.mark.parametrize("scale", [1, 255])
def test_pixels_in_a_pair_are_preprocessed_as_those_of_load_data(scale, monkeypatch):
    """Integers in [0, 255] or floats in [0, 1]: `infer` takes square roots."""
    received = []
    monkeypatch.setattr(
        hh.training,
        "fit",
        lambda _, data, *a, **k: received.append(data) or [],
    )
    x = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype="uint8")
    given = x if scale == 1 else x / 255
    hh.train(hh.build_model(), (given, [0, 1]))
    np.testing.assert_array_equal(received[0][0], hh.preprocess(x))
