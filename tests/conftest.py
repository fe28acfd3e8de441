"""What all tests share: a seed; without data, data tests are skipped with a reason."""

import os
import sys

# The tests compare numbers; the log lines of TensorFlow's start say nothing here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import pytest

from dls_keras.core import files

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("dls_keras", deadline=None)
hypothesis.settings.load_profile("dls_keras")


def pytest_runtest_setup(item):
    """Let networks begin alike, whichever test ran before.

    Hypothesis seeds its examples itself, and draws others in each run.
    """
    keras = sys.modules.get("keras")  # tests of NumPy alone do not wait for it
    by_hypothesis = getattr(item.obj, "is_hypothesis_test", False)
    if keras and not by_hypothesis:
        keras.utils.set_random_seed(0)


def pytest_collection_modifyitems(items):
    """Skip what needs real data where `DLS_KERAS_DATA` names none."""
    if files.data_folder() is None:
        skip = pytest.mark.skip(
            reason="needs real data: set DLS_KERAS_DATA to the folder that holds them"
        )
        for item in items:
            if "data" in item.keywords:
                item.add_marker(skip)
