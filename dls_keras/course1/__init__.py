"""Course 1: Neural networks and deep learning."""

from dls_keras.catalog import lazy

__getattr__, __dir__ = lazy(__name__, course=1)
