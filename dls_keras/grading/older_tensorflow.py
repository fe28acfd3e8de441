"""TensorFlow 1 for the process of the learner's code: its names, and graphs.

`install` gives `tf` the names that it had, such as `tf.Session`. A function that opens
a session or makes a placeholder is called within a graph of its own by `in_graph`,
which then evaluates what it returned.
"""

import contextlib
import functools
import re
import types
from collections.abc import Callable
from typing import Any

# Code that only runs within a graph.
GRAPH = re.compile(
    r"\b(Session|InteractiveSession|placeholder|get_variable|variable_scope)\("
)
MOVED = {
    "log": "math.log",
    "ceil": "math.ceil",
    "random_normal": "random.normal",
    "random_uniform": "random.uniform",
    "truncated_normal": "random.truncated_normal",
    "matrix_band_part": "linalg.band_part",
    "is_nan": "math.is_nan",
}
REDUCTIONS = ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod")


@functools.cache
def install() -> None:
    """Give TensorFlow the names of version 1, as far as it has none of its own."""
    import tensorflow as tf

    old = tf.compat.v1
    for name, place in MOVED.items():
        if not hasattr(tf, name):
            setattr(tf, name, functools.reduce(getattr, place.split("."), tf))
    for name in dir(old):
        if not name.startswith("_") and not hasattr(tf, name):
            with contextlib.suppress(AttributeError):
                setattr(tf, name, getattr(old, name))
    for name in REDUCTIONS:
        setattr(tf, name, _older(getattr(tf, name), getattr(old, name)))
    for name in ("AdamOptimizer", "GradientDescentOptimizer", "MomentumOptimizer"):
        if not hasattr(tf.train, name):
            setattr(tf.train, name, getattr(old.train, name))
    tf.reset_default_graph = _reset(old)
    if not hasattr(tf, "contrib"):
        tf.contrib = types.SimpleNamespace(layers=_contrib(tf))


def _older(function, old):
    """A function that takes the arguments of version 1, too."""

    @functools.wraps(function)
    def called(*args, **kwargs):
        if "keep_dims" in kwargs or "reduction_indices" in kwargs:
            return old(*args, **kwargs)
        return function(*args, **kwargs)

    return called


def _reset(old):
    def reset_default_graph():
        with contextlib.suppress(AssertionError):  # within a graph
            old.reset_default_graph()

    return reset_default_graph


def _contrib(tf):
    """The parts of tf.contrib.layers that the course uses."""
    old = tf.compat.v1

    def xavier_initializer(uniform=True, seed=None, dtype=tf.float32):
        kind = (
            old.glorot_uniform_initializer if uniform else old.glorot_normal_initializer
        )
        return kind(seed=seed, dtype=dtype)

    def flatten(inputs, *args, **kwargs):
        size = 1
        for length in inputs.shape[1:]:
            size *= int(length)
        return tf.reshape(inputs, (-1, size))

    def fully_connected(inputs, num_outputs, activation_fn=tf.nn.relu, **kwargs):
        shape = (int(inputs.shape[-1]), num_outputs)
        name = f"fully_connected_{len(old.global_variables())}"
        weights = old.get_variable(name, shape, initializer=xavier_initializer())
        outputs = tf.matmul(inputs, weights)
        return activation_fn(outputs) if activation_fn else outputs

    return types.SimpleNamespace(
        xavier_initializer=xavier_initializer,
        variance_scaling_initializer=old.variance_scaling_initializer,
        flatten=flatten,
        fully_connected=fully_connected,
    )


def in_graph(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, called within a graph of its own; its results are evaluated."""

    @functools.wraps(function)
    def called(*args, **kwargs):
        import tensorflow as tf

        args, kwargs = _mapped((args, kwargs), lambda part: _plain(part, tf))
        with tf.Graph().as_default():
            result = function(*args, **kwargs)
            with tf.compat.v1.Session() as session:
                session.run(tf.compat.v1.global_variables_initializer())
                return _mapped(result, lambda part: _evaluated(part, session, tf))

    return called


def _mapped(value, change):
    """Nested tuples, lists and dicts with changed parts."""
    if isinstance(value, dict):
        return {key: _mapped(part, change) for key, part in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_mapped(part, change) for part in value)
    return change(value)


def _plain(part, tf):
    """An array for a tensor that was computed outside of the graph."""
    if isinstance(part, tf.Tensor | tf.Variable) and hasattr(part, "numpy"):
        return part.numpy()
    return part


def _evaluated(part, session, tf):
    """The value of a tensor or variable of the graph."""
    if isinstance(part, tf.Tensor | tf.Variable):
        try:
            return session.run(part)
        except (tf.errors.OpError, RuntimeError, TypeError, ValueError):
            return part  # such as a placeholder
    return part
