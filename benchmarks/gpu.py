"""What `--device gpu` asks of compiled steps beside their speed.

On a GPU a step is one program of XLA's: it stands on the GPU, is traced once however
many epochs there are, and copies nothing to the host and back on its way.
"""

import contextlib

import numpy as np

from benchmarks.timing import Training

# What a program says of a detour through the host; a loss comes back as its result.
DETOURS = ("infeed", "outfeed", "is_host_transfer=true", "S(5)", "xla_python")


@contextlib.contextmanager
def tensor_float_32(allowed: bool):
    """Products of float32 rounded to 10 bits of mantissa, in TensorFlow and PyTorch."""
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


def check(name: str, contest: Training, epochs: int = 3) -> str:
    """Train for some epochs and say in a line that the step is as it should be.

    Raises:
        ArithmeticError: if it is traced more than once, stands elsewhere or makes a
            detour.
    """
    from dls_keras.core import training

    made, compile_step = [], training.compile_step

    def keep(*arguments, **options):
        step = compile_step(*arguments, **options)
        made.append(_Recorded(step))
        return made[-1]

    training.compile_step = keep
    try:
        contest.learn(epochs, lambda epoch, loss: None)
    finally:
        training.compile_step = compile_step
    (recorded,) = made
    traces = recorded.step.experimental_get_tracing_count()
    if traces != 1:
        raise ArithmeticError(f"{name}: the step was traced {traces} times, not once.")
    batch = [np.zeros(shape, dtype) for shape, dtype in recorded.batch]
    place = recorded.step(*batch).device
    if "GPU" not in place:
        raise ArithmeticError(f"{name}: the loss came from {place}, not from a GPU.")
    program = recorded.step.experimental_get_compiler_ir(*batch)("optimized_hlo")
    if found := [word for word in DETOURS if word in program]:
        raise ArithmeticError(f"{name}: the program has {', '.join(found)} in it.")
    return f"{name}: on {place}, traced once, no detour through the host"


class _Recorded:
    """A step that keeps the shapes and types of its batches."""

    def __init__(self, step):
        self.step = step

    def __call__(self, *batch):
        self.batch = [(t.shape, t.dtype.as_numpy_dtype) for t in batch]
        return self.step(*batch)
