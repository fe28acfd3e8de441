"""Stand-ins for what the course lays beside a notebook and no lesson defines.

Its helper files (`nmt_utils`, `music_utils`, `kt_utils`) define functions, bring along
other modules by `import *`, and read data files. Here are the functions, the modules
and small data files of the same form.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dls_keras import catalog
from dls_keras.grading import guard

# Assignment -> name of a data file -> its text.
DATA_FILES = {
    "dinosaurs": {"dinos.txt": "oakraptor\nrivertops\nstonodon\nash\nmaplesaurus\n"},
}

# Names that helper files of the course bring along, and what they are.
BROUGHT_ALONG = {
    "np": "numpy",
    "plt": "matplotlib.pyplot",
    "pd": "pandas",
    "h5py": "h5py",
    "scipy": "scipy",
    "tf": "tensorflow",
    "keras": "keras",
    "K": "keras.backend",
    "Image": "PIL.Image",
    "to_categorical": "keras.utils:to_categorical",
    "genfromtxt": "numpy:genfromtxt",
    **{
        name: name
        for name in (
            *("copy", "csv", "colorsys", "io", "itertools", "json", "math", "os"),
            *("random", "re", "sys", "time"),
        )
    },
}


def write_data_files(assignment: str, folder: Path) -> None:
    """Write the data files that the functions of an assignment may read."""
    for name, text in DATA_FILES.get(assignment, {}).items():
        (folder / name).write_text(text, encoding="utf-8")


def brought_along(name: str) -> Any:
    """The module or function of `BROUGHT_ALONG`, None if it is not installed."""
    module, _, attribute = BROUGHT_ALONG[name].partition(":")
    try:
        found = importlib.import_module(module)
    except ImportError:
        return None
    return getattr(found, attribute) if attribute else found


def functions(assignment: str) -> dict[str, Callable[[], Any]]:
    """The stand-ins of an assignment: name -> a function that returns it."""
    return MAKERS.get(assignment, {})


def _load_dates():
    """`load_dataset` of nmt_utils."""
    with guard.lifted():
        dates = catalog.load("date_translation").dates

    def load_dataset(m):
        """m pairs of dates, and the three vocabularies."""
        human, machine = dict(dates.HUMAN_VOCAB), dict(dates.MACHINE_VOCAB)
        inverse = {index: character for character, index in machine.items()}
        return dates.make_pairs(m), human, machine, inverse

    return load_dataset


def _date_one_hot():
    """`to_categorical` under the name that some helper files use."""
    return brought_along("to_categorical")


def _jazz_one_hot():
    """`one_hot` of music_utils: the arg max of probabilities as the next input."""
    import keras
    import tensorflow as tf

    def one_hot(x):
        """(m, n) -> (m, 1, n), 1 where the largest probability is."""
        largest = tf.one_hot(tf.argmax(x, axis=-1), x.shape[-1])
        return keras.layers.RepeatVector(1)(largest)

    return one_hot


def _load_music():
    """`load_music_utils` of music_utils and data_utils."""

    def load_music_utils(file=None):
        """One-hot inputs and targets of 60 windows, sampled at random."""
        generator, size = np.random.RandomState(0), 90
        tokens = generator.randint(0, size, (60, 31))
        X, Y = np.eye(size)[tokens[:, :-1]], np.eye(size)[tokens[:, 1:]]
        tones = {index: f"C,{index}" for index in range(size)}
        return X, np.swapaxes(Y, 0, 1), size, tones, []

    return load_music_utils


def _print_sample():
    """`print_sample` of the dinosaurs' utils."""

    def print_sample(sample_ix, ix_to_char):
        """Print the letters of some indices, the first one as a capital."""
        text = "".join(ix_to_char[index] for index in sample_ix)
        print(text[:1].upper() + text[1:], end="")

    return print_sample


MAKERS: dict[str, dict[str, Callable[[], Any]]] = {
    "date_translation": {"load_dataset": _load_dates, "one_hot": _date_one_hot},
    "dinosaurs": {"print_sample": _print_sample},
    "jazz": {"one_hot": _jazz_one_hot, "load_music_utils": _load_music},
}
