"""Course 3: Structuring machine learning projects."""

from dls_keras.catalog import lazy

__getattr__, __dir__ = lazy(__name__, course=3)
