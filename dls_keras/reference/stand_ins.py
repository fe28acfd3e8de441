"""Stand-ins: the objects that some reference cases pass to a function.

A case names one by `{"callable": "ref_stubs:NAME"}`: a silent audio clip, a synthetic
image, a small text file, a layer with a given seed. Names that end in numbers, such as
`clip_916` or `seeded_lstm_3_1`, and names of files give a new object at each access.
The functions in `HARNESSES` are called by cases instead of a function under test. Keras
and TensorFlow are imported only when a name needs them.
"""

import atexit
import dataclasses
import functools
import re
import tempfile
import wave
from pathlib import Path

import numpy as np

# Initializer factories, called as initializer(seed=...).


def const_one(seed=0):
    """An initializer of ones."""
    return _keras().initializers.Constant(1.0)


def const_tenth(seed=0):
    """An initializer of tenths."""
    return _keras().initializers.Constant(0.1)


def glorot_2017(seed=0):
    """The initializer glorot_uniform(seed=seed) of Keras 2.0 on TensorFlow 1.

    Its values are the first sample of a graph's stateful generator; 87654321 is the
    default seed of a graph, and `seed` that of the operation.
    """
    import keras
    import tensorflow as tf

    class Glorot2017(keras.initializers.Initializer):
        def __call__(self, shape, dtype=None):
            *field, inputs, outputs = shape
            limit = np.sqrt(6 / (np.prod(field, dtype=int) * (inputs + outputs)))
            with tf.Graph().as_default(), tf.compat.v1.Session() as session:
                draw = session.run(
                    tf.raw_ops.RandomUniform(
                        shape=list(shape), dtype=tf.float32, seed=87654321, seed2=seed
                    )
                )
            values = draw * np.float32(2 * limit) - np.float32(limit)
            return keras.ops.convert_to_tensor(values)

    return Glorot2017()


# Audio.


@dataclasses.dataclass
class Clip:
    """A silent audio segment with the part of pydub's interface that cases use.

    `ms` is its length in milliseconds, `log` the (length, position) of the clips
    laid over it, in milliseconds, and `gain` the decibels added so far.
    """

    ms: int
    log: list = dataclasses.field(default_factory=list)
    gain: float = 0.0

    def __len__(self):
        return self.ms

    def __add__(self, change):
        return self.apply_gain(change)

    def __sub__(self, change):
        return self.apply_gain(-change)

    @property
    def dBFS(self):
        return -30.0 + self.gain

    def apply_gain(self, change):
        return Clip(self.ms, list(self.log), self.gain + change)

    def overlay(self, other, position=0, **kwargs):
        return Clip(self.ms, [*self.log, (len(other), int(position))], self.gain)


def clip(ms):
    """A silent clip of `ms` milliseconds."""
    return Clip(ms)


# Networks.


class Embedder:
    """A stand-in for a face network: (m, 160, 160, 3) pictures -> (m, 128).

    Mean colours of 8 x 16 cells, weighted and centred.
    """

    def __call__(self, batch, **kwargs):
        batch = np.asarray(batch, dtype=np.float64)
        cells = batch.reshape(len(batch), 8, 20, 16, 10, 3).mean(axis=(2, 4))
        grey = (cells @ np.array([0.5, -1.0, 0.75])).reshape(len(batch), 128)
        return (grey - grey.mean(axis=1, keepdims=True)).astype(np.float32)

    predict = predict_on_batch = __call__


@dataclasses.dataclass
class FixedPredictor:
    """A model whose `predict` gives `steps` softmax rows over `n` values.

    Step t of example i has its maximum at (3 t + 5 i + 1) mod n.
    """

    steps: int
    n: int

    def predict(self, inputs, **kwargs):
        examples = np.arange(len(np.asarray(inputs[0])))
        rows = []
        for step in range(self.steps):
            row = np.ones((len(examples), self.n))
            row[examples, (3 * step + 5 * examples + 1) % self.n] = 2
            rows.append((row / row.sum(axis=1, keepdims=True)).astype(np.float32))
        return rows


def _seeded_lstm(units, seed):
    uniform = functools.partial(_keras().initializers.RandomUniform, -1.0, 1.0)
    return _keras().layers.LSTM(
        units,
        return_state=True,
        kernel_initializer=uniform(seed=seed),
        recurrent_initializer=uniform(seed=seed + 1),
    )


def _seeded_softmax(units, seed):
    kernel = _keras().initializers.RandomUniform(-3.0, 3.0, seed=seed)
    dense = _keras().layers.Dense
    return dense(units, activation="softmax", kernel_initializer=kernel)


# What cases call around a function under test.


def as_model(block, input_shapes, options=None):
    """The model of a block: block(*inputs, **options) on inputs of these shapes."""
    keras = _keras()
    inputs = [keras.Input(tuple(shape)) for shape in input_shapes]
    outputs = block(*inputs, **(options or {}))
    outputs = list(outputs) if isinstance(outputs, tuple) else outputs
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def outputs_of(builder, args, inputs):
    """The outputs of the model builder(*args) for the inputs, as a list of arrays."""
    outputs = builder(*args)([np.asarray(x, dtype="float32") for x in inputs])
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [np.asarray(output) for output in outputs]


def weighted_outputs(builder, args, inputs, training=False):
    """The outputs of the model builder(*args), as a list of arrays.

    Each array of its weights is replaced by one that depends on its shape alone, so
    that neither the initializers nor the order of the layers matter. For a block, which
    returns tensors, `args` contain the inputs of the model, as `input_8_8_3`.
    """
    keras = _keras()
    model = builder(*args)
    if not isinstance(model, keras.Model):
        outputs = list(model) if isinstance(model, tuple) else model
        tensors = [a for a in args if keras.utils.is_keras_tensor(a)]
        model = keras.Model(tensors if len(tensors) > 1 else tensors[0], outputs)
    arrays = [np.asarray(x, dtype="float32") for x in inputs]
    arrays = arrays if len(arrays) > 1 else arrays[0]
    model(arrays)  # builds the weights
    model.set_weights([_weights(w.shape) for w in model.get_weights()])
    outputs = model(arrays, training=training)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [np.asarray(output) for output in outputs]


def _weights(shape):
    """Uniform numbers: positive vectors; matrices and kernels of mean 0."""
    numbers = np.random.RandomState(len(shape)).rand(*shape)
    if len(shape) < 2:
        return 0.5 + numbers
    return (numbers - 0.5) * np.sqrt(12 / np.prod(shape[:-1]))


def layer_out(layer, inputs):
    """The output of a layer for an array."""
    return np.asarray(layer(np.asarray(inputs)))


HARNESSES = ("as_model", "outputs_of", "weighted_outputs", "layer_out")


# Files, in a folder that goes when Python ends.


@functools.cache
def _folder():
    folder = tempfile.TemporaryDirectory(prefix="dls_keras_")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _image(name, planes):
    """The path of a 160 x 160 picture; `planes` makes RGB of column and row."""
    from PIL import Image

    y, x = np.mgrid[0:160, 0:160]
    rgb = np.clip(np.stack(planes(x, y), axis=-1), 0, 255)
    path = _folder() / f"{name}.png"
    Image.fromarray(rgb.astype("uint8")).save(path)
    return str(path)


def _sound(name, channels):
    """The path of a sound of 16 bits and 44.1 kHz; one row of `channels` each."""
    path = _folder() / f"{name}.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(np.stack(channels, axis=-1).astype("<i2").tobytes())
    return str(path)


def _text(name, text):
    """The path of a text file."""
    path = _folder() / f"{name}.txt"
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def _two_tones(samples):
    """A low and a high tone, `samples` values long."""
    t = np.arange(samples) / 44_100
    return 9000 * np.sin(2 * np.pi * 440 * t) + 3000 * np.sin(2 * np.pi * 5200 * t)


def _tone_and_saw(samples):
    """A middle tone on a slow saw, `samples` values long."""
    n = np.arange(samples)
    return 4000 * np.cos(2 * np.pi * 3000 * (n / 44_100)) + 10 * n % 700


# Names that are made at each access.

FILES = {
    "image_a": lambda name: _image(name, lambda x, y: (x, y, (x + y) // 2)),
    "image_b": lambda name: _image(name, lambda x, y: (255 - x, y, x // 2 + 40)),
    "image_c": lambda name: _image(
        name, lambda x, y: (x // 2 + 20, 200 - y, 255 - (x + y) // 2)
    ),
    "image_d": lambda name: _image(
        name, lambda x, y: (x * 7 % 256, y * 5 % 256, x * y % 256)
    ),
    "wav_mono": lambda name: _sound(name, [_two_tones(1640)]),
    "wav_stereo": lambda name: _sound(name, [_tone_and_saw(2000), _two_tones(2000)]),
}

TEXTS = {
    "anchors_file": "0.57273, 0.677385, 1.87446, 2.06253, 3.33843, 5.47434, "
    "7.88282, 3.52778, 9.77052, 9.16828",
    "anchors_file_2": "1.0,2.5, 3.25, 0.5\n9, 9\n",
    "classes_file": "person\nbicycle\ncar \n traffic light\n",
    "classes_file_2": "one\n\ntwo",
    "glove_file": "the 0.5 -1.25 2\nzebra 1 2 3\nab -0.125 0 1e-3\n",
    "glove_file_2": "b 1 2\na 3 4\nc -5 0.25\n",
    "csv_file": 'i love this,0\n"well, no",3\nplay ball,1\n',
    "csv_file_2": "food,4\n",
}

# name_1_2 calls the maker of "name" with the numbers 1 and 2.
NUMBERED = {
    "clip": clip,
    "clips": lambda *lengths: [Clip(ms) for ms in lengths],
    "input": lambda *shape: _keras().Input(shape),
    "lstm": lambda units: _keras().layers.LSTM(units, return_state=True),
    "predictor": FixedPredictor,
    "reshape": lambda *shape: _keras().layers.Reshape(shape),
    "seeded_lstm": _seeded_lstm,
    "seeded_softmax": _seeded_softmax,
    "softmax": lambda units: _keras().layers.Dense(units, activation="softmax"),
}


def __getattr__(name):
    if name == "embedder":
        return Embedder()
    if name in FILES:
        return FILES[name](name)
    if name in TEXTS:
        return _text(name, TEXTS[name])
    numbered = re.fullmatch(r"([a-z_]+?)((?:_\d+)+)", name)
    if numbered and numbered[1] in NUMBERED:
        return NUMBERED[numbered[1]](*map(int, numbered[2].split("_")[1:]))
    raise AttributeError(f"there is no stand-in {name!r}")


def _keras():
    import keras

    return keras
