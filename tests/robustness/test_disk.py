"""On a full disk every writer says so once and leaves no file."""

import multiprocessing
import signal

import numpy as np
import pytest

from dls_keras.core import audio, images, weights
from dls_keras.core.errors import InputError
from tests.full_disks import full_disk
from tests.robustness import disk

SECONDS = 120  # for one writer, its imports included


def faults(folder, names):
    """What is wrong with writers on a full disk, a line each."""
    spawn = multiprocessing.get_context("spawn")
    found, waiting, last = [], list(names), ""
    while waiting:
        ours, its = spawn.Pipe()
        process = spawn.Process(target=disk.run, args=(its, folder, waiting))
        process.start()
        its.close()
        try:
            while ours.poll(SECONDS) and (message := ours.recv()) is not None:
                last, limit, fault = message
                if fault:
                    found.append(f"{last} with a limit of {limit}: {fault}")
            waiting = []
        except EOFError:
            process.join()
            name = signal.Signals(-process.exitcode).name
            found.append(f"{last} ends the process with {name}")
            waiting = waiting[waiting.index(last) + 1 :]
        process.kill()
        process.join()
        ours.close()
    return found


def test_a_writer_on_a_full_disk_says_so_and_leaves_no_file(tmp_path):
    """With a limit of one byte and of half the file: InputError or exit code 2."""
    assert faults(tmp_path, disk.WRITERS) == []


def test_a_careless_writer_is_found(tmp_path, monkeypatch):
    """One that raises an OSError and leaves the first byte of its file."""
    careless = {"file": lambda path: path.write_bytes(bytes(9))}
    monkeypatch.setattr(disk, "WRITERS", careless)
    with full_disk(1):
        code, said = disk.attempt("file", tmp_path)
    assert "OSError" in disk.fault(code, said, tmp_path)
    assert disk.fault(2, "The disk is full.", tmp_path) == "leaves ['file']"


def test_a_full_file_system_raises_an_input_error(tmp_path):
    """Weights, an image and a sound on a file system without space."""
    writers = {
        "a.h5": lambda path: weights.save_arrays({"a": np.ones(999, "f4")}, path),
        "a.png": lambda path: images.write(np.ones((99, 99, 3), "uint8"), path),
        "a.wav": lambda path: audio.write(path, np.ones(9999, "int16")),
    }
    try:
        with disk.full_file_system(tmp_path):
            before = {*tmp_path.iterdir()}
            for name, write in writers.items():
                with pytest.raises(InputError, match="No space left|full"):
                    write(tmp_path / name)
                assert {*tmp_path.iterdir()} == before
    except OSError as error:
        if isinstance(error, InputError):
            raise
        pytest.skip(f"needs the right to mount a file system: {error}")
