"""Set a seed before each test; skip the tests that need real data if there is none."""

import os
import sys

# Hide the lines that TensorFlow logs when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import pytest

from dls_keras.core import files

# No deadline: the time of one example depends on how busy the machine is.
hypothesis.settings.register_profile("dls_keras", deadline=None)
hypothesis.settings.load_profile("dls_keras")


def pytest_runtest_setup(item):
    """Seed Keras, so that initial weights do not depend on the order of the tests.

    Hypothesis seeds its examples itself, differently in each run.
    """
    keras = sys.modules.get("keras")  # not imported here: NumPy tests do not need it
    by_hypothesis = getattr(item.obj, "is_hypothesis_test", False)
    if keras and not by_hypothesis:
        keras.utils.set_random_seed(0)


def pytest_collection_modifyitems(items):
    """Skip the tests marked `data` if `DLS_KERAS_DATA` names no folder."""
    if files.data_folder() is None:
        skip = pytest.mark.skip(
            reason="needs real data: set DLS_KERAS_DATA to the folder that holds them"
        )
        for item in items:
            if "data" in item.keywords:
                item.add_marker(skip)
