"""Transfer learning, beyond the reference cases.

MobileNetV2 is built at 32 x 32, the smallest that Keras allows, with random weights.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dls_keras.core import weights
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.course4 import transfer_learning as tl
from dls_keras.datasets import alpaca

NORM = keras.layers.BatchNormalization


def small_model(augmentation=None):
    """The course's model; the features of its random base have deviation 1."""
    keras.utils.set_random_seed(0)
    model = tl.alpaca_model((32, 32), augmentation, weights=None)
    norms = [la for la in tl.base_of(model).layers if isinstance(la, NORM)]
    for norm in norms:
        norm.momentum, norm.trainable = 0.0, True  # its statistics become the batch's
    x = np.random.default_rng(0).uniform(-1, 1, (16, 32, 32, 3)).astype("float32")
    tl.base_of(model)(x, training=True)
    for norm in norms:
        norm.momentum, norm.trainable = 0.99, False
    return model


@pytest.fixture(scope="module")
def model():
    """Such a model; tests do not change it."""
    return small_model()


@pytest.fixture(scope="module")
def pretrained():
    return tl.load_pretrained()


@pytest.fixture(scope="module")
def tiny():
    """Eight synthetic images of 32 x 32, of both classes."""
    x, y = alpaca.make_alpacas(8, size=32)
    return alpaca.Alpacas(x, y, x[:2], y[:2])


def values(layers):
    """Copies of the weights of layers, by path."""
    return {w.path: w.numpy() for layer in layers for w in layer.weights}


def moved(before, layers):
    """The names of the weights that differ from `before`."""
    now = values(layers)
    return {p.split("/")[-1] for p in now if not np.array_equal(now[p], before[p])}


def test_the_base_is_frozen_and_the_head_is_trainable(model):
    """Two variables are: the last kernel and its bias."""
    kernel, bias = model.trainable_variables
    assert kernel is model.layers[-1].kernel and bias is model.layers[-1].bias
    assert kernel.shape == (1280, 1)


def test_the_augmentation_is_the_first_layer():
    """One that makes every image black gives the logit of a black image."""
    model = small_model(keras.layers.Rescaling(0.0))
    x = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype("float32")
    logits = np.asarray(model(x, training=False))
    np.testing.assert_allclose(logits, logits[:1].repeat(3, 0), rtol=1e-5)
    (black,) = np.asarray(model(0 * x[:1], training=False))
    np.testing.assert_allclose(logits[0], black, rtol=1e-5)


def test_features_are_the_pooled_output_of_the_base(model, tiny):
    """Preprocessing, base and mean, one by one; an augmented view differs."""
    got = tl.features(model, tiny.x, views=2, batch_size=4)
    by_hand = tl.base_of(model)(tiny.x / np.float32(127.5) - 1, training=False)
    assert got.shape == (16, 1280)
    np.testing.assert_allclose(
        got[:8], np.mean(by_hand, axis=(1, 2)), rtol=1e-3, atol=1e-5
    )
    assert not np.allclose(got[8:], got[:8], rtol=1e-3)


def test_the_head_gives_the_logits_of_the_model(model, tiny):
    """From features; it has the same layers, not copies."""
    logits = tl.head_of(model)(tl.features(model, tiny.x), training=False)
    whole = model(tf.cast(tiny.x, tf.float32), training=False)
    np.testing.assert_allclose(logits, whole, rtol=1e-3, atol=1e-5)
    assert tl.head_of(model).trainable_variables[0] is model.layers[-1].kernel


def test_a_head_separates_two_clusters_of_features():
    """Their centres are six standard deviations apart."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = (rng.normal(size=(200, 5)) + 6 * y[:, None] / 5**0.5).astype("float32")
    head = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
    losses = tl.fit_head(head, x, y, epochs=20, learning_rate=0.1)
    assert len(losses) == 20 and losses[-1] < losses[0]
    assert np.mean((head(x)[:, 0] > 0) == y) > 0.98


def test_fine_tuning_changes_the_upper_kernels_and_no_batch_normalisation(tiny):
    """Kernels from layer `fine_tune_at` on; all batch normalisation is frozen."""
    model = small_model()
    layers = tl.base_of(model).layers
    before = values(layers)
    losses = tl.transfer(model, tiny, epochs=1, batch_size=4, views=1, fine_tune_at=147)
    assert len(losses) == 1 and np.isfinite(losses).all()
    assert moved(before, layers[:147]) == set()
    assert moved(before, layers[147:]) == {"kernel"}
    normalising = [la for la in layers if isinstance(la, NORM)]
    assert len(normalising) == 52 and moved(before, normalising) == set()
    assert not np.allclose(model.layers[-1].kernel, 0)


def test_from_layer_120_on_twelve_kernels_are_trainable(model):
    """Those of block 13 (without its expansion) to block 16, and the last one."""
    tl.unfreeze(model)
    names = [w.path.split("/")[-2] for w in tl.base_of(model).trainable_variables]
    tl.base_of(model).trainable = False
    assert len(names) == 12 and names[0] == "block_13_depthwise"
    assert names[-1] == "Conv_1"


def test_the_compact_network_has_a_head_but_no_base():
    """947,209 parameters, in bfloat16 too; there is nothing to fine-tune."""
    model, mixed = tl.build_model(), tl.build_model("mixed_bfloat16")
    assert model.count_params() == 947_209
    assert [w.shape for w in model.weights] == [w.shape for w in mixed.weights]
    assert {w.dtype for w in mixed.weights} == {"float32"}
    assert tl.base_of(model) is None
    assert tl.head_of(model).input_shape == (None, 192)
    with pytest.raises(InputError, match="no pretrained base"):
        tl.unfreeze(model)


def test_distillation_trains_the_model_and_not_its_teacher():
    """One step; the teacher is another compact network."""
    x, y = alpaca.make_alpacas(4)
    data = alpaca.Alpacas(x, y, x, y)
    model, teacher = tl.build_model(), tl.build_model()
    before, taught = values(model.layers), values(teacher.layers)
    (loss,) = tl.train(model, data, epochs=1, batch_size=4, teacher=teacher)
    # An untrained network has ln 2 and, for features of deviation 1, about 1 more.
    assert 0.5 < loss < 20
    assert moved(before, model.layers) >= {"kernel", "gamma", "moving_mean"}
    assert moved(taught, teacher.layers) == set()


@pytest.mark.parametrize("size", [(160, 160), (31, 900), (2000, 1500)])
def test_photos_of_any_size_are_classified(pretrained, size):
    """The answer is the likelier class; the probabilities sum to one."""
    image = Image.fromarray(alpaca.make_alpacas(1, seed=3)[0][0])
    answer = tl.infer(pretrained, image.resize(size))
    probabilities = answer.details["probabilities"]
    assert tuple(probabilities) == alpaca.CLASSES
    assert answer.confidence == max(probabilities.values()) >= 0.5
    assert probabilities[answer] == answer.confidence
    assert sum(probabilities.values()) == pytest.approx(1)


def test_infer_and_accuracy_agree(pretrained):
    """On held-out synthetic images; at least 2/3 (the record has 87 of 100)."""
    x, y = alpaca.make_alpacas(24, seed=20_000)
    share = tl.accuracy(pretrained, x, y)
    answers = [alpaca.CLASSES.index(tl.infer(pretrained, photo)) for photo in x]
    assert share == np.mean(np.equal(answers, y)) >= 2 / 3


def test_input_that_is_not_a_picture_is_an_error(pretrained, tmp_path):
    """A text file named .jpg, a missing file, NaN."""
    text = tmp_path / "alpaca.jpg"
    text.write_text("not a picture")
    for wrong in (text, tmp_path / "none.png", np.full((64, 64, 3), np.nan)):
        with pytest.raises(InputError):
            tl.infer(pretrained, wrong)


def test_any_mode_of_picture_is_accepted(pretrained):
    """Grey and transparent pictures become RGB first; one pixel is a picture, too."""
    image = Image.fromarray(alpaca.make_alpacas(1)[0][0])
    for picture in (
        image.convert("L"),
        image.convert("RGBA"),
        Image.new("RGB", (1, 1)),
    ):
        assert tl.infer(pretrained, picture) in alpaca.CLASSES


@pytest.mark.parametrize("variant", ["imagenet_int8", "imagenet"])
def test_a_missing_base_is_an_error(tmp_path, monkeypatch, variant):
    """The message says where to put it; a file without hash is not downloaded."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path))
    with pytest.raises(MissingFileError, match="mobilenet_v2.*DLS_KERAS_DATA"):
        tl.load_pretrained(variant)


def test_a_file_that_is_not_from_keras_is_an_error(tmp_path, monkeypatch):
    """Such as a web page in its place."""
    path = tmp_path / weights.published("transfer_learning")["imagenet"][0].name
    path.parent.mkdir()
    path.write_text("<html>not found")
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    with pytest.raises(InputError, match="(?s)without top.*a web page"):
        tl.load_pretrained("imagenet")


def test_an_unknown_variant_is_an_error():
    """The message names those that exist."""
    with pytest.raises(InputError, match="default, imagenet_int8, imagenet"):
        tl.load_pretrained("resnet")


def test_the_shipped_head_is_the_recorded_one():
    """Hash, size, number of parameters; `weights.load` compares the golden answer."""
    record = weights.record("transfer_learning", "head")
    facts = weights.facts(weights.verify(record))
    del facts["golden"]
    assert facts == {field: getattr(record, field) for field in facts}
    weights.load(tl.head_of(small_model()), "transfer_learning", "head")


@pytest.mark.data
def test_the_shipped_head_on_the_published_base_reaches_the_goal():
    """95 % of the 65 validation photos, without training."""
    base = tl.load_pretrained("imagenet_int8")
    photos = alpaca.load_alpacas()
    assert tl.accuracy(base, photos.x_val, photos.y_val) >= 0.95
    assert tl.infer(base, tl.example()[1]) == "alpaca"


@pytest.mark.data
@pytest.mark.large
def test_evaluate_reaches_its_goals():
    """With the shipped head; after new fine-tuning at least 59 of 65 are right."""
    rows = tl.evaluate()
    assert len(rows) == 5
    for row in rows:
        assert row.at_least is None or row.ours >= row.at_least, row.what
    assert rows[-1].ours >= 59 / 65
    for row, variant in zip(rows[:3], ("default", "default", "head"), strict=True):
        recorded = dict(weights.record("transfer_learning", variant).metrics)
        share = float(recorded[row.what.split(": ")[-1]].removesuffix(" %"))
        assert 100 * row.ours == pytest.approx(share, abs=0.1)
