"""`dls-keras convert keras-h5`, then `infer`, with files as the course's learners have.

The files are written by tf_keras, which is Keras 2; what it predicts is expected.
"""

import json

import click.testing
import numpy as np
import pytest
from PIL import Image

from dls_keras import catalog, models
from dls_keras.cli import convert, main
from dls_keras.converters import keras_h5
from dls_keras.core import files, origin, weights
from dls_keras.core.errors import InputError
from dls_keras.course4 import happy_house
from dls_keras.course5 import emojify, trigger_word

pytestmark = pytest.mark.filterwarnings("ignore")  # tf_keras warns of old formats


@pytest.fixture(scope="module")
def tk():
    """Keras 2."""
    return pytest.importorskip("tf_keras", reason="pip install --no-deps tf_keras")


def run(*args):
    """The result of a command, which succeeds."""
    result = click.testing.CliRunner().invoke(main.main, [*map(str, args)])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def fails(*args):
    """The message of a command that fails."""
    result = click.testing.CliRunner().invoke(main.main, [*map(str, args)])
    assert result.exit_code == 2, result.output
    return result.stderr


def converted(path, name, folder, *options):
    """The file that the command writes."""
    out = folder / "out.h5"
    run("convert", "keras-h5", path, "--model", name, "--out", out, *options)
    return out


def randomised(model, seed=0):
    """The model with random weights, moderate activations and no zero variances."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        scale = 0.5 / np.sqrt(max(1, np.prod(variable.shape[:-1])))
        array = rng.normal(0, scale, variable.shape)
        if "variance" in variable.name or "gamma" in variable.name:
            array = 0.5 + abs(array)
        if "embeddings" not in variable.name:
            variable.assign(array.astype("float32"))
    return model


# Happy House: the course's preprocessing.


def happy_model(tk, **norm):
    """The course's network; p rises with the mean of its input over the image."""
    of = tk.layers
    model = tk.Sequential(
        [
            of.ZeroPadding2D(3, input_shape=(64, 64, 3)),
            of.Conv2D(32, 7),
            of.BatchNormalization(axis=3, **norm),
            of.ReLU(),
            of.MaxPool2D(),
            of.Flatten(),
            of.Dense(1, activation="sigmoid"),
        ]
    )
    filters, bias, gamma, beta, mean, variance, kernel, _ = model.get_weights()
    filters[:] = 0
    filters[3, 3, :, 0] = 1 / 3
    kernel[::32] = 20 / 1024
    ends = [kernel, np.array([-10.0])]
    model.set_weights([filters, bias, gamma, beta, mean, 0.999 * variance, *ends])
    return model


@pytest.mark.parametrize("value", [60, 90, 120, 200])
def test_a_converted_happy_house_network_sees_the_courses_pixels(tk, tmp_path, value):
    """x / 255, not our square roots, in Python and from the shell, once and again."""
    mine = happy_model(tk, epsilon=1e-2)
    mine.save(tmp_path / "mine.h5")
    photo = np.full((64, 64, 3), value, "uint8")
    p = float(mine.predict(photo[None] / 255.0, verbose=0)[0, 0])
    out = converted(tmp_path / "mine.h5", "happy_house", tmp_path)
    again = tmp_path / "again.h5"
    models.save(happy_house, models.load("happy_house", str(out)), again)
    filled = keras_h5.fill(
        happy_house.build_model(), keras_h5.read(tmp_path / "mine.h5")
    )
    loaded = [models.load("happy_house", str(path)) for path in (out, again)]
    for network in (filled, *loaded):
        answer = happy_house.infer(network, photo)
        assert answer.details["probabilities"]["happy"] == pytest.approx(p, abs=1e-5)


def test_our_own_networks_still_see_square_roots(tmp_path):
    """Trained, saved and loaded ones, and copies of them."""
    photo = np.full((64, 64, 3), 60, "uint8")
    network = happy_house.load_pretrained()
    expected = happy_house.infer(network, photo)
    models.save(happy_house, network, tmp_path / "ours.h5")
    assert weights.load_settings(tmp_path / "ours.h5") == {}
    loaded = models.load("happy_house", str(tmp_path / "ours.h5"))
    assert happy_house.infer(loaded, photo) == expected
    plain = happy_house.HappyModel((64, 64, 3))
    plain.set_weights(network.get_weights())
    assert happy_house.infer(plain, photo) != expected


def test_a_damaged_mark_is_refused(tmp_path):
    """The file says the epsilon of each normalisation."""
    network = happy_house.build_model()
    for wrong in (True, [], [1e-3, 1e-3], [2.0], ["x"], [float("nan")], {"a": 1}):
        path = tmp_path / "m.h5"
        arrays = weights.arrays(network)
        weights.save_arrays(arrays, path, settings={origin.KEY: wrong})
        with pytest.raises(InputError, match="damaged"):
            models.load("happy_house", str(path))
        path.unlink()


# Trigger word: the course's network, of 2017 or 2021.


def course_trigger_model(tk, **gru):
    """The course's network for clips of any length."""
    of = tk.layers
    parts = [
        of.Conv1D(196, 15, strides=4, input_shape=(None, 101)),
        of.BatchNormalization(),
        of.Activation("relu"),
        of.Dropout(0.8),
        of.GRU(128, return_sequences=True, **gru),
        of.Dropout(0.8),
        of.BatchNormalization(),
        of.GRU(128, return_sequences=True, **gru),
        of.Dropout(0.8),
        of.BatchNormalization(),
        of.Dropout(0.8),
        of.TimeDistributed(of.Dense(1, activation="sigmoid")),
    ]
    return randomised(tk.Sequential(parts))


@pytest.mark.parametrize(
    "gru",
    [{"reset_after": False, "recurrent_activation": "hard_sigmoid"}, {}],
    ids=["2017", "2021"],
)
def test_the_courses_trigger_word_network_is_converted(tk, tmp_path, gru):
    """With the gates and the kind of GRU of the file, and without our logarithm."""
    mine = course_trigger_model(tk, **gru)
    mine.save(tmp_path / "tr_model.h5")
    out = converted(tmp_path / "tr_model.h5", "trigger_word", tmp_path)
    network = models.load("trigger_word", str(out))
    x = np.random.default_rng(0).uniform(0, 1, (2, 63, 101)).astype("float32")
    np.testing.assert_allclose(network(x), mine(x), rtol=0, atol=1e-5)
    sound = (3000 * np.sin(np.arange(44_100) / 9)).astype("int16")
    assert trigger_word.infer(network, sound).details["probabilities"].size > 130


def test_default_gates_are_those_of_the_files_version(tk, tmp_path):
    """A file of weights only; the version in which there were two is refused."""
    import h5py

    path = tmp_path / "w.h5"
    mine = course_trigger_model(tk)
    mine.save_weights(path)
    command = ["convert", "keras-h5", path, "--model", "trigger_word", "--out"]
    for version, gates in [
        ("2.4.0", "sigmoid"),
        ("2.3.1", "sigmoid"),
        ("2.2.4", "keras2_hard_sigmoid"),
        ("2.1.6-tf", "keras2_hard_sigmoid"),
        ("1.2.2", "keras2_hard_sigmoid"),
        ("?", "keras2_hard_sigmoid"),
    ]:
        with h5py.File(path, "a") as file:
            file.attrs["keras_version"] = version
        contents = keras_h5.read(path)
        assert keras_h5.default_gates(contents) == gates, version
        assert keras_h5.reset_after(contents) is True
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = "2.2.4-tf"
    assert "--architecture" in fails(*command, tmp_path / "a.h5")
    model_json = tmp_path / "w.json"
    model_json.write_text(mine.to_json())
    run(*command, tmp_path / "a.h5", "--architecture", model_json)


# Emojify: a vocabulary of its own.

WORDS = ("I", "love", "you", "food", "sad", "am", "so", "ball")


@pytest.fixture
def glove(tmp_path):
    """A file of eight word vectors, in the order of no alphabet."""
    rng = np.random.default_rng(3)
    lines = [f"{w.lower()} {' '.join(map(str, rng.normal(size=50)))}" for w in WORDS]
    path = tmp_path / "glove.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def emojify_file(tk, folder, glove):
    """The course's Emojify_V2 over the words of a file."""
    words_to_index, _, vectors = emojify.read_glove_vecs(glove)
    table = np.zeros((len(vectors) + 1, 50))
    for word, index in words_to_index.items():
        table[index] = vectors[word]
    of = tk.layers
    embedding = of.Embedding(*table.shape, trainable=False)
    gates = {"recurrent_activation": "hard_sigmoid"}
    x = tk.Input((10,), dtype="int32")
    y = of.Dropout(0.5)(of.LSTM(128, return_sequences=True, **gates)(embedding(x)))
    y = of.Activation("softmax")(of.Dense(5)(of.Dropout(0.5)(of.LSTM(128, **gates)(y))))
    model = randomised(tk.Model(x, y))
    embedding.set_weights([table])
    model.save(folder / "emojify.h5")
    return model, folder / "emojify.h5"


def test_emojify_keeps_the_vocabulary_of_the_file(tk, tmp_path, glove):
    """Words, vectors and gates; the words come from the user's own GloVe file."""
    mine, path = emojify_file(tk, tmp_path, glove)
    out = converted(path, "emojify", tmp_path, "--glove", glove)
    network = models.load("emojify", str(out))
    assert [*network.word_to_index] == sorted(map(str.lower, WORDS))
    x = emojify.sentences_to_indices(["i love you"], network.word_to_index, 10)
    np.testing.assert_allclose(network.model(x), mine(x), rtol=0, atol=1e-5)
    answer = json.loads(
        run("infer", "emojify", "I love food!", "--weights", out, "--json")
    )
    probabilities = mine(
        emojify.sentences_to_indices(["i love food"], network.word_to_index, 10)
    )
    assert answer["confidence"] == pytest.approx(float(np.max(probabilities)), abs=1e-5)


def test_an_embedding_of_unknown_words_is_refused(tk, tmp_path, glove):
    """Without the words, with too few, and with others."""
    _, path = emojify_file(tk, tmp_path, glove)
    command = ["convert", "keras-h5", path, "--model", "emojify"]
    command += ["--out", tmp_path / "out.h5"]
    assert "vectors of 8 words, but not the words" in fails(*command)
    lines = glove.read_text().splitlines()
    fewer, others = tmp_path / "fewer.txt", tmp_path / "others.txt"
    fewer.write_text("\n".join(lines[1:]))
    others.write_text("\n".join(f"x{line}" for line in reversed(lines)))
    assert "fewer.txt has 7" in fails(*command, "--glove", fewer)
    others.write_text("\n".join(f"{line[:-1]}7" for line in lines).replace("0.", "1."))
    assert "are not those of" in fails(*command, "--glove", others)
    message = fails(*command[:4], "shakespeare", *command[5:], "--glove", glove)
    assert "takes no --glove" in message


# All assignments.


def test_the_settings_of_the_courses_networks_are_accepted():
    """By `build_model`; those networks are not the ones that we train."""
    for name, settings in convert.COURSE.items():
        if name == "car_detection":  # 51 million parameters
            continue
        module = catalog.load(name)
        course, ours = module.build_model(**settings), module.build_model()
        assert course.count_params() != ours.count_params()


def test_assignments_in_numpy_name_those_with_files_of_keras(tk, tmp_path):
    """`dinosaurs` has no Keras file; the course's Shakespeare file is another one."""
    happy_model(tk).save(tmp_path / "mine.h5")
    message = fails(
        *("convert", "keras-h5", tmp_path / "mine.h5", "--model", "dinosaurs"),
        *("--out", tmp_path / "out.h5"),
    )
    assert "computed in NumPy" in message and "shakespeare" in message
    for name in convert.WITH_FILES.replace(" and ", ", ").split(", "):
        assert "build_model" in catalog.BY_NAME[name].offers


@pytest.mark.data
def test_the_courses_own_files_are_converted(tmp_path):
    """Trigger word and Shakespeare answer as `load_pretrained` does."""
    sound = files.in_data_folder("trigger_word/audio_examples/my_audio.wav")
    for name, file, published, question in [
        ("trigger_word", "trigger_word/models/model.h5", "course", sound),
        (
            *("shakespeare", "dinosaurus/model_shakespeare_kiank_350_epoch.h5"),
            *("default", "Forsooth"),
        ),
    ]:
        out = tmp_path / f"{name}.h5"
        source = files.in_data_folder(file)
        run("convert", "keras-h5", source, "--model", name, "--out", out)
        answers = [
            run("infer", name, question, "--weights", which)
            for which in (out, published)
        ]
        assert answers[0] == answers[1]


def test_a_photo_is_classified_from_the_shell(tk, tmp_path):
    """`convert`, then `infer`, as the documentation says."""
    happy_model(tk).save(tmp_path / "mine.h5")
    out = converted(tmp_path / "mine.h5", "happy_house", tmp_path)
    Image.new("RGB", (64, 64), (90, 90, 90)).save(tmp_path / "p.png")
    printed = run("infer", "happy_house", tmp_path / "p.png", "--weights", out)
    assert printed.startswith("not happy\t95.0 %")
