"""Course 4: Convolutional neural networks."""

from dls_keras.catalog import lazy

__getattr__, __dir__ = lazy(__name__, course=4)
