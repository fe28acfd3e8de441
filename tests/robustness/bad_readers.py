"""Readers with one fault each; importing this module adds them to the table."""

import ctypes
import subprocess
import time

import numpy as np

from dls_keras.core.errors import InputError
from tests.robustness import worker
from tests.robustness.table import READERS, Reader, written

CONTENT = b"valid" * 100
STATE = [np.zeros(3)]

worker.SECONDS = 1.0


class Variable:
    """A variable of a model."""

    def __array__(self, dtype=None, copy=None):
        return STATE[0].copy()

    def assign(self, value):
        STATE[0] = np.array(value)


def half_change(path):
    STATE[0] = np.ones(3)
    raise InputError("damaged")


def compute(path):
    end = time.process_time() + 1.2
    while time.process_time() < end:
        pass
    return np.ones(3)


def open_outside(path):
    secret = path.parents[1] / "outside" / "secret.bin"
    return len(secret.read_bytes()) * np.ones(3)


def quote(path):
    error = InputError()
    error.args = ("x" * 2000,)
    raise error


FAULTS = {
    "foreign exception": lambda path: {}["missing"],
    "crash": lambda path: ctypes.string_at(0),
    "hang": lambda path: time.sleep(99),
    "too slow": compute,
    "too much memory": lambda path: len(b"\1" * (1200 * 2**20)) * np.ones(3),
    "not finite": lambda path: np.array([1.0, np.nan]),
    "wrong answer": lambda path: "a text in place of an array",
    "cut unnoticed": lambda path: np.ones(2),
    "half-changed model": half_change,
    "program started": lambda path: subprocess.run(["true"]).returncode * np.ones(3),
    "other file read": open_outside,
    "long message": quote,
}


def with_fault(read):
    """A reader that is right about the valid file only."""

    def reader(path):
        valid = path.is_file() and path.read_bytes() == CONTENT
        return np.ones(3) if valid else read(path)

    return reader


for fault, read in FAULTS.items():
    READERS[fault] = Reader(
        fault,
        written("file", CONTENT),
        with_fault(read),
        (),
        variables=(lambda: [Variable()]) if fault == "half-changed model" else None,
        complete=True,
    )
