"""An entry of the table of fast forms, which are compared with the lessons' forms.

The modules `tests/fast/*_forms.py` contain the table: `FORMS` is a list of `Form`.
"""

from collections.abc import Callable
from typing import NamedTuple


class Form(NamedTuple):
    """A fast form and the lesson's form of one computation.

    Attributes:
        name: what is computed, "conv_forward, stride 2".
        fast, lesson: functions of the same inputs, which return arrays or tensors, or
            nested lists, tuples or dicts of them, in the same structure.
        inputs: a function that returns the inputs, random with a fixed seed.
        gradients: whether the gradients of the outputs with respect to all
            floating-point inputs are compared, too; both forms then use TensorFlow.
        rtol, atol: tolerances of values and gradients.
    """

    name: str
    fast: Callable
    lesson: Callable
    inputs: Callable[[], tuple]
    gradients: bool = False
    rtol: float = 1e-5
    atol: float = 1e-6
