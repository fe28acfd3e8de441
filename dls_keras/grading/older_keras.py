"""What Keras 2 allowed and Keras 3 does not, for the process of the learner's code.

`install` changes Keras in this process: layers take `inputs=`, masks and `training` by
position, and the older names of arguments; functions of TensorFlow may be called on the
symbolic inputs of a model; names that moved are found at their old place. No change
affects a call that Keras 3 accepts as it is.
"""

import functools
import inspect
import re
import sys
import types
from typing import Any

# Class of keras.layers -> the default of its first argument in Keras 2.
POOLS = {
    "AveragePooling1D": 2,
    "AveragePooling2D": (2, 2),
    "AveragePooling3D": (2,) * 3,
}
# The order of the arguments of MultiHeadAttention in Keras 2, from the fourth.
ATTENTION = ("attention_mask", "return_attention_scores", "training")
# Functions of keras.applications that download their weights.
APPLICATIONS = ("MobileNetV2", "MobileNet", "VGG16", "VGG19", "ResNet50", "InceptionV3")


@functools.cache
def install() -> None:
    """Change Keras in this process."""
    import keras
    import tensorflow as tf

    _layer_calls(keras)
    _constructors(keras)
    _dispatch(keras, tf)


def _layer_calls(keras):
    """Let layers take the arguments of a call as in Keras 2."""
    layer = keras.layers.Layer
    classes = [layer, *_subclasses(layer)]
    for kind in [kind for kind in classes if "__call__" in vars(kind)]:
        kind.__call__ = _older_call(kind.__call__, keras)


def _subclasses(kind):
    for sub in kind.__subclasses__():
        yield sub
        yield from _subclasses(sub)


def _older_call(call, keras):
    @functools.wraps(call)
    def called(self, *args, **kwargs):
        args, kwargs = _arguments(self, args, kwargs, keras)
        return call(self, *args, **kwargs)

    return called


def _arguments(layer, args, kwargs, keras):
    """The arguments of a call of Keras 2 as Keras 3 wants them."""
    if isinstance(layer, keras.layers.Lambda) and args:
        layer.function = _frozen(layer.function, args[0])
    names = _parameters(type(layer))
    if not names:
        return args, kwargs
    if "inputs" in kwargs and not args and "inputs" not in names:
        args = (kwargs.pop("inputs"),)
    if isinstance(layer, keras.layers.MultiHeadAttention) and len(args) > 3:
        kwargs |= dict(zip(ATTENTION, args[3:], strict=False))
        args = args[:3]
    for number, value in enumerate(args):
        plain = isinstance(value, bool | int | float | str)
        if number and plain and len(args) <= len(names):
            kwargs |= dict(zip(names[number:], args[number:], strict=False))
            return args[:number], kwargs
    return args, kwargs


def _frozen(function, tensor):
    """A function as it is now, which reads the input of its layer, not the symbol.

    Keras 2 called the function of a Lambda layer once, while the model was built. So it
    could use the number of a loop, and the input by the name that it has outside.
    """
    cells = getattr(function, "__closure__", None)
    if not isinstance(function, types.FunctionType) or not cells:
        return function
    values = [cell.cell_contents for cell in cells]

    @functools.wraps(function)
    def called(inputs, *args, **kwargs):
        now = (types.CellType(inputs if v is tensor else v) for v in values)
        copy = types.FunctionType(
            function.__code__,
            function.__globals__,
            function.__name__,
            function.__defaults__,
            tuple(now),
        )
        copy.__kwdefaults__ = function.__kwdefaults__
        return copy(inputs, *args, **kwargs)

    return called


@functools.cache
def _parameters(kind):
    """The names of the positional parameters of a layer's `call`; or none."""
    try:
        parameters = list(inspect.signature(kind.call).parameters.values())[1:]
    except (TypeError, ValueError):
        return ()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return ()
    return tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)


def _constructors(keras):
    """Let layers, models and optimizers take the arguments of Keras 2."""
    layers = [v for v in vars(keras.layers).values() if isinstance(v, type)]
    for kind in layers:
        if "Pool" in kind.__name__:
            _change(kind, _pool_arguments(kind.__name__), always=_lower_padding)
        elif "Conv" in kind.__name__ or kind is keras.layers.Dense:
            _change(kind, dict, always=_whole_sizes)
    for kind in vars(keras.optimizers).values():
        if isinstance(kind, type) and "__init__" in vars(kind):
            _change(kind, _optimizer_arguments)
    new = keras.Model.__new__

    def model(cls, *args, **kwargs):
        return new(cls, *args, **_model_arguments(kwargs))

    keras.Model.__new__ = staticmethod(model)
    _change(keras.Model, _model_arguments)
    functional = type(keras.Model(inputs=(i := keras.Input((1,))), outputs=i))
    _change(functional, _model_arguments)


def _change(kind, arguments, always=dict):
    """Let a class change the keyword arguments of its constructor, if it must."""
    init = kind.__init__

    @functools.wraps(init)
    def changed(self, *args, **kwargs):
        kwargs = always(kwargs)
        try:
            init(self, *args, **kwargs)
        except (TypeError, ValueError):
            other = arguments(dict(kwargs))
            if other == kwargs:
                raise
            init(self, *args, **other)

    changed.__signature__ = inspect.signature(init)  # Keras reads it
    kind.__init__ = changed


def _pool_arguments(name):
    def arguments(kwargs):
        if name in POOLS:
            kwargs.setdefault("pool_size", POOLS[name])
        return kwargs

    return arguments


def _whole_sizes(kwargs):
    for name in ("filters", "units"):
        size = kwargs.get(name)
        if isinstance(size, float) and size.is_integer():
            kwargs[name] = int(size)
    return kwargs


def _lower_padding(kwargs):
    if isinstance(kwargs.get("padding"), str):
        kwargs["padding"] = kwargs["padding"].lower()
    return kwargs


def _model_arguments(kwargs):
    new = {"input": "inputs", "output": "outputs"}
    return {new.get(name, name): value for name, value in kwargs.items()}


def _optimizer_arguments(kwargs):
    if "lr" in kwargs:
        kwargs["learning_rate"] = kwargs.pop("lr")
    kwargs.pop("decay", None)
    return kwargs


def _dispatch(keras, tf):
    """Let functions of TensorFlow make a layer when they receive a symbolic input."""
    from tensorflow.python.util import dispatch

    symbolic = keras.KerasTensor

    class TFOpLambda(keras.layers.Layer):
        """One call of a function of TensorFlow, as in Keras 2."""

        def __init__(self, function):
            super().__init__()
            self._function = function

        def call(self, tensors):
            return self._function(tensors)

    class Dispatcher(dispatch.GlobalOpDispatcher):
        """Handles the calls with symbolic inputs."""

        def handle(self, op, args, kwargs):
            parts = tf.nest.flatten((args, kwargs))
            found = [part for part in parts if isinstance(part, symbolic)]
            if not found:
                return self.NOT_SUPPORTED

            def function(tensors):
                left = iter(tensors)
                new_args, new_kwargs = tf.nest.map_structure(
                    lambda part: next(left) if isinstance(part, symbolic) else part,
                    (args, kwargs),
                )
                return op(*new_args, **new_kwargs)

            return TFOpLambda(function)(found)

    Dispatcher().register()


def give_names() -> None:
    """Give the modules of Keras that have been imported the names that they had.

    TensorFlow imports modules of its own with the same content, such as
    `tensorflow.keras.layers`.
    """
    import keras
    import tensorflow as tf

    symbolic = keras.KerasTensor
    if not hasattr(symbolic, "get_shape"):
        symbolic.get_shape = lambda self: tf.TensorShape(self.shape)
    backend = {**vars(tf.keras.backend), **_backend()}
    preprocessing = types.SimpleNamespace(preprocessing=keras.layers)
    _complete(keras.backend, backend)
    for name, module in list(sys.modules.items()):
        place = re.search(r"\bkeras\.(backend|layers|applications)\b", name)
        if place is None or module is None or ".src." in name:
            continue
        if place[1] == "backend":
            _complete(module, backend)
        elif place[1] == "layers":
            _complete(module, {"experimental": preprocessing})
        else:
            for builder in APPLICATIONS:
                found = vars(module).get(builder)
                if found is not None and not hasattr(found, "__wrapped__"):
                    setattr(module, builder, _local(found))
    _complete(tf.keras.layers, {"experimental": preprocessing})


def _complete(module, values):
    """Add the names that a module has not."""
    for name, value in values.items():
        if not name.startswith("_") and name not in vars(module):
            setattr(module, name, value)


@functools.cache
def _backend():
    """Functions of keras.backend that Keras 3 has no more."""
    import tensorflow as tf

    class Session:
        """Evaluates what TensorFlow 2 has computed already."""

        def run(self, fetches: Any, feed_dict: Any = None) -> Any:
            """The values of tensors."""
            return tf.nest.map_structure(
                lambda part: part.numpy() if hasattr(part, "numpy") else part, fetches
            )

    return {
        "get_session": Session,
        "set_session": lambda session: None,
        "set_learning_phase": lambda value: None,
        "learning_phase": lambda: 0,
        "placeholder": lambda *args, **kwargs: tf.keras.Input(*args, **kwargs),
    }


def _local(builder):
    """A network whose weights are not downloaded: its layers alone are compared."""

    @functools.wraps(builder)
    def built(*args, **kwargs):
        if kwargs.get("weights", "imagenet") == "imagenet":
            kwargs["weights"] = None
        return builder(*args, **kwargs)

    return built
