"""Saved Keras models find our layers, although importing `dls_keras` is lazy.

`keras.models.load_model` looks custom classes up by name, "dls_keras>GRU", and knows
only those whose module has been imported. As soon as Keras is imported, `register`
enters a stand-in for each of our classes, which imports the module when a model needs
the class:

    import dls_keras, keras
    model = keras.models.load_model("translator.keras")
"""

import importlib

# Each custom class or function that models of the package are saved with.
OBJECTS = {
    "Adam": "dls_keras.fast.layers",
    "BatchNormalization": "dls_keras.fast.layers",
    "Conv2D": "dls_keras.fast.layers",
    "Dropout": "dls_keras.fast.layers",
    "PReLU": "dls_keras.fast.layers",
    "GRU": "dls_keras.fast.recurrent",
}


def register(keras) -> None:
    """Enter all of `OBJECTS` in Keras's table of custom objects."""
    table = keras.saving.get_custom_objects()
    for name, module in OBJECTS.items():
        table.setdefault(f"dls_keras>{name}", _stand_in(name, module))


def _stand_in(name, module):
    """A class whose `from_config` is that of `module.name`, imported then."""

    def from_config(cls, config, **more):
        return getattr(importlib.import_module(module), name).from_config(
            config, **more
        )

    return type(name, (), {"from_config": classmethod(from_config)})
