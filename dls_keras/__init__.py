"""The assignments of the Deep Learning Specialization, running, tested, with weights.

Every assignment is an attribute that is imported when it is first used:

    import dls_keras
    translator = dls_keras.date_translation.load_pretrained()
"""

from dls_keras import saving
from dls_keras.catalog import lazy

__version__ = "0.1.0"

__getattr__, __dir__ = lazy(__name__)

saving.register_with_keras()
