"""Writers on a full disk: a limit on the size of files, or a small file system.

Each writer runs first without a limit, which must succeed, then with a limit of one
byte and of half its file. It must then raise an InputError, or exit with code 2 and one
message, and leave no file.
"""

import contextlib
import io
import os
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np

from tests.full_disks import full_disk

SOLUTION = "def sigmoid(x):\n    return 1 / (1 + 2.718281828459045 ** -x)\n"


def weights_of_arrays(path):
    from dls_keras.core import weights

    weights.save_arrays({"000/dense/kernel": np.ones((100, 100), "f4")}, path)


def image(path):
    from dls_keras.core import images

    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), "uint8")
    images.write(noise, path)


def sound(path):
    from dls_keras.core import audio

    audio.write(path, np.zeros(9999, "int16"))


def midi(path):
    from dls_keras.music import midi_and_wav, tunes

    midi_and_wav.write_midi(tunes.make_tune(0), path)


def database(path):
    from dls_keras.core import face_database

    known = face_database.Identities("network")
    known.add("younes", np.ones((1, 128)))
    known.save(path)


def submission(path):
    from dls_keras.datasets import digits

    digits.write_submission(range(5000), path)


def resumes(path):
    from dls_keras.datasets import resumes

    resumes.write_resumes(resumes.make_resumes(5), path)


def tour_page(path):
    from dls_keras import catalog
    from dls_keras.cli import tour

    tour.write([tour.Stop(catalog.BY_NAME["fizzbuzz"], "What?", error="none")], path)


def command(*words):
    """A writer that runs `dls-keras` with the path as the last word."""

    def write(path):
        from dls_keras.cli.main import main

        main([*words, str(path)])

    return write


def _check(option):
    def write(path):
        solution = path.with_name("solution.py")
        command("check", "numpy_basics", str(solution), option)(path)

    return write


WRITERS = {
    "a.h5": weights_of_arrays,
    "image.png": image,
    "image.jpg": image,
    "image.gif": image,
    "image.webp": image,
    "image.tiff": image,
    "sound.wav": sound,
    "tune.mid": midi,
    "door.npz": database,
    "submission.csv": submission,
    "resumes.json": resumes,
    "tour.html": tour_page,
    "start.py": command("start", "numpy_basics", "--out"),
    "start.ipynb": command("start", "numpy_basics", "--notebook", "--out"),
    "report.csv": _check("--csv"),
    "junit.xml": _check("--junit"),
    "w.h5": command("train", "fizzbuzz", "--epochs", "1", "--out"),
    "run.ckpt": command(
        *("train", "fizzbuzz", "--epochs", "1", "--out", "x.h5", "--checkpoint")
    ),
    "curve.png": command(
        *("train", "fizzbuzz", "--epochs", "1", "--out", "y.h5", "--curve")
    ),
    "answer.png": command("infer", "fizzbuzz", "15", "--out"),
    "solo.wav": command("infer", "jazz", "Dm7 G7 | Cmaj7", "--out"),
    "solo.mid": command("infer", "jazz", "Dm7 G7 | Cmaj7", "--out"),
}


def run(connection, folder, names):
    """Try the writers on a full disk; send (name, limit, fault) for each attempt."""
    os.environ["TMPDIR"] = str(folder)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # TensorFlow's log
    warnings.simplefilter("ignore")
    folder = Path(folder)
    for name in names:
        place = folder / "place"
        connection.send((name, None, None))
        code, said = attempt(name, _fresh(place))
        path = place / name
        if not path.is_file():
            connection.send((name, "none", f"writes no file: {code} {said[-300:]}"))
            continue
        for limit in sorted({1, path.stat().st_size // 2}):
            _fresh(place)
            with full_disk(limit):
                code, said = attempt(name, place)
            connection.send((name, f"{limit} bytes", fault(code, said, place)))
    connection.send(None)


def fault(code, said, place):
    """What is wrong with an attempt on a full disk; "" if nothing is."""
    left = sorted(str(p.relative_to(place)) for p in place.rglob("*") if p.is_file())
    left = [name for name in left if name not in ("solution.py", "x.h5", "y.h5")]
    if code not in ("InputError", 2):
        return f"ends with {code}: {said[-300:]}"
    if "Traceback" in said or said.count("\n") > 3 or not said.strip():
        return f"says {said[-300:]!r}"
    return f"leaves {left}" if left else ""


def attempt(name, place):
    """Write a file; return how that ended and what was said."""
    from dls_keras.core.errors import InputError

    err, here = io.StringIO(), os.getcwd()
    os.chdir(place)
    try:
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            WRITERS[name](place / name)
    except SystemExit as ended:
        said = [
            line for line in err.getvalue().splitlines(True) if "epoch " not in line
        ]
        return ended.code or 0, "".join(said)
    except InputError as error:
        return "InputError", str(error)
    except BaseException as error:
        return type(error).__name__, repr(error)
    finally:
        os.chdir(here)
    return 0, err.getvalue()


def _fresh(place):
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    (place / "solution.py").write_text(SOLUTION)
    return place


@contextlib.contextmanager
def full_file_system(folder):
    """A file system of 64 kB at `folder` with no space left.

    Raises:
        OSError: if this user cannot mount one.
    """
    size = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    done = subprocess.run(["mount", *size], capture_output=True, text=True)
    if done.returncode:
        raise OSError(done.stderr.strip() or "mount fails")
    try:
        with contextlib.suppress(OSError):
            with open(folder / "filler", "wb", buffering=0) as filler:
                while True:
                    filler.write(bytes(1024))
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)
