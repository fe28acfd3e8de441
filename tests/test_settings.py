"""A user's global settings and random state change no answer, and are not changed."""

import os
import random
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from dls_keras import catalog
from dls_keras.core import files, settings
from dls_keras.core.errors import InputError

ROWS = [row for row in catalog.ASSIGNMENTS if "load_pretrained" in row.offers]
PUBLISHED = {"shakespeare": "dinosaurus/model_shakespeare_kiank_350_epoch.h5"}
INPUTS = {"shakespeare": "Shall I compare thee"}  # the others have an example
SETTINGS = {"style_transfer": {"size": 64, "steps": 2}, "shakespeare": {"lines": 1}}


def state():
    """The states that a program can read, by the generator, short enough to compare."""
    states = {
        "Python": random.getstate(),
        "NumPy": [np.asarray(part).tolist() for part in np.random.get_state()],
        "TensorFlow": tf.random.get_global_generator().state.numpy().tolist(),
    }
    return {name: hash(repr(value)) for name, value in states.items()}


def numbers():
    """The next numbers of each global generator."""
    return [
        random.random(),
        np.random.uniform(),
        float(tf.random.uniform(())),
        float(keras.random.uniform(())),
    ]


def set_keras(policy, floatx, data_format):
    """Change the three global settings of Keras."""
    keras.config.set_dtype_policy(policy)
    keras.config.set_floatx(floatx)
    keras.config.set_image_data_format(data_format)


def keras_settings():
    """The three global settings of Keras."""
    config = keras.config
    return config.dtype_policy().name, config.floatx(), config.image_data_format()


@pytest.fixture(autouse=True)
def usual_settings():
    """Keras's own settings after each test."""
    yield
    set_keras(*settings.DEFAULTS)
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_settings_and_random_state_change_no_answer(row, monkeypatch):
    """Neither half precision nor channels first; the next random numbers are the same.

    The random numbers are those of Python, NumPy, TensorFlow and Keras.
    """
    published = PUBLISHED.get(row.name)
    if published and not files.in_data_folder(published):
        pytest.skip(f"needs {published}: set DLS_KERAS_DATA")
    if not published:
        monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    module = catalog.load(row.name)
    given = INPUTS[row.name] if row.name in INPUTS else module.example()[1]
    keras.utils.set_random_seed(5)
    expected = numbers()
    keras.utils.set_random_seed(5)
    before = state()
    model = module.load_pretrained()
    assert state() == before, "load_pretrained"
    answer = module.infer(model, given, **SETTINGS.get(row.name, {}))
    assert state() == before, "infer"
    assert numbers() == expected

    theirs = ("mixed_float16", "float16", "channels_first")
    set_keras(*theirs)
    again = module.infer(module.load_pretrained(), given, **SETTINGS.get(row.name, {}))
    assert keras_settings() == theirs
    assert str(again) == str(answer)
    if answer.confidence is not None:
        assert again.confidence == pytest.approx(answer.confidence, abs=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16", "float64"])
def test_build_model_is_float32_under_any_policy(policy):
    """A layer that names its precision keeps it."""
    set_keras(policy, "float16" if policy == "float16" else "float64", "channels_first")
    for name in ("happy_house", "trigger_word", "transformer", "residual_networks"):
        model = catalog.load(name).build_model()
        model = getattr(model, "model", model)
        assert {variable.dtype for variable in model.trainable_weights} == {"float32"}
        assert all(layer.compute_dtype == "float32" for layer in model.layers)
    half = catalog.load("happy_house").build_model(dtype="mixed_bfloat16")
    assert "bfloat16" in {layer.compute_dtype for layer in half.layers}


def test_answers_are_the_same_without_graphs():
    """`run_functions_eagerly` helps to debug, and is slower."""
    for name in ("happy_house", "trigger_word"):
        module = catalog.load(name)
        model, (_, given) = module.load_pretrained(), module.example()
        tf.config.run_functions_eagerly(True)
        again = module.infer(model, given)
        tf.config.run_functions_eagerly(False)
        assert str(again) == str(module.infer(model, given))


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_another_backend_of_keras_is_one_sentence(backend):
    """On the command line and in Python, whether the backend is installed or not."""
    environment = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, "-m", "dls_keras", "infer", "fizzbuzz", "15"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "KERAS_BACKEND=tensorflow" in done.stderr
    assert done.stderr.count("\n") <= 3


def test_tensorflow_1_behaviour_is_one_sentence():
    """`disable_v2_behavior` cannot be undone in the same process."""
    program = (
        "import tensorflow as tf; tf.compat.v1.disable_v2_behavior(); "
        "from dls_keras.course2 import fizzbuzz; fizzbuzz.load_pretrained()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert "InputError: dls_keras needs TensorFlow 2" in done.stderr


def test_settings_are_restored_when_the_block_fails():
    """And a block may be within another."""
    theirs = ("mixed_bfloat16", "float64", "channels_first")
    set_keras(*theirs)
    with pytest.raises(InputError), settings.keras_defaults():
        assert keras_settings() == settings.DEFAULTS
        with settings.undisturbed():
            raise InputError
    assert keras_settings() == theirs


def test_the_state_is_kept_when_the_function_fails():
    """Also of a decorated function."""

    @settings.undisturbed()
    def fail():
        random.random()
        np.random.uniform()
        raise KeyError

    random.seed(5)
    np.random.seed(5)
    before = state()
    with pytest.raises(KeyError):
        fail()
    assert state() == before
