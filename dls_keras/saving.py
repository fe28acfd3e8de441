"""Keras finds the custom layers of saved models, although `dls_keras` imports lazily.

`keras.models.load_model` looks custom classes up by name, such as "dls_keras>GRU", and
knows only those whose module has been imported. As soon as Keras is imported,
`register` enters a stand-in for each of ours, which imports the module when a model
needs it. So this is enough:

    import dls_keras, keras
    model = keras.models.load_model("translator.keras")
"""

import contextlib
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

# The classes and functions that models of the package are saved with, by module.
CLASSES = {
    "Adam": "dls_keras.fast.layers",
    "BatchNormalization": "dls_keras.fast.layers",
    "Conv2D": "dls_keras.fast.layers",
    "Dropout": "dls_keras.fast.layers",
    "PReLU": "dls_keras.fast.layers",
    "GRU": "dls_keras.fast.recurrent",
    "Reorg": "dls_keras.networks.darknet",
    "L2Pooling": "dls_keras.networks.open_face",
    "LocalResponseNormalization": "dls_keras.networks.normalization",
    "PartialConv2D": "dls_keras.course4.classic_networks",
    "RadialBasis": "dls_keras.course4.classic_networks",
    "Encoder": "dls_keras.course5.transformer",
    "EncoderLayer": "dls_keras.course5.transformer",
    "Decoder": "dls_keras.course5.transformer",
    "DecoderLayer": "dls_keras.course5.transformer",
    "Transformer": "dls_keras.course5.transformer",
    "SpanPredictor": "dls_keras.course5.question_answering",
    "TokenClassifier": "dls_keras.course5.named_entities",
}
FUNCTIONS = {
    "keras2_hard_sigmoid": "dls_keras.converters.keras_h5",
    "softmax_over_time": "dls_keras.course5.date_translation",
    "squash": "dls_keras.course4.classic_networks",
    "log1p": "dls_keras.course5.trigger_word",
}
OBJECTS = CLASSES | FUNCTIONS


def register_with_keras() -> None:
    """Call `register` now if Keras has been imported, otherwise once it is."""
    if keras := sys.modules.get("keras"):
        register(keras)
    else:
        sys.meta_path.insert(0, _KerasFinder())


class _KerasFinder:
    """A finder of modules that is asked first: it lets `register` follow Keras."""

    def find_spec(self, name, path=None, target=None):
        """The spec of Keras, whose loader calls `register` at the end."""
        if name != "keras":
            return None
        with contextlib.suppress(ValueError):  # another thread has removed it
            sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                register(module)

            spec.loader.exec_module = exec_module
        return spec


def register(keras: ModuleType) -> None:
    """Enter all of `OBJECTS` in Keras's table of custom objects."""
    known = keras.saving.get_custom_objects()
    for stand_in, objects in ((_class, CLASSES), (_function, FUNCTIONS)):
        for name, module in objects.items():
            if f"dls_keras>{name}" not in known:
                decorate = keras.saving.register_keras_serializable("dls_keras", name)
                decorate(stand_in(name, module))


def _class(name: str, module: str) -> type:
    """A class whose `from_config` is that of `module.name`, imported then."""

    def from_config(cls, config, **more):
        own = getattr(importlib.import_module(module), name)
        return own.from_config(config, **more)

    methods = {
        "from_config": classmethod(from_config),
        "get_config": lambda self: {},  # Keras asks for one, and never calls it
    }
    return type(name, (), methods)


def _function(name: str, module: str) -> Callable:
    """A function that calls `module.name`, imported then."""

    def function(*args, **more):
        return getattr(importlib.import_module(module), name)(*args, **more)

    function.__name__ = name
    return function
