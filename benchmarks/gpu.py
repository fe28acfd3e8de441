"""Checks of compiled steps on a GPU, with `--device gpu`.

A step is one XLA program on the GPU. It is traced once for any number of epochs, and
makes no transfers between GPU and host while it runs.
"""

import contextlib

import numpy as np

from benchmarks.timing import TrainingBenchmark

# Words of an XLA program that transfers data from or to the host.
TRANSFERS = ("infeed", "outfeed", "is_host_transfer=true", "S(5)", "xla_python")


@contextlib.contextmanager
def tensor_float_32(allowed: bool):
    """Allow TensorFlow and PyTorch to round float32 products to 10 bits of mantissa."""
    import tensorflow as tf

    from benchmarks import mirror

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(allowed)
    if mirror.available():
        import torch

        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def check(name: str, benchmark: TrainingBenchmark, epochs: int = 3) -> str:
    """Train for some epochs, check the compiled step and report in one line.

    Raises:
        ArithmeticError: if the step is traced more than once, does not run on a GPU
            or transfers data from or to the host.
    """
    from dls_keras.core import training

    made, compile_step = [], training.compile_step

    def keep(*arguments, **options):
        step = compile_step(*arguments, **options)
        made.append(_Recorded(step))
        return made[-1]

    training.compile_step = keep
    try:
        benchmark.train(epochs, lambda epoch, loss: None)
    finally:
        training.compile_step = compile_step
    (recorded,) = made
    traces = recorded.step.experimental_get_tracing_count()
    if traces != 1:
        raise ArithmeticError(f"{name}: the step was traced {traces} times, not once.")
    batch = [np.zeros(shape, dtype) for shape, dtype in recorded.batch]
    device = recorded.step(*batch).device
    if "GPU" not in device:
        raise ArithmeticError(f"{name}: the step ran on {device}, not on a GPU.")
    program = recorded.step.experimental_get_compiler_ir(*batch)("optimized_hlo")
    if found := [word for word in TRANSFERS if word in program]:
        raise ArithmeticError(
            f"{name}: the program transfers data from or to the host: "
            f"{', '.join(found)}."
        )
    return f"{name}: on {device}, traced once, no transfers from or to the host"


class _Recorded:
    """A step that records the shapes and types of its last batch."""

    def __init__(self, step):
        self.step = step

    def __call__(self, *batch):
        self.batch = [(t.shape, t.dtype.as_numpy_dtype) for t in batch]
        return self.step(*batch)
