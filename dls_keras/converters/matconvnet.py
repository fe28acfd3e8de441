"""Read the convolutions of MatConvNet's VGG-19 as a program of its own.

    python -m dls_keras.converters.matconvnet FILE.mat OUT.npz

A damaged file can crash SciPy's reader, or keep it in an endless loop. No exception
handler notices either of them. So `converters.vgg19` runs this module in a process with
limits on its time and memory, and reads only the npz that it writes: the arrays
block1_conv1/kernel, block1_conv1/bias and so on. It needs NumPy and SciPy alone.
"""

import contextlib
import math
import os
import re
import sys
import time

import numpy as np

MEMORY = 2**30  # bytes, in addition to four times the size of the file
LARGEST_OUTPUT = 256 * 2**20  # bytes; the convolutions of VGG-19 have 80 MB
SECONDS = 2  # of computing, in addition to one for each `BYTES_PER_SECOND`
BYTES_PER_SECOND = 20_000_000


def convolutions(path: str) -> dict[str, np.ndarray]:
    """The kernels and biases of a .mat file, for images in BGR.

    Raises:
        Exception: of almost any kind, if the file is damaged.
    """
    from scipy import io  # late: only after the limits are set

    layers = io.loadmat(
        path, appendmat=False, variable_names="layers", simplify_cells=True
    )["layers"]
    arrays: dict[str, np.ndarray] = {}
    for layer in layers:
        match = re.fullmatch(r"conv(\d)_(\d)", layer["name"])
        if match is None:
            continue
        name = "block{}_conv{}".format(*match.groups())
        new = "weights" in layer  # the older edition has filters and biases
        kernel, bias = layer["weights"] if new else (layer["filters"], layer["biases"])
        if kernel.ndim != 4 or bias.size != kernel.shape[-1]:
            raise ValueError(f"{name} has shapes {kernel.shape} and {bias.shape}")
        for array in (kernel, bias):
            if array.dtype.kind != "f" or not np.isfinite(array).all():
                raise ValueError(f"{name} has values that are not finite numbers")
        if f"{name}/kernel" in arrays:
            raise ValueError(f"{name} occurs twice")
        if name == "block1_conv1":
            kernel = kernel[:, :, ::-1]  # from RGB to BGR
        arrays |= {f"{name}/kernel": kernel, f"{name}/bias": bias.ravel()}
    if "block1_conv1/kernel" not in arrays:
        raise ValueError("it has no layer conv1_1")
    return arrays


def _limit(size):
    """Limit what this process may use, where the system supports it."""
    try:
        import resource
    except ImportError:  # on Windows
        return
    seconds = math.ceil(time.process_time()) + SECONDS + size // BYTES_PER_SECOND
    for name, limit in (
        ("RLIMIT_AS", MEMORY + 4 * size),
        ("RLIMIT_CPU", seconds),
        ("RLIMIT_FSIZE", LARGEST_OUTPUT),
        ("RLIMIT_CORE", 0),
    ):
        # A system may lack a limit, refuse it, or have a lower one.
        with contextlib.suppress(AttributeError, ValueError, OSError):
            kind = getattr(resource, name)
            resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


def main() -> None:
    """Read the file that the first argument names, write the second."""
    path, out = sys.argv[1:]
    _limit(os.path.getsize(path))
    try:
        np.savez(out, **convolutions(path))  # type: ignore[arg-type]
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
