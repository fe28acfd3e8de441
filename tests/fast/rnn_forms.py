"""GRU and LSTM against Keras; the character RNN and its samples against the lesson."""

import functools

import keras
import numpy as np
import tensorflow as tf
from forms import Form

from dls_keras.converters.keras_h5 import keras2_hard_sigmoid
from dls_keras.course5 import dinosaurs
from dls_keras.datasets import dinosaur_names
from dls_keras.fast import batch_sampling, char_rnn, lstm_numpy, recurrent


def normal(*shapes):
    """One array of normal numbers for each shape, float32."""
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=shape).astype("float32") for shape in shapes)


def call(layer, weights, x, **arguments):
    """The outputs of a Keras layer as a function of its weights, too."""
    layer.build(x.shape)
    others = [variable.value for variable in layer.non_trainable_variables]
    outputs, _ = layer.stateless_call([*weights], others, x, **arguments)
    return outputs


def run_gru(layer_class):
    """A function that runs a GRU of 3 units with the given weights."""

    def run(x, h, *weights):
        layer = layer_class(3, return_sequences=True, return_state=True)
        return call(layer, weights, x, initial_state=h)

    return run


def gru_inputs(T):
    return lambda: normal((2, T, 4), (2, 3), (4, 9), (3, 9), (2, 9))


def keras_lstm(x, *weights):
    """The states of Keras's layer, time first."""
    layer = keras.layers.LSTM(3, return_sequences=True)
    states = call(layer, weights, tf.transpose(x, (1, 0, 2)))
    return tf.transpose(states, (1, 0, 2))


def unrolled_lstm(*inputs):
    """`recurrent.lstm` with a sigmoid that it does not recognise."""
    return recurrent.lstm(*inputs, tf.sigmoid)


def lstm_inputs(T):
    return lambda: normal((T, 2, 4), (4, 12), (3, 12), (12,))


def numpy_steps(gates):
    """A function that takes all steps of an LSTM in NumPy."""

    def run(x, kernel, recurrent_kernel, bias):
        (_, m, _), units = x.shape, len(recurrent_kernel)
        z, h2 = np.empty((4, m, units), "float32"), np.zeros((m, units), "float32")
        step, states = lstm_numpy.make_lstm_step(z, gates), []
        for x_t in x:
            sums = x_t @ kernel + h2 / 2 @ recurrent_kernel + bias
            z[...] = lstm_numpy.pack_gates(sums, gates).swapaxes(0, 1)
            step(h2)
            states.append(h2 / 2)
        return states

    return run


def keras_steps(gates):
    """The same steps by Keras's cell."""

    def run(x, kernel, recurrent_kernel, bias):
        units = len(recurrent_kernel)
        cell = keras.layers.LSTMCell(units, recurrent_activation=gates or "sigmoid")
        cell.build(x[0].shape)
        cell.set_weights([kernel, recurrent_kernel, bias])
        states, found = [np.zeros((x.shape[1], units), "float32")] * 2, []
        for x_t in x:
            h, states = cell(x_t, states)
            found.append(h)
        return found

    return run


def step_inputs(m, units):
    return lambda: normal((10, m, 3), (3, 4 * units), (units, 4 * units), (4 * units,))


def compiled_descent(parameters, names, iterations):
    """All losses and the final parameters, by the compiled program."""
    x, y, lengths, _ = dinosaur_names.encode(names)
    settings = {"learning_rate": 0.01, "max_gradient": dinosaurs.CLIP}
    losses = char_rnn.descend(parameters, x, y, lengths, iterations, **settings)
    return losses, parameters


def lesson_descent(parameters, names, iterations):
    """The same by the course's loop over names."""
    ix = dinosaurs.CHAR_TO_IX
    losses = np.array([*dinosaurs.descend(parameters, names, ix, iterations)])
    return losses, parameters


def descent_inputs(m, iterations, **biases):
    """Initial parameters and m names; a large bias makes gradients that are clipped."""

    def inputs():
        parameters = dinosaurs.build_model()
        for letter, bias in biases.items():
            parameters["by"][dinosaurs.CHAR_TO_IX[letter]] = bias
        return parameters, dinosaur_names.make_names(m), iterations

    return inputs


def sampled_probabilities(parameters, start):
    """The probabilities of the letters of names that are sampled together."""
    return sample_names(parameters, start)[1]


def read_probabilities(parameters, start):
    """The same, predicted one name at a time by the course's forward pass."""
    found = []
    for letters in sample_names(parameters, start)[0]:
        X, Y = [None, *letters], [*letters, 0]
        a0 = np.zeros_like(parameters["b"])
        _, (y_hat, _, _) = dinosaurs.rnn_forward(X, Y, a0, parameters)
        p = [y_hat[t][letter, 0] for t, letter in enumerate(Y)]
        found.append(np.array(p[: dinosaur_names.LONGEST]))
    return found


def sample_names(parameters, start):
    return batch_sampling.sample_sequences(
        functools.partial(dinosaurs.rnn_step_forward, parameters),
        np.zeros((len(parameters["b"]), 40)),
        len(dinosaur_names.LETTERS),
        start=start,
        end=dinosaur_names.NEWLINE,
        longest=dinosaur_names.LONGEST,
        temperature=0.8,
        rng=np.random.default_rng(0),
    )


FORMS = [
    *(
        Form(
            f"GRU, {T} steps",
            run_gru(recurrent.GRU),
            run_gru(keras.layers.GRU),
            gru_inputs(T),
            gradients=True,
            rtol=1e-4,  # float32 sums in another order
            atol=1e-5,
        )
        for T in (1, 2, 12)
    ),
    *(
        Form(
            f"{name}, {T} steps",
            fast,
            keras_lstm,
            lstm_inputs(T),
            gradients=True,
            atol=1e-5,
        )
        for name, fast in (("LSTM", recurrent.lstm), ("LSTM unrolled", unrolled_lstm))
        for T in (1, 2, 12)
    ),
    *(
        Form(
            f"LSTM step in NumPy, {m} x {units}, {name}",
            numpy_steps(gates),
            keras_steps(gates),
            step_inputs(m, units),
            atol=1e-5,
        )
        for name, gates in (("sigmoid", None), ("hard sigmoid", keras2_hard_sigmoid))
        for m, units in ((1, 1), (1, 8), (4, 9))
    ),
    *(
        Form(
            f"character RNN, {name}",
            compiled_descent,
            lesson_descent,
            inputs,
            rtol=0,
            atol=1e-12,
        )
        for name, inputs in (
            ("three and a third epochs", descent_inputs(30, 100)),
            ("one epoch of all names", descent_inputs(None, 853)),
            ("clipped gradients", descent_inputs(30, 2, c=20)),
        )
    ),
    *(
        Form(
            f"names sampled as a batch, {name}",
            sampled_probabilities,
            read_probabilities,
            lambda start=start: (dinosaurs.load_pretrained(), start),
            rtol=1e-9,
        )
        for name, start in (("from nothing", []), ("from tri", [20, 18, 9]))
    ),
]
