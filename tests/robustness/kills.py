"""Kill writers and training at random moments; then look at what they left.

A file under its final name is absent, or complete and readable. Hidden temporary files
may stay: nobody can delete them after a kill. A training that is started again
with its checkpoint ends with the weights of an uninterrupted one, bit for bit.

TensorFlow takes seconds to import, so that one process, the nursery, imports it and
forks a child for each run before it computes anything.
"""

import collections
import contextlib
import itertools
import json
import multiprocessing
import os
import signal
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from dls_keras.core import audio, images, weights

EPOCHS = 3
TRAIN = ("train", "fizzbuzz", "--epochs", str(EPOCHS), "--checkpoint", "run.ckpt")
TRAIN += ("--out", "w.h5")
START, LONGEST = 180, 120  # seconds for the imports, and for one run


def run(count, *, seed=0, on_kill=lambda: None):
    """Kill so many runs, half of them trainings; return the faults and a summary."""
    rng = np.random.default_rng(seed)
    faults, done = [], collections.Counter()
    with tempfile.TemporaryDirectory() as place, Nursery() as nursery:
        place = Path(place)
        seconds, expected = _uninterrupted(nursery, _new(place, "reference"))
        resumed = _new(place, "training-0")
        for i in range(count):
            if i % 2:
                folder = _new(place, f"files-{i}")
                done["writers"] += nursery.killed("files", folder, rng.uniform(0, 1.0))
                faults += [f"kill {i}: {fault}" for fault in wrong_files(folder)]
            else:
                delay = rng.uniform(0, seconds)
                done["trainings"] += nursery.killed("training", resumed, delay)
                faults += [f"kill {i}: {f}" for f in wrong_names(resumed, TRAINED)]
                # Every other time the same run is killed once more.
                if i % 4 or i >= count - 2:
                    faults += _resume(nursery, resumed, expected)
                    done["resumed"] += 1
                    resumed = _new(place, f"training-{i + 1}")
            on_kill()
    facts = ", ".join(f"{number} {what}" for what, number in done.items())
    return faults, f"{count} kills ({facts}): {len(faults)} faults"


def _new(place, name):
    (place / name).mkdir()
    return place / name


def _uninterrupted(nursery, folder):
    """How long a training takes, and its weights."""
    start = time.perf_counter()
    if code := nursery.finished("training", folder):
        raise RuntimeError(f"The training ends with {code}: {_said(folder)}")
    return time.perf_counter() - start, weights.load_arrays(folder / "w.h5")


def _resume(nursery, folder, expected):
    """What is wrong with a training that is started again until its end."""
    if not (folder / "w.h5").exists() and (
        code := nursery.finished("training", folder)
    ):
        return [f"the resumed training ends with {code}: {_said(folder)}"]
    got = weights.load_arrays(folder / "w.h5")
    same = got.keys() == expected.keys() and all(
        np.array_equal(got[name], expected[name]) for name in expected
    )
    return [] if same else ["the resumed training ends with other weights"]


def _said(folder):
    return (folder / ".said").read_text()[-500:]


TRAINED = {"run.ckpt", "w.h5"}


def wrong_names(folder, known):
    """The files that a writer should not leave."""
    names = {path.name for path in folder.iterdir() if path.name[0] != "."}
    return [f"left {name}" for name in sorted(names - set(known))]


def write_files(folder):
    """Write files of every kind again and again."""
    for i in itertools.count():
        for name, write in WRITES.items():
            write(folder / name.format(i), i)


def _write_database(path, i):
    from dls_keras.core import face_database

    known = face_database.Identities(f"network {i}")
    for person in range(20):
        known.add(f"person {person}", np.ones((1, 128)))
    known.save(path)


def _write_midi(path, i):
    from dls_keras.music import midi_and_wav, tunes

    midi_and_wav.write_midi(tunes.make_tune(0), path)


def _write_stubs(path, i):
    from dls_keras.grading import skeleton

    skeleton.write("numpy_basics", path)


WRITES = {  # what is written in round i; weights are never overwritten
    "image.png": lambda path, i: images.write(
        np.full((200, 300, 3), i % 256, "uint8"), path
    ),
    "sound.wav": lambda path, i: audio.write(path, np.full(20_000, i % 999, "int16")),
    "tune.mid": _write_midi,
    "door.npz": _write_database,
    "{}.h5": lambda path, i: weights.save_arrays({"a": np.full(50_000, i, "f4")}, path),
    "stubs.ipynb": _write_stubs,
    "stubs.py": _write_stubs,
}


def _complete(path):
    """Whether a file has all its values; an exception means no, too."""
    from dls_keras.core import face_database
    from dls_keras.music import tunes

    match path.suffix:
        case ".png":
            values = np.asarray(images.read(path))
        case ".wav":
            values = audio.read(path).samples
        case ".h5":
            values = weights.load_arrays(path)["a"]
        case ".npz":
            return len(face_database.load(path)) == 20
        case ".mid":
            return len(tunes.load_tune(path).notes) > 9
        case ".ipynb":
            return len(json.loads(path.read_text("utf-8"))["cells"]) > 3
        case _:
            return bool(compile(path.read_text("utf-8"), path, "exec"))
    sizes = {".png": 180_000, ".wav": 20_000, ".h5": 50_000}
    return values.size == sizes[path.suffix] and (values == values.flat[0]).all()


def wrong_files(folder):
    """What is wrong with the files that `write_files` left."""
    kept = {path.name for path in folder.glob("[0-9]*.h5")}
    faults = wrong_names(folder, {*WRITES, *kept})
    for name in sorted({*WRITES, *kept}):
        if (folder / name).exists():
            try:
                problem = "" if _complete(folder / name) else "wrong values"
            except Exception as error:
                problem = repr(error)
            faults += [f"{name} is not complete: {problem:.300}"] if problem else []
    return faults


def train(folder):
    """Train as the command line does."""
    from dls_keras.cli.main import main

    os.chdir(folder)
    with open(".said", "w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    main(TRAIN)


JOBS = {"files": write_files, "training": train}


class Nursery:
    """A process that has imported everything, and forks a child for each run."""

    def __enter__(self):
        spawn = multiprocessing.get_context("spawn")
        self.connection, other = spawn.Pipe()
        self.process = spawn.Process(target=_nurse, args=(other,))
        self.process.start()
        other.close()
        self._receive(START)
        return self

    def __exit__(self, *error):
        self.connection.close()
        self.process.join(5)
        self.process.kill()
        self.process.join()

    def _receive(self, seconds):
        if not self.connection.poll(seconds):
            raise TimeoutError(f"A run does not end in {seconds} seconds.")
        return self.connection.recv()

    def killed(self, job, folder, delay):
        """Kill a run after some seconds; return whether it was still running."""
        child = self._started(job, folder)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)  # if it has ended, it is a zombie
        return self._ended() == -signal.SIGKILL

    def finished(self, job, folder):
        """Run to the end; return the exit code."""
        self._started(job, folder)
        return self._ended()

    def _started(self, job, folder):
        self.connection.send((job, folder))
        return self._receive(LONGEST)

    def _ended(self):
        self.connection.send("wait")  # until then the number of the child stays its own
        return self._receive(LONGEST)


def _nurse(connection):
    """Fork a child for each job; send its number, then its exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # TensorFlow's log
    warnings.simplefilter("ignore")  # about a fork in a process with threads
    from dls_keras import models
    from dls_keras.cli import main  # noqa: F401  # imported before the fork
    from dls_keras.core import training  # noqa: F401

    for name in ("fizzbuzz", "numpy_basics"):
        models.open_assignment(name)
    connection.send("ready")
    with contextlib.suppress(EOFError):
        while True:
            job, folder = connection.recv()
            child = os.fork()
            if not child:
                _child(job, folder)
            connection.send(child)
            connection.recv()
            _, status = os.waitpid(child, 0)
            connection.send(os.waitstatus_to_exitcode(status))


def _child(job, folder):
    """Do a job and end the process."""
    try:
        JOBS[job](folder)
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    except BaseException:
        os._exit(99)
    os._exit(0)
