"""Every fast form computes what the lesson's form computes: values and gradients."""

import importlib
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
MODULES = sorted(
    {path.stem for path in HERE.glob("*_forms.py")} - {Path(__file__).stem}
)
FORMS = [
    pytest.param(form, id=form.name)
    for module in MODULES
    for form in importlib.import_module(module).FORMS
]


def leaves(value):
    """The arrays in a nested structure, as NumPy arrays, in order."""
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in leaves(value[key])]
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [np.asarray(value)]


def compare(form, got, expected):
    """Same number of arrays, same shapes, values within the tolerances."""
    got, expected = leaves(got), leaves(expected)
    assert len(got) == len(expected) > 0
    for one, other in zip(got, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=form.rtol, atol=form.atol)


@pytest.mark.parametrize("form", FORMS)
def test_values_agree(form):
    """For the same inputs."""
    compare(form, form.fast(*form.inputs()), form.lesson(*form.inputs()))


@pytest.mark.parametrize("form", [f for f in FORMS if f.values[0].gradients])
def test_gradients_agree(form):
    """Of the outputs, weighted by fixed random numbers, in every float input."""
    import tensorflow as tf

    def gradients(function):
        inputs = [
            tf.constant(x) if np.asarray(x).dtype.kind == "f" else x
            for x in form.inputs()
        ]
        watched = [x for x in inputs if isinstance(x, tf.Tensor)]
        rng = np.random.default_rng(0)
        with tf.GradientTape() as tape:
            tape.watch(watched)
            outputs = [
                tf.convert_to_tensor(y) for y in tf.nest.flatten(function(*inputs))
            ]
            weighted = [
                tf.reduce_sum(
                    y * rng.normal(size=y.shape).astype(y.dtype.as_numpy_dtype)
                )
                for y in outputs
                if y.dtype.is_floating
            ]
            total = tf.add_n(weighted)
        return tape.gradient(total, watched, unconnected_gradients="zero")

    compare(form, gradients(form.fast), gradients(form.lesson))
