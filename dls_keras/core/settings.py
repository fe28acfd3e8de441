"""Keras as this package expects it, whatever a user has set for models of their own.

Layers take their precision and the order of their axes from global settings:
`keras.mixed_precision.set_global_policy`, `keras.config.set_floatx`,
`keras.config.set_image_data_format`, or the file `keras.json`. The models of this
package are float32 with channels last, so what builds them is decorated:

    @settings.keras_defaults()
    def build_model():
        ...

`undisturbed` also restores the random state, which loading a model leaves as it is:
Keras takes a default seed from Python's `random` for each layer, initializer and
regularizer that is given none, although the loaded weights replace the initial ones.
"""

import contextlib
import random
import threading
from collections.abc import Iterator

import numpy as np

from dls_keras.core import log_lines
from dls_keras.core.errors import InputError

# Keras and TensorFlow are imported where they are needed: some assignments with
# decorated functions answer with NumPy alone.

DEFAULTS = ("float32", "float32", "channels_last")
_block = threading.local()  # whether this thread is within `keras_defaults`
WRONG_BACKEND = (
    "dls_keras needs TensorFlow as the backend of Keras, received {}. Set "
    "KERAS_BACKEND=tensorflow before Keras is imported."
)


@contextlib.contextmanager
def keras_defaults(dtype: str | None = None) -> Iterator[None]:
    """Let Keras use float32 and channels last within a block or decorated function.

    Args:
        dtype: another policy of precision, such as "mixed_bfloat16". A block without
            one, within such a block, keeps the policy.

    Raises:
        InputError: if Keras has another backend than TensorFlow, or TensorFlow's
            eager execution is switched off.
    """
    _check_runtime()
    before, inside = _settings(), getattr(_block, "entered", False)
    policy = dtype or (before[0] if inside else DEFAULTS[0])
    _block.entered = True
    _set(policy, *DEFAULTS[1:])
    try:
        yield
    finally:
        _set(*before)
        _block.entered = inside


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """As `keras_defaults`; at the end, restore the random states of Python and NumPy.

    >>> before = random.getstate()
    >>> with undisturbed():
    ...     number = random.random()
    >>> random.getstate() == before
    True
    """
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with keras_defaults():
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)


def _check_runtime():
    with log_lines.first_dropped():
        import keras
        import tensorflow as tf

    if (backend := keras.config.backend()) != "tensorflow":
        raise InputError(WRONG_BACKEND.format(backend))
    if not tf.compat.v1.executing_eagerly_outside_functions():
        raise InputError(
            "dls_keras needs TensorFlow 2, but `tf.compat.v1.disable_v2_behavior()` or "
            "`disable_eager_execution()` was called. Start Python again without it."
        )


def _settings():
    """The global policy of precision, the type of floats, and the order of axes."""
    from keras import config

    return config.dtype_policy(), config.floatx(), config.image_data_format()


def _set(policy, floatx, data_format):
    from keras import config

    config.set_dtype_policy(policy)
    config.set_floatx(floatx)
    config.set_image_data_format(data_format)
