"""The readers of the package: for each a valid file, and what is read from it.

`make(folder)` writes the file and returns its path; `$DLS_KERAS_DATA` is the folder.
`read(path)` returns the answer as arrays, texts, numbers, tuples, lists and dicts;
readers that fill a model return nothing and name the `variables` that they fill.
`check(answer)` states what every answer has, such as the range of its labels.
"""

import contextlib
import csv
import io
import json
import os
import re
import struct
import wave
import zipfile
from collections.abc import Callable
from typing import NamedTuple

import h5py
import numpy as np
from PIL import Image


class Reader(NamedTuple):
    """A reader of the package.

    Attributes:
        make, read, check: see above.
        kinds: which mutations suit its files, see `mutations.FOR`.
        keras: whether it imports Keras, which takes seconds.
        variables: a function that returns the variables that `read` fills.
        complete: whether it must notice that a file is cut.
        helper: whether it may start another Python process.
    """

    name: str
    make: Callable
    read: Callable
    kinds: tuple[str, ...]
    check: Callable = lambda answer: True
    keras: bool = False
    variables: Callable | None = None
    complete: bool = False
    helper: bool = False


READERS: dict[str, Reader] = {}


def reader(make, *kinds, name=None, **more):
    """Register a function as the reader of the file that `make` writes."""

    def register(read):
        label = name or read.__name__
        # Such files are first read by another process.
        more.setdefault("helper", "hdf5" in kinds or "mat" in kinds)
        READERS[label] = Reader(label, make, read, kinds, **more)
        return read

    return register


def random(*shape, seed=0):
    """Numbers of the size of weights."""
    return np.random.default_rng([seed, *shape]).normal(0, 0.1, shape).astype("float32")


def pixels(*shape):
    """A smooth image with some noise, uint8."""
    rng = np.random.default_rng([*shape])
    ramp = np.linspace(0, 200, int(np.prod(shape))).reshape(shape)
    return (ramp + rng.integers(0, 50, shape)).astype("uint8")


def written(name, content):
    """A function that writes a text or bytes to a file of a folder."""

    def make(folder):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content() if callable(content) else content
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return make


# Images.


def encoded(image, kind, **settings):
    """The bytes of an image file."""
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def _photo(mode="RGB"):
    return Image.fromarray(pixels(24, 32, 3)).convert(mode)


def _turned():
    exif = Image.Exif()
    exif[274] = 6
    exif[270] = "a photo"
    return encoded(_photo(), "JPEG", exif=exif)


def _palette():
    return encoded(_photo().quantize(16), "PNG", transparency=3)


def _deep(kind):
    grey = np.arange(24 * 32, dtype="uint16").reshape(24, 32) * 80
    return encoded(Image.fromarray(grey), kind)


def _float_tiff():
    ramp = np.linspace(0, 1, 24 * 32, dtype="float32").reshape(24, 32)
    return encoded(Image.fromarray(ramp), "TIFF")


def _animation(kind):
    frames = [_photo().rotate(angle) for angle in (0, 90, 180)]
    more = {"save_all": True, "append_images": frames[1:], "duration": 50}
    return encoded(frames[0], kind, **more)


IMAGES = {
    "jpeg": lambda: encoded(_photo(), "JPEG"),
    "jpeg_progressive_cmyk": lambda: encoded(_photo("CMYK"), "JPEG", progressive=True),
    "jpeg_exif": _turned,
    "png": lambda: encoded(_photo(), "PNG"),
    "png_16": lambda: _deep("PNG"),
    "png_palette": _palette,
    "png_alpha": lambda: encoded(_photo("RGBA"), "PNG"),
    "gif": lambda: _animation("GIF"),
    "bmp": lambda: encoded(_photo(), "BMP"),
    "tiff": lambda: encoded(_photo(), "TIFF", compression="tiff_lzw"),
    "tiff_16": lambda: _deep("TIFF"),
    "tiff_float": _float_tiff,
    "webp": lambda: encoded(_photo(), "WEBP"),
    "webp_animation": lambda: _animation("WEBP"),
}


def is_image(answer):
    """8-bit RGB with at least one pixel."""
    return answer.dtype == "uint8" and answer.shape[2:] == (3,) and answer.size > 0


def _read_image(path):
    from dls_keras.core import images

    return np.asarray(images.read(path))


for _name, _content in IMAGES.items():
    reader(
        written(f"photo.{_name.partition('_')[0]}", _content),
        "image",
        name=_name,
        check=is_image,
        complete=True,
    )(_read_image)


def _alpaca_folder(folder):
    for name in ("alpaca", "not alpaca"):
        (folder / name).mkdir()
        for i in range(3):
            (folder / name / f"{i}.jpg").write_bytes(encoded(_photo(), "JPEG"))
    return folder / "alpaca" / "1.jpg"


@reader(_alpaca_folder, "image", complete=True)
def alpaca_folder(path):
    from dls_keras.datasets import alpaca

    return tuple(alpaca.load_alpacas(path.parents[1], size=16))


def _mask():
    return encoded(
        Image.fromarray(np.arange(192 * 256, dtype="uint8").reshape(192, 256) % 12),
        "PNG",
    )


def _camvid_folder(folder):
    for name, content in (("train", _street), ("trainannot", _mask)):
        place = folder / "camvid" / "CamVid" / name
        place.mkdir(parents=True)
        (place / "a.png").write_bytes(content())
    return folder / "camvid" / "CamVid" / "trainannot" / "a.png"


def _street():
    return encoded(Image.fromarray(pixels(192, 256, 3)), "PNG")


def is_street(answer):
    """Images and masks of equal number, masks at most 11."""
    x, y = answer
    return (
        x.shape[1:] == (192, 256, 3) and y.shape == x.shape[:3] and y.max() <= 11
    ) and x.dtype == y.dtype == np.uint8


@reader(_camvid_folder, "image", check=is_street, complete=True)
def camvid_folder(path):
    from dls_keras.datasets import camvid

    return camvid.load_split("train")


# Sound.


def wav(width):
    """A wav file of 50 ms of a tone with 2 channels."""
    t = np.arange(400)
    tone = np.stack([np.sin(t / 5), np.cos(t / 7)], 1)
    if width == "float":
        from scipy.io import wavfile

        file = io.BytesIO()
        wavfile.write(file, 8000, tone.astype("float32"))
        return file.getvalue()
    whole = np.rint(tone * (2 ** (8 * width - 1) - 1)).astype("int64")
    whole += 128 if width == 1 else 0
    data = whole.astype("<i8").view("u1").reshape(-1, 8)[:, :width].tobytes()
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(width)
        out.setframerate(8000)
        out.writeframes(data)
    return file.getvalue()


def is_sound(answer):
    """int16 samples at a rate that sound cards have."""
    samples, rate = answer
    return samples.dtype == "int16" and samples.size > 0 and 1000 <= rate <= 768_000


def _read_sound(path):
    from dls_keras.core import audio

    clip = audio.read(path)
    return clip.samples, clip.frame_rate


for _width, _label in ((1, "8"), (2, "16"), (3, "24"), (4, "32"), ("float", "float")):
    reader(
        written("sound.wav", lambda width=_width: wav(width)),
        "wav",
        name=f"wav_{_label}",
        check=is_sound,
        complete=True,
    )(_read_sound)


def _raw_data(folder):
    for kind in ("activates", "negatives", "backgrounds"):
        written(f"{kind}/1.wav", wav(2))(folder)
    return folder / "activates" / "1.wav"


@reader(_raw_data, "wav", keras=True, complete=True)
def raw_audio_folder(path):
    from dls_keras.course5 import trigger_word

    folder = trigger_word.load_raw_audio(path.parents[1])
    return [clip.samples for clips in folder for clip in clips]


# Text.

NAMES = "Aachenosaurus\nTrix\nRex\n\nZalmoxes\n"
POEM = "From fairest creatures we desire increase,\nThat thereby beauty's rose\n" * 3
PROSE = "The boats lie on the beach. The sea is grey and cold; no boat goes out!\n" * 3
GLOVE = "".join(
    f"{word} {' '.join(f'{v:.4f}' for v in random(5, seed=i))}\n"
    for i, word in enumerate("the of cat café , dog".split())
)
BABI = """\
1 The office is north of the kitchen.
2 The garden is south of the kitchen.
3 What is north of the kitchen?\toffice\t1
1 The hallway is east of the bedroom.
2 The bathroom is east of the hallway.
3 What is east of the hallway?\tbathroom\t2
"""


@reader(written("names.txt", NAMES), "text")
def dinosaur_names(path):
    from dls_keras.datasets import dinosaur_names

    return list(dinosaur_names.load_names(path))


@reader(written("sonnets.txt", POEM), "text")
def sonnets(path):
    from dls_keras.datasets import sonnets

    return sonnets.load_text(path)


@reader(written("text.txt", PROSE), "text")
def sentence_corpus(path):
    from dls_keras.datasets import sentence_corpus

    return sentence_corpus.load_text(path)


@reader(written("vectors.txt", GLOVE), "text")
def glove_text(path):
    return _vectors(path)


def _vectors(path):
    from dls_keras.datasets import glove

    found = glove.load_glove(path)
    return list(found), found.matrix


def _zipped(name, members, method=zipfile.ZIP_DEFLATED):
    def content():
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for member, data in members().items():
                archive.writestr(member, data)
        return file.getvalue()

    return written(name, content)


@reader(
    _zipped("glove.6B.50d.zip", lambda: {"glove.6B.50d.txt": GLOVE}),
    "zip",
    complete=True,
)
def glove_zip(path):
    return _vectors(path)


PIECES = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##able\n!\ncafé\n"


@reader(written("vocab.txt", PIECES), "text")
def word_pieces(path):
    from dls_keras.core import word_pieces

    return list(word_pieces.WordPieceTokenizer.read(path).vocab)


@reader(written("stories.txt", BABI), "text")
def stories_text(path):
    return _stories(path)


def _stories(path):
    from dls_keras.datasets import stories

    return [tuple(story) for story in stories.read(path)]


def is_stories(answer):
    """Texts, and a supporting fact that is one of the facts."""
    return all(
        all(isinstance(text, str) for text in (*facts, question, answer))
        and isinstance(support, int)
        and 0 <= support < len(facts)
        for facts, question, answer, support in answer
    )


def _babi_json():
    texts = ["The office is north of the kitchen.", "What is north of the kitchen?"]
    story = {"text": texts, "answer": ["", "office"], "id": ["1", "2"]}
    story |= {"supporting_ids": [[], ["1"]], "type": [0, 1]}
    return json.dumps([{"story": story}] * 3)


@reader(written("stories.json", _babi_json), "text", "json", check=is_stories)
def stories_json(path):
    return _stories(path)


READERS["stories_text"] = READERS["stories_text"]._replace(check=is_stories)


def _resumes():
    text = "Marta Velindo\nAnalyst, Lisbon"
    points = {"start": 0, "end": 12, "text": "Marta Velindo"}
    other = {"start": 14, "end": 20}
    record = {"content": text, "annotation": [{"label": ["Name"], "points": [points]}]}
    record["annotation"] += [{"label": ["Designation"], "points": [other]}]
    return json.dumps(record) + "\n"


def is_resumes(answer):
    """Texts, and spans inside them."""
    return all(
        isinstance(text, str)
        and all(0 <= a < b <= len(text) and isinstance(n, str) for a, b, n in spans)
        for text, spans in zip(*answer, strict=True)
    )


@reader(written("resumes.json", _resumes), "text", "json", check=is_resumes)
def resumes(path):
    from dls_keras.datasets import resumes

    return tuple(resumes.load_resumes(path))


EMOJI = 'never talk to me again,3,,\n"I am proud, of you",2,,[0]\ncafé au lait,4\n'


@reader(
    written("emoji.csv", EMOJI),
    "text",
    check=lambda answer: set(answer[1].tolist()) <= {0, 1, 2, 3, 4},
)
def emoji_csv(path):
    from dls_keras.datasets import emoji

    return emoji.read_csv(path)


def _kaggle():
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["label", *(f"pixel{i}" for i in range(784))])
    for label in (3, 0, 9):
        rows.writerow([label, *pixels(28, 28).ravel()])
    return file.getvalue()


def is_digits(answer):
    """Images of 28 x 28, and a label from 0 to 9 for each."""
    x, y = answer
    return x.dtype == "uint8" and x.shape == (len(y), 28, 28) and _labels(y, 10)


def _labels(y, classes):
    return y.dtype == "int64" and bool(((0 <= y) & (y < classes)).all())


@reader(written("train.csv", _kaggle), "text", check=is_digits)
def kaggle_csv(path):
    from dls_keras.datasets import digits

    x, y = digits.read_csv(path)
    return x, np.zeros(len(x), "int64") if y is None else y  # Kaggle's test.csv


ROADS = "image,xmin,ymin,xmax,ymax\nvid_4_0.jpg,10,20.5,110,90\n"


def _car_boxes(folder):
    for i in (0, 20):
        photo = encoded(Image.fromarray(pixels(380, 676, 3)), "JPEG")
        written(f"images/vid_4_{i}.jpg", photo)(folder)
    written("images_without_cars.txt", "vid_4_20.jpg\n")(folder)
    return written("boxes.csv", ROADS)(folder)


def is_roads(answer):
    """Boxes (y1, x1, y2, x2) inside the images."""
    return all(
        box.shape[1:] == (4,)
        and (box >= 0).all()
        and (box[:, :2] < box[:, 2:]).all()
        and (box[:, 2:] <= (380, 676)).all()
        for box in answer[1]
    )


@reader(_car_boxes, "text", check=is_roads)
def car_boxes(path):
    from dls_keras.datasets import car_boxes

    return tuple(car_boxes.load_car_boxes(path.parent))


@reader(
    lambda folder: _car_boxes(folder).with_name("images_without_cars.txt"),
    "text",
    check=is_roads,
)
def car_boxes_without_cars(path):
    return car_boxes(path)


@reader(written("classes.txt", "person\ntraffic light\ncafé\n"), "text", keras=True)
def yolo_classes(path):
    from dls_keras.course4 import car_detection

    return car_detection.read_classes(path)


@reader(
    written("anchors.txt", "0.57,0.67, 1.87,2.06, 3.33,5.47\n"),
    "text",
    keras=True,
    check=lambda anchors: anchors.ndim == 2 and bool((anchors > 0).all()),
)
def yolo_anchors(path):
    from dls_keras.course4 import car_detection

    return car_detection.read_anchors(path)


PYTHON = '''\
import numpy as np


def sigmoid(x):
    """Between 0 and 1, café."""
    return 1 / (1 + np.exp(-x))


for i in range(3):
    print(i, sigmoid(i))
'''


def _pieces(path):
    import ast

    from dls_keras.grading import parse

    return [
        (ast.dump(piece.node), piece.cell)
        if isinstance(piece, parse.Statement)
        else tuple(piece)
        for piece in parse.read(path)
    ]


reader(written("solution.py", PYTHON), "text", "python", name="solution_py")(_pieces)


def _notebook():
    cells = [{"cell_type": "markdown", "metadata": {}, "source": ["# Title"]}]
    for source in (PYTHON, "%matplotlib inline\nx = sigmoid(0)\n!ls"):
        lines = source.splitlines(keepends=True)
        cells.append({"cell_type": "code", "metadata": {}, "source": lines})
        cells[-1] |= {"execution_count": None, "outputs": []}
    whole = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole)


reader(written("solution.ipynb", _notebook), "text", "json", name="solution_ipynb")(
    _pieces
)


# A class.


def _class_zip():
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep/mine.py", PYTHON)
    return {
        "ann_1_2_mine.ipynb": _notebook(),
        "bo/mine.py": PYTHON,
        "cid/hw.zip": inner.getvalue(),
    }


@reader(_zipped("class.zip", _class_zip), "zip")
def class_files(path):
    from dls_keras.core.errors import InputError
    from dls_keras.grading import students

    found = []
    for one in students.find(path, "numpy_basics").submissions:
        try:
            with students.opened(one) as own:
                found.append((one.student, _pieces(own)))
        except InputError as error:  # the row of this student says so
            found.append((one.student, type(error).__name__))
    return found


FUNCTIONS = ["sigmoid", "softmax"]
POINTS = "function,points\nsigmoid,10\nsoftmax,2.5\n"


def is_points(answer):
    """Points of known functions, from 0 on."""
    return set(answer) <= set(FUNCTIONS) and all(0 <= p < 1e7 for p in answer.values())


def _points(path):
    from dls_keras.grading import grades

    return grades.read_points(path, FUNCTIONS)


reader(written("points.csv", POINTS), "text", name="points_csv", check=is_points)(
    _points
)
reader(
    written("points.toml", "[points]\nsigmoid = 10\nsoftmax = 2.5\n"),
    "text",
    name="points_toml",
    check=is_points,
)(_points)


TIMES = "student,time,email\nann,2026-11-30T10:00,a@example.org\nbo,2026-12-01,\n"


@reader(written("times.csv", TIMES), "text")
def times_of_a_class(path):
    from dls_keras.grading import grades

    return {name: repr(one) for name, one in grades.read_times(path).items()}


def _results():
    verdict = {"function": "f", "status": "wrong", "passed": 1, "cases": 2}
    verdict |= {"problem": "p", "hint": "h", "remarks": [], "messages": {"a": "p"}}
    verdict |= {"number": [1.5, 2], "shape": [[2], [2]]}
    texts = ("assignment", "file", "error", "student", "id", "time", "path")
    line = dict.fromkeys((*texts, "digest", "looks_like"), "a") | {"late": False}
    line |= {"notes": ["n"], "seconds": 1.5, "functions": [verdict]}
    return f"{json.dumps(line)}\n" * 3


@reader(written("results.jsonl", _results), "text")
def gradebook(path):
    from dls_keras.grading import gradebook, grades

    found = []
    for checked in gradebook.read_results(path):
        grade = grades.grade(checked, grades.Rules())
        row = gradebook.row(checked, grade, ["f"])
        found.append([str(cell) for cell in row])
    return found


def _reference():
    case = {"id": "a", "inputs": {"x": 1.5}, "expected": {"return": 3.0}}
    entry = {"signature": ["x"], "cases": [case]}
    return json.dumps({"format": 1, "title": "t", "functions": {"double": entry}})


@reader(written("double.json", _reference), "text", "json")
def reference_cases(path):
    from dls_keras.reference import cases

    return repr(cases.read(path.stem, path.parent)._replace(name="")).replace(
        str(path.parent), ""
    )


# Arrays of NumPy.


def saved(name, **arrays):
    """A function that writes an npz file."""

    def content():
        file = io.BytesIO()
        np.savez_compressed(file, **{k: a() for k, a in arrays.items()})
        return file.getvalue()

    return written(name, content)


def _two(count, seed):
    return lambda: random(count, 2, seed=seed).astype("float64")


def _halves(count):
    return lambda: np.arange(count).reshape(-1, 1) % 2


@reader(
    saved(
        "football.npz",
        X=_two(211, 0),
        y=_halves(211),
        Xval=_two(200, 1),
        yval=_halves(200),
    ),
    "zip",
    "npz",
    check=lambda a: _labels(a[1], 2) and _labels(a[3], 2),
    complete=True,
)
def football(path):
    from dls_keras.datasets import planar

    return tuple(planar.load_football(path))


@reader(
    saved(
        "att_faces.npz",
        images=lambda: np.zeros((400, 112, 92), "uint8"),
        labels=lambda: np.repeat(np.arange(40), 10),
    ),
    "zip",
    "npz",
    check=lambda a: a[0].shape == (400, 112, 112) and _labels(a[1], 40),
    complete=True,
)
def att_faces(path):
    from dls_keras.datasets import faces

    return tuple(faces.load_att(path))


def is_mnist(answer):
    """Two pairs of images and labels."""
    return is_digits(answer[:2]) and is_digits(answer[2:])


@reader(
    saved(
        "mnist/mnist.npz",
        x_train=lambda: pixels(4, 28, 28),
        y_train=lambda: np.arange(4, dtype="uint8"),
        x_test=lambda: pixels(3, 28, 28),
        y_test=lambda: np.arange(3, dtype="uint8"),
    ),
    "zip",
    "npz",
    check=is_mnist,
    complete=True,
)
def mnist_npz(path):
    from dls_keras.datasets import digits

    return tuple(digits.load_digits())


def _mnist_parts(folder):
    for i in ("train_0", "train_1", "train_2", "train_3", "test"):
        path = saved(
            f"mnist/mnist_{i}.npz",
            images=lambda: pixels(3, 28, 28),
            labels=lambda: np.arange(3),
        )(folder)
    return path.with_name("mnist_train_2.npz")


@reader(_mnist_parts, "zip", "npz", check=is_mnist, complete=True)
def mnist_parts(path):
    from dls_keras.datasets import digits

    return tuple(digits.load_digits())


def _database(folder):
    from dls_keras.core import face_database

    known = face_database.Identities("net 0123456789abcdef")
    for i, name in enumerate(("younes", "Zoë")):
        known.add(name, random(2, 8, seed=i))
    return known.save(folder / "door.npz")


def is_database(answer):
    """Encodings of unit length, one row each."""
    people, network = answer
    return isinstance(network, str) and all(
        vector.shape[0] == 1 and abs(np.linalg.norm(vector) - 1) < 1e-3
        for vector in people.values()
    )


@reader(_database, "zip", "npz", check=is_database, complete=True)
def face_database(path):
    from dls_keras.core import face_database

    found = face_database.load(path)
    return dict(found), found.network


def _layers(names):
    def content():
        file = io.BytesIO()
        np.savez(file, **{name: random(*shape) for name, shape in names.items()})
        return file.getvalue()

    return content


@reader(
    written("block1_conv1.npz", _layers({"kernel": (3, 3, 3, 4), "bias": (4,)})),
    "zip",
    "npz",
    keras=True,
    complete=True,
)
def vgg19_npz(path):
    from dls_keras.converters import vgg19

    return vgg19.read_npz(path)


def _int8(folder):
    path = folder / "mobilenet.npz"
    arrays = {}
    for name, shape in (("Conv1", (3, 3, 3, 4)), ("predictions", (4, 2))):
        kernel = np.random.default_rng(0).integers(-127, 128, shape)
        arrays[f"{name}/kernel"] = kernel.astype("int8")
        arrays[f"{name}/scale"] = np.abs(random(shape[-1]))
        arrays[f"{name}/bias"] = random(shape[-1])
    np.savez(path, **arrays)
    return path


@reader(_int8, "zip", "npz", keras=True, complete=True)
def mobilenet_int8(path):
    from dls_keras.converters import mobilenet_int8

    return {name: tuple(layer) for name, layer in mobilenet_int8.read(path).items()}


MXNET = {"conv_1_conv2d_weight": (3, 3, 3, 4), "conv_1_batchnorm_gamma": (4,)}
MXNET |= {"conv_1_batchnorm_moving_var": (4,), "conv_1_relu_gamma": (4,)}


@reader(
    written("mobilefacenet.npz", _layers(MXNET)),
    "zip",
    "npz",
    keras=True,
    complete=True,
)
def mxnet_npz(path):
    from dls_keras.converters import face_networks

    return face_networks.read_mxnet(path)


# Archives of images.


def _signs_archive(folder):
    _course_file("signs/test_signs.h5", "test", 4)(folder)
    members = {}
    for i in range(4):
        photo = Image.fromarray(pixels(64, 64, 3))
        members[f"train_signs/{i}_IMG_{i}.jpg"] = encoded(photo, "JPEG")
    return _zipped("signs/signs_64x64_jpg.zip", lambda: members)(folder)


def is_course_data(classes, grey=False):
    """Images of 64 x 64 in uint8, and as many labels."""

    def check(answer):
        shape = (64, 64) if grey else (64, 64, 3)
        return all(
            x.dtype == "uint8"
            and x.shape == (len(y), *shape)
            and len(y) > 0
            and _labels(y, classes)
            for x, y in zip(answer[::2], answer[1::2], strict=True)
        )

    return check


@reader(
    _signs_archive,
    "zip",
    "zip of images",
    check=is_course_data(6),
    complete=True,
)
def signs_zip(path):
    from dls_keras.datasets import signs

    return tuple(signs.load_signs())


def _smiles_archive():
    grey = Image.fromarray(pixels(64, 64))
    names = [f"{kind}/{i}.jpg" for kind in ("smile", "no_smile") for i in range(3)]
    return {name: encoded(grey, "JPEG") for name in names}


@reader(
    _zipped("smiles.zip", _smiles_archive),
    "zip",
    "zip of images",
    check=is_course_data(2, grey=True),
    complete=True,
)
def smiles_zip(path):
    from dls_keras.datasets import smiles

    return tuple(smiles.load_smiles(path))


def _camvid_archive():
    photo = encoded(Image.fromarray(pixels(192, 256, 3)), "JPEG")
    return {
        f"{folder}/{i}.{kind}": content
        for i in range(2)
        for folder, kind, content in (
            ("images", "jpg", photo),
            ("masks", "png", _mask()),
        )
    }


@reader(
    _zipped("camvid/camvid_val_256x192.zip", _camvid_archive),
    "zip",
    "zip of images",
    check=is_street,
    complete=True,
)
def camvid_zip(path):
    from dls_keras.datasets import camvid

    return camvid.load_split("val")


# HDF5.


def _course_file(name, part, classes, cats=False):
    def make(folder):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file[f"{part}_set_x"] = pixels(6, 64, 64, 3)
            labels = np.arange(6) % classes
            file[f"{part}_set_y"] = labels if cats else labels[np.newaxis]
            names = [b"non-cat", b"cat"] if cats else np.arange(classes)
            file["list_classes"] = np.array(names)
        return path

    return make


def _two_files(folder, name, classes, cats=False):
    for part in ("train", "test"):
        path = _course_file(f"{name}/{part}_{name}.h5", part, classes, cats)(folder)
    return path


@reader(
    lambda folder: _two_files(folder, "signs", 6),
    "hdf5",
    check=is_course_data(6),
    complete=True,
)
def signs_h5(path):
    from dls_keras.datasets import signs

    return tuple(signs.load_signs())


@reader(
    lambda folder: _two_files(folder, "happy", 2),
    "hdf5",
    check=is_course_data(2),
    complete=True,
)
def happy_h5(path):
    from dls_keras.datasets import smiles

    return tuple(smiles.load_happy())


@reader(
    lambda folder: _two_files(folder, "catvnoncat", 2, cats=True),
    "hdf5",
    check=lambda answer: is_course_data(2)(answer[:4]),
    complete=True,
)
def cats_h5(path):
    from dls_keras.datasets import cats

    return tuple(cats.load_cats(path.parent))


def _weights(folder):
    from dls_keras.core import weights

    arrays = {"000/dense/kernel": random(4, 3), "001/dense/bias": random(3)}
    arrays["vocab"] = np.array([b"a", b"bc"])
    settings = {"units": 3, "name": "café"}
    return weights.save_arrays(arrays, folder / "w.h5", settings=settings)


@reader(_weights, "hdf5", complete=True)
def weights_arrays(path):
    from dls_keras.core import weights

    return weights.load_arrays(path)


@reader(_weights, "hdf5", complete=True)
def weights_settings(path):
    from dls_keras.core import weights

    return weights.load_settings(path)


MODELS: dict[str, object] = {}


def _tiny():
    """A Keras model that is built once: a dense layer and a batch normalisation."""
    import keras

    if "tiny" not in MODELS:
        x = keras.Input((4,))
        dense = keras.layers.Dense(3, name="dense")(x)
        norm = keras.layers.BatchNormalization(name="norm")(dense)
        MODELS["tiny"] = keras.Model(x, norm)
    return MODELS["tiny"]


def _tiny_weights(folder):
    from dls_keras.core import weights

    arrays = weights.arrays(_tiny())
    arrays = {n: np.abs(random(*a.shape, seed=3)) for n, a in arrays.items()}
    return weights.save_arrays(arrays, folder / "w.h5")


@reader(
    _tiny_weights,
    "hdf5",
    keras=True,
    complete=True,
    variables=lambda: _tiny().weights,
)
def weights_into_a_model(path):
    from dls_keras.core import weights

    weights.load_file(_tiny(), path)


def _assignment(name):
    def make(folder):
        from dls_keras import models

        module = models.open_assignment(name)
        path = folder / f"{name}.h5"
        models.save(module, module.load_pretrained(), path)
        return path

    return make


def _as_arrays(name, path):
    from dls_keras import models

    module = models.open_assignment(name)
    model = models.load(name, str(path))
    if hasattr(module, "to_arrays"):
        return module.to_arrays(model)
    if isinstance(model, dict):
        return {key: np.asarray(value) for key, value in model.items()}
    return [np.asarray(variable) for variable in models.network(model).weights]


SMALL = (
    "fizzbuzz",
    "logistic_regression",
    "planar_classification",
    "dinosaurs",
    "jazz",
)
for _name in SMALL:
    reader(
        _assignment(_name), "hdf5", name=f"model_{_name}", keras=True, complete=True
    )(lambda path, name=_name: _as_arrays(name, path))


def _keras2(whole):
    def make(folder):
        path = folder / "keras2.h5"
        arrays = {
            "dense": {"dense/kernel:0": random(4, 3), "dense/bias:0": random(3)},
            "norm": {
                f"norm/{n}:0": np.abs(random(3, seed=i))
                for i, n in enumerate(("gamma", "beta", "moving_mean", "moving_var"))
            },
        }
        with h5py.File(path, "w") as file:
            group = file.create_group("model_weights") if whole else file
            file.attrs["keras_version"] = b"2.1.3"
            if whole:
                file.attrs["model_config"] = _architecture().encode()
            group.attrs["layer_names"] = [b"input_1", b"dense", b"norm"]
            group.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
            for layer, its in arrays.items():
                inner = group.create_group(layer)
                inner.attrs["weight_names"] = [name.encode() for name in its]
                for name, array in its.items():
                    inner[name] = array
        return path

    return make


def _architecture():
    kinds = {"input_1": "InputLayer", "dense": "Dense", "norm": "BatchNormalization"}
    layers = [
        {"class_name": kind, "name": name, "config": {"name": name}}
        for name, kind in kinds.items()
    ]
    return json.dumps({"class_name": "Model", "config": {"layers": layers}})


def _contents(path, **more):
    from dls_keras.converters import keras_h5

    found = keras_h5.read(path, **more)
    return found.keras_version, [
        (layer.name, layer.class_name, layer.weights) for layer in found.layers
    ]


@reader(_keras2(True), "hdf5", keras=True, complete=True)
def keras2_model(path):
    return _contents(path)


def _with_json(folder):
    _keras2(False)(folder)
    return written("model.json", _architecture)(folder)


@reader(_with_json, "text", "json", keras=True)
def keras2_json(path):
    return _contents(path.with_name("keras2.h5"), model_json=path)


@reader(
    _keras2(False),
    "hdf5",
    keras=True,
    complete=True,
    variables=lambda: _tiny().weights,
)
def keras2_into_a_model(path):
    from dls_keras.converters import keras_h5

    keras_h5.fill(_tiny(), keras_h5.read(path))


@reader(_keras2(True), "hdf5", keras=True, complete=True)
def vgg19_keras(path):
    from dls_keras.converters import vgg19

    return vgg19.read_keras(path)


@reader(_keras2(True), "hdf5", keras=True, complete=True)
def open_face_h5(path):
    from dls_keras.converters import face_networks

    return face_networks.read_open_face_h5(path)


def _csv_folder(folder):
    for name, values in (("dense_w", random(12)), ("dense_b", random(3))):
        text = ",".join(f"{value:.6f}" for value in values) + "\n"
        path = written(f"{name}.csv", text)(folder)
    return path


def _one_layer():
    import keras

    if "one layer" not in MODELS:
        x = keras.Input((4,))
        y = keras.layers.Dense(3, name="dense_layer")(x)
        MODELS["one layer"] = keras.Model(x, y)
    return MODELS["one layer"]


@reader(_csv_folder, "text", keras=True, variables=lambda: _one_layer().weights)
def open_face_csv(path):
    from dls_keras.converters import face_networks

    arrays = face_networks.read_open_face_csv(path.parent, _one_layer())
    face_networks.fill(_one_layer(), arrays)


# Checkpoints.


def _run(path):
    """Train the tiny model for two epochs with a checkpoint."""
    import keras
    import tensorflow as tf

    from dls_keras.core import training

    if "optimizer" not in MODELS:
        MODELS["optimizer"] = keras.optimizers.Adam()
    model = _tiny()
    return training.fit(
        lambda x: tf.reduce_mean(model(x) ** 2),
        (random(8, 4),),
        model.trainable_variables,
        MODELS["optimizer"],
        epochs=2,
        batch_size=4,
        checkpoint=path,
    )


def _checkpoint(folder):
    _run(folder / "run.ckpt")
    return folder / "run.ckpt"


def _resumed(path):
    if not os.path.lexists(path):  # `fit` would start from the beginning
        from dls_keras.core.errors import MissingFileError

        raise MissingFileError("There is no checkpoint.")
    return np.array(_run(path))


reader(
    _checkpoint,
    "zip",
    "npz",
    name="checkpoint",
    keras=True,
    complete=True,
    variables=lambda: [*_tiny().trainable_variables, *MODELS["optimizer"].variables],
)(_resumed)


# Darknet.

CFG = """\
[net]
height=8
width=12
channels=3

[convolutional]
batch_normalize=1
filters=4
size=3
stride=1
pad=1
activation=leaky

[maxpool]
size=2
stride=2

[route]
layers=-1

[convolutional]
size=1
stride=1
pad=1
filters=16
activation=linear

[region]
anchors = 0.5,1.5,  2,3
classes=3
num=2
softmax=1
"""
FLOATS = 4 * 4 + 4 * 3 * 9 + 16 + 16 * 4


def _darknet(folder):
    values = np.abs(random(FLOATS)).astype("<f4")
    header = struct.pack("<iiiQ", 0, 2, 5, 64)
    written("tiny.weights", header + values.tobytes())(folder)
    return written("tiny.cfg", CFG)(folder)


def _network(path):
    from dls_keras.converters import darknet

    found = darknet.load(path.with_suffix(".cfg"), path.with_suffix(".weights"))
    heads = [tuple(head) for head in found.heads]
    return heads, [np.asarray(variable) for variable in found.model.weights]


reader(_darknet, "text", name="darknet_cfg", keras=True)(_network)
reader(
    lambda folder: _darknet(folder).with_suffix(".weights"),
    "floats",
    name="darknet_weights",
    keras=True,
    complete=True,
)(_network)


@reader(
    lambda folder: (
        _darknet(folder) and written("tiny.names", "car\nbus\ncafé\n")(folder)
    ),
    "text",
    keras=True,
    helper=True,  # the converted file is HDF5
)
def darknet_names(path):
    from dls_keras.core import weights

    out = path.with_name("out.h5")
    files = (path.with_suffix(end) for end in (".cfg", ".weights"))
    _command("convert", "darknet", *files, "--names", path, "--out", out)
    return weights.load_settings(out)["classes"]


def _command(*words):
    """Run `dls-keras`; its exit code 2 is raised as an InputError."""
    from dls_keras.cli.main import main
    from dls_keras.core.errors import InputError

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            main([*map(str, words)])
    except SystemExit as ended:
        if ended.code == 2:
            error = InputError()
            error.args = (said.getvalue().rstrip("\n"),)  # not shortened
            raise error from None


def _detector(folder):
    from dls_keras.core import weights

    path = folder / "detector.h5"
    files = (_darknet(folder).with_suffix(end) for end in (".cfg", ".weights"))
    _command("convert", "darknet", *files, "--out", path)
    assert weights.load_settings(path)["cfg"]
    return path


@reader(_detector, "hdf5", keras=True, complete=True)
def model_of_darknet(path):
    return _as_arrays("car_detection", path)


# MATLAB and MIDI.


def _matlab(folder):
    from scipy import io as matlab

    layers = []
    for name, shape in (("1_1", (3, 3, 3, 8)), ("1_2", (3, 3, 8, 8))):
        both = np.empty(2, object)
        both[:] = [random(*shape), random(shape[-1], 1)]
        layers.append({"name": f"conv{name}", "type": "conv", "weights": both})
        layers.append({"name": f"relu{name}", "type": "relu"})
    cells = np.empty(len(layers), object)
    cells[:] = layers
    path = folder / "imagenet-vgg-verydeep-19.mat"
    matlab.savemat(path, {"layers": cells, "meta": {"classes": 0}})
    return path


@reader(_matlab, "mat", keras=True, complete=True)
def vgg19_matlab(path):
    from dls_keras.converters import vgg19

    return vgg19.read_matconvnet(path)


def _midi(folder):
    from dls_keras.music import midi_and_wav, tunes

    path = folder / "tune.mid"
    midi_and_wav.write_midi(tunes.make_tune(0), path)
    return path


def is_tune(answer):
    """Notes and chords with pitches of MIDI, within the length."""
    notes, chords, length = answer
    return all(
        offset >= 0 and duration > 0 and 0 <= pitch <= 127
        for offset, duration, pitch in notes
    ) and all(0 <= offset < length for offset, *_ in (*notes, *chords))


@reader(_midi, "midi", check=is_tune, complete=True)
def midi(path):
    from dls_keras.music import tunes

    notes, chords, length = tunes.load_tune(path)
    return [*map(tuple, notes)], [*map(tuple, chords)], length


def groups(names=None):
    """The names of the readers, those that import Keras apart."""
    chosen = [READERS[name] for name in names or READERS]
    return {
        label: [one.name for one in chosen if one.keras == keras]
        for label, keras in (("without Keras", False), ("with Keras", True))
    }


def names_like(patterns):
    """The names of the readers that match one of some regular expressions."""
    return [n for n in READERS if any(re.fullmatch(p, n) for p in patterns)]
