"""Read the convolutions of MatConvNet's VGG-19 as a program of its own.

    python -m dls_keras.converters.matconvnet FILE.mat OUT.npz

A damaged file can crash SciPy's reader, or keep it in an endless loop. So
`converters.vgg19` runs this module by `core.isolated`, and reads only the npz that it
writes: the arrays block1_conv1/kernel, block1_conv1/bias and so on. It needs NumPy and
SciPy alone.
"""

import os
import re
import sys

import numpy as np

from dls_keras.core import isolated

LARGEST_OUTPUT = 256 * 2**20  # bytes; the convolutions of VGG-19 have 80 MB


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


def main() -> None:
    """Read the file that the first argument names, write the second."""
    path, out = sys.argv[1:]
    isolated.limit(os.path.getsize(path), output=LARGEST_OUTPUT)
    try:
        np.savez(out, **convolutions(path))  # type: ignore[arg-type]
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
