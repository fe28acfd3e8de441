"""Two small assignments without TensorFlow that replace those of the catalogue.

`echo` returns a sentence in capitals; its model is a dict of arrays, and it offers
every function that an assignment can have. `finder` detects a box in the left half of
an image; its model is a named tuple, and it offers only `infer` and `load_pretrained`.
"""

import sys
import types
from typing import NamedTuple

import numpy as np
from PIL import Image

from dls_keras import catalog
from dls_keras.core import files, images, weights
from dls_keras.core.answers import Answer, Row, detected
from dls_keras.core.errors import InputError, MissingFileError

CALLS = []  # the settings of each call of echo.train, in order


class Finder(NamedTuple):
    """The model of `finder`."""

    model: None
    classes: tuple[str, ...]


def echo():
    """The module `echo`."""

    def load_data(*, synthetic=False):
        return [3.0, 4.0] if synthetic else [1.0, 2.0]

    def build_model():
        return {"w": np.zeros(3), "b": 0.0}

    def train(model, data, *, epochs=2, seed=0, on_epoch=None, checkpoint=None):
        CALLS.append({"epochs": epochs, "seed": seed, "checkpoint": checkpoint})
        for epoch in range(epochs if on_epoch else 0):
            on_epoch(epoch + 1, 1 / (epoch + 1))
        model.update(w=np.full(3, float(seed)), b=sum(data) / 2)
        return [1 / (epoch + 1) for epoch in range(epochs)]

    def load_pretrained(variant="default"):
        if variant == "published":
            raise MissingFileError("The published file was not found.")
        weights.verify(weights.record("echo", variant))
        return {"w": np.ones(3), "b": 0.0}

    def infer(model, sentence):
        if sentence == "":
            raise InputError("The sentence is empty. Say something.")
        if sentence == "bug":
            raise ZeroDivisionError("a bug of the package")
        if sentence == "wait":
            raise KeyboardInterrupt
        shout = sentence.upper() + "!" * int(model["w"].sum())
        return Answer(shout, 0.75, letters=np.int64(len(sentence)), w=model["w"])

    def evaluate(model=None, *, synthetic=False):
        model = model or load_pretrained()
        if synthetic:
            return [Row("bias, synthetic data", model["b"])]
        return [
            Row("sum of w", model["w"].sum(), at_least=3.0),
            Row("bias", model["b"]),
        ]

    def picture(sentence, answer):
        return Image.new("RGB", (40, 20), "red")

    def example():
        return 'What is <"hello"> & co., shouted?', "hello"

    offers = (*catalog.FIVE, "evaluate", "picture", "example")
    module = _module("echo", locals(), offers)
    module.__doc__ = "Echo: the sentence in capitals (C1 W2 A1)."
    return module


def finder():
    """The module `finder`."""

    def load_pretrained(variant="default"):
        return Finder(None, ("person", "car"))

    def infer(model, image):
        picture = images.read(image)
        box = np.float32([[0, 0, picture.height, picture.width / 2]])
        n = 0 if picture.width < 10 else 1
        return detected(box[:n], [0.5][:n], [1][:n], model.classes)

    module = _module("finder", locals(), ("load_pretrained", "infer"))
    module.__doc__ = "Finder: a box in the left half of an image (C4 W3 A1)."
    return module


def register(monkeypatch, folder):
    """Replace the catalogue by one of `echo` and `finder`; return the module `echo`.

    The weight file of `echo` and a table of records are written into `folder`.
    """
    modules = echo(), finder()
    rows = [
        catalog.Assignment("echo", 1, 2, "Echo, louder", "2021", modules[0].offers),
        catalog.Assignment("finder", 4, 3, "Find a half", "2021", modules[1].offers),
    ]
    monkeypatch.setattr(catalog, "ASSIGNMENTS", tuple(rows))
    monkeypatch.setattr(catalog, "BY_NAME", {row.name: row for row in rows})
    for row, module in zip(rows, modules, strict=True):
        monkeypatch.setitem(sys.modules, row.module, module)
    path = weights.save_arrays({"w": np.ones(3), "b": 0.0}, folder / "echo-v1.h5")
    facts = weights.facts(path)
    (folder / "records.toml").write_text(
        f"""
        [shipped.echo.default]
        name = "echo/v1"
        file = "{facts["file"]}"
        sha256 = "{facts["sha256"]}"
        bytes = {facts["bytes"]}
        params = {facts["params"]}
        input = "a sentence"
        data = "none"
        licence = "none"
        recipe = "by hand"
        seed = 0
        metrics = [["loudness | dB", "90"]]
        golden = [1.0]
        date = "2026-01-01"

        [[published.echo.published]]
        name = "echo/echo.txt"

        [[published.finder.default]]
        name = "finder/finder.txt"
        """
    )
    monkeypatch.setattr(files, "shipped_weights", lambda: folder)
    monkeypatch.setenv("DLS_KERAS_WEIGHTS", str(folder))
    CALLS.clear()
    return modules[0]


def _module(name, functions, offers):
    module = types.ModuleType(name)
    module.offers = offers
    for function in offers:
        setattr(module, function, functions[function])
    return module
