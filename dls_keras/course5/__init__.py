"""Course 5: Sequence models."""

from dls_keras.catalog import lazy

__getattr__, __dir__ = lazy(__name__, course=5)
