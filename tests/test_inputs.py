"""`infer` of every assignment takes one input or a list of them, in many forms."""

import io
import wave

import numpy as np
import pytest
from PIL import Image

from dls_keras import catalog
from dls_keras.core import audio, images, inputs, weights
from dls_keras.core.answers import Answer
from dls_keras.core.errors import InputError


def photo(seed, height=48, width=64):
    """An image (height, width, 3) uint8: bright, with a dark stroke."""
    image = np.random.default_rng(seed).integers(150, 256, (height, width, 3), "uint8")
    image[8:40, 20 + seed : 28 + seed] = 0
    return image


def noise(seed, seconds):
    """A quiet recording, int16 at 44.1 kHz."""
    samples = np.random.default_rng(seed).normal(0, 900, int(44_100 * seconds))
    return samples.astype("int16")


PHOTOS = [photo(0), photo(3), photo(1, 64, 48)]  # of two shapes
DATES = ["5 April 09", "3 May 1979", "12/31/1999"]
OF = {  # inputs of each assignment, and settings that make `infer` quick
    "linear_regression": ([120, "80", 62.5], {}),
    "planar_classification": ([(3, -1.5), "0.5, 1", [1, 2]], {}),
    "initialization": ([(0.3, -0.7), "0.5, 1", [0, 1]], {}),
    "regularization": ([(0.3, -0.2), "0.5, 0.1", [0, 0.5]], {}),
    "optimization": ([(0.3, -0.7), "0.5, 1", [0, 1]], {}),
    "fizzbuzz": ([15, "7", 9], {}),
    "image_segmentation": (PHOTOS[:2], {}),
    "style_transfer": ([photo(0, 48, 48), photo(3, 48, 48)], {"size": 48, "steps": 1}),
    "date_translation": (DATES, {}),
    "transformer": (DATES, {}),
    "dinosaurs": (["tri", "", "bra"], {"count": 2}),
    "shakespeare": (["shall i compare thee", "my love"], {"lines": 1}),
    "language_model": (["the", "it"], {"count": 1}),
    "jazz": (["Dm7 G7 | Cmaj7", 3], {}),
    "word_vectors": (["man woman king", "small smaller old"], {}),
    "emojify": (["I love you", "let us play ball", "not funny"], {}),
    "trigger_word": ([noise(0, 1.0), noise(1, 0.5), noise(2, 1.0)], {}),
    "named_entities": (["Ann Smith\nEngineer at Google", "Skills: Java, C"], {}),
    "question_answering": (
        [
            "The kitchen is north of the hallway. What is the hallway south of?",
            (["The office is east of the garden."], "What is the office east of?"),
        ],
        {},
    ),
}
ROWS = [row for row in catalog.ASSIGNMENTS if "infer" in row.offers]
PICTURES = [
    row.name
    for row in ROWS
    if getattr(catalog.load(row.name).infer, "axes", 0) == inputs.PICTURE
]
# The first searches an image at many sizes, the second paints one image at a time.
CALLED_OFTEN = {"sliding_windows", "style_transfer"}
SLOW = {"image_segmentation", "style_transfer"}


@pytest.fixture(scope="module")
def models():
    """A model of each assignment, loaded once: pretrained where weights ship."""
    loaded = {}

    def load(name):
        if name not in loaded:
            module = catalog.load(name)
            ships = "default" in weights.shipped(name)
            loaded[name] = module.load_pretrained() if ships else module.build_model()
        return loaded[name]

    return load


@pytest.mark.parametrize("name", [row.name for row in ROWS])
def test_infer_of_a_list_is_a_list_of_answers(models, name):
    """They are those of the inputs alone: same text, confidence within 1e-4."""
    infer, model = catalog.load(name).infer, models(name)
    several, settings = OF.get(name, (PHOTOS, {}))
    found = infer(model, several, **settings)
    alone = [infer(model, one, **settings) for one in several]
    assert [str(answer) for answer in found] == [str(answer) for answer in alone]
    assert all(isinstance(answer, Answer) for answer in [*found, *alone])
    for one, other in zip(found, alone, strict=True):
        assert (one.confidence is None) == (other.confidence is None)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
        assert one.details.keys() == other.details.keys()
    assert infer(model, []) == []


@pytest.mark.parametrize("name", sorted({*PICTURES} - CALLED_OFTEN))
def test_a_list_of_photos_is_one_batch(models, name, monkeypatch):
    """The network is called as often for two photos as for one."""
    import keras

    model, counts = models(name), []
    call = keras.layers.Layer.__call__

    def counted(layer, *args, **settings):
        counts[-1] += 1
        return call(layer, *args, **settings)

    monkeypatch.setattr(keras.layers.Layer, "__call__", counted)
    for several in ([photo(0)], [photo(0), photo(1)]):
        counts.append(0)
        catalog.load(name).infer(model, several)
    assert counts[0] == counts[1]


def test_a_long_list_is_divided_into_batches():
    """Memory is bounded: no batch is larger than the size."""
    sizes = []

    @inputs.batched(size=4)
    def infer(model, texts, *, mark=""):
        sizes.append(len(texts))
        return [Answer(text + mark) for text in texts]

    assert infer(None, [*"abcdefghi"], mark="!") == [c + "!" for c in "abcdefghi"]
    assert sizes == [4, 4, 1]
    assert infer(None, texts="a") == "a"  # by name, too
    with pytest.raises(TypeError, match="unexpected keyword"):
        infer(None, "a", other=1)


@pytest.mark.parametrize(
    ("given", "axes", "several"),
    [
        ([1, 2], inputs.POINT, False),
        ([[1, 2]], inputs.POINT, True),
        ([np.float32(1), 2.0], inputs.POINT, False),
        ([np.ones(2)], inputs.POINT, True),
        (["1, 2"], inputs.POINT, True),
        ((1, 2), inputs.POINT, False),
        ([1, 2], inputs.NUMBER, True),
        ([0, 1, -1], inputs.SOUND, False),
        ([[0, 1], [1, 2]], inputs.SOUND, False),
        ([[0, 255], [255, 0]], inputs.PICTURE, False),
        ([[[[0, 0, 0]]]], inputs.PICTURE, True),
        (np.ones((2, 4, 4, 3)), inputs.PICTURE, False),
        ([], inputs.PICTURE, True),
        ("ab", inputs.TEXT, False),
        ((["a fact."], "a question?"), inputs.TEXT, False),
    ],
)
def test_only_a_list_is_several_inputs(given, axes, several):
    """A list of numbers is one input where an array of this shape is one."""
    assert inputs.is_several(given, axes) is several


def test_a_batch_in_one_array_is_refused(models):
    """The message says what to do; a batch of one is not mistaken for an image."""
    infer = catalog.load("convolution_application").infer
    with pytest.raises(InputError, match="one by one"):
        infer(models("convolution_application"), photo(0)[np.newaxis])


def forms_of_a_photo(folder):
    """The same photo in every form that `infer` takes."""
    import tensorflow as tf

    array = photo(0)
    image = Image.fromarray(array)
    path = folder / "photo.png"
    image.save(path)
    content = path.read_bytes()
    return [
        *(str(path), path, content, bytearray(content), memoryview(content)),
        *(io.BytesIO(content), image, array, array / 255, tf.constant(array)),
        f"~/{path.name}",
    ]


def test_a_photo_may_have_many_forms(models, tmp_path, monkeypatch):
    """Paths, also below the home folder, bytes, file objects, arrays and tensors."""
    monkeypatch.setenv("HOME", str(tmp_path))
    forms = forms_of_a_photo(tmp_path)
    for form in forms:
        np.testing.assert_array_equal(images.read(form), photo(0))
    found = catalog.load("happy_house").infer(models("happy_house"), forms)
    assert {str(answer) for answer in found} == {str(found[0])}
    assert len({round(answer.confidence, 5) for answer in found}) == 1


@pytest.mark.parametrize("name", sorted({*PICTURES} - SLOW))
def test_every_assignment_reads_bytes_and_the_home_folder(
    models, name, tmp_path, monkeypatch
):
    """As `images.read` does, which all of them call."""
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = OF.get(name, (None, {}))[1]
    *_, path = forms_of_a_photo(tmp_path)
    content = (tmp_path / "photo.png").read_bytes()
    first, second = catalog.load(name).infer(models(name), [path, content], **settings)
    assert str(first) == str(second)


def test_a_sound_may_have_many_forms(models, tmp_path, monkeypatch):
    """Paths, also below the home folder, bytes, file objects, clips and arrays."""
    import tensorflow as tf

    monkeypatch.setenv("HOME", str(tmp_path))
    samples, path = noise(0, 0.5), tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 44_100, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    content, clip = path.read_bytes(), audio.Clip(samples)
    forms = [str(path), path, content, io.BytesIO(content), clip, samples]
    forms += [samples.tolist(), tf.constant(samples), "~/sound.wav", path.open("rb")]
    for form in forms:
        np.testing.assert_array_equal(audio.mono(form), samples)
    forms[-1].close()
    answers = catalog.load("trigger_word").infer(models("trigger_word"), forms[:3])
    assert len({(str(a), a.confidence) for a in answers}) == 1


def test_a_compressed_sound_is_read_from_bytes_and_files():
    """With `soundfile`, which also writes the file."""
    soundfile = pytest.importorskip("soundfile")
    content = io.BytesIO()
    soundfile.write(content, noise(0, 0.5), 44_100, format="FLAC")
    for form in (content.getvalue(), content):
        np.testing.assert_array_equal(audio.mono(form), noise(0, 0.5))


@pytest.mark.parametrize(
    ("sound", "words"),
    [
        (b"", "not a"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "not a sound file"),
        (io.BytesIO(b"hello"), "not a"),
        (io.StringIO("hello"), "not a sound file"),
    ],
)
def test_bytes_that_are_no_sound_are_refused(sound, words):
    """In one message, as for a file."""
    with pytest.raises(InputError, match=words):
        audio.mono(sound)
