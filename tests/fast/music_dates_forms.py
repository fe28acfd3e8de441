"""The date translator's and the jazz network's fast forms, against the lessons'."""

import functools
import itertools

import keras
import numpy as np
import tensorflow as tf
from forms import Form
from scipy.special import softmax

from dls_keras.converters.keras_h5 import keras2_hard_sigmoid
from dls_keras.course5 import date_translation as dt
from dls_keras.course5 import jazz
from dls_keras.datasets import dates
from dls_keras.fast import attention_translator, lstm_generator

# The date translator.

SIZES = (3, 3, 2, 2, 3, 2)  # arrays per layer, in the order of `Weights`


@functools.cache
def translator(gates):
    """The lesson's model, whose weights the forms below replace by their inputs."""
    return dt.build_model(gates)


def translator_inputs(gates):
    """Three dates and random weights, biases included."""
    rng = np.random.default_rng(0)
    arrays = [
        rng.normal(0, 0.5, w.shape).astype("float32") for w in translator(gates).weights
    ]
    return dt.load_data(3).x, *arrays


def by_layer(arrays):
    """The arrays of `model.weights` as the `Weights` of the fast form."""
    left = iter(arrays)
    return attention_translator.Weights(
        *(tuple(next(left) for _ in range(size)) for size in SIZES)
    )


def fast_training(gates, X, *arrays):
    """The form that `train` uses."""
    return attention_translator.forward(
        X, by_layer(arrays), Ty=dt.TY, gates=keras.activations.get(gates)
    )


def lesson_training(gates, X, *arrays):
    """The outputs of `modelf`, (m, Ty, 11)."""
    model, zeros = translator(gates), tf.zeros((len(X), dt.N_S))
    seeds = model.non_trainable_variables  # of dropout, whose rate is 0
    outputs, _ = model.stateless_call(arrays, seeds, [X, zeros, zeros])
    return tf.stack(outputs, axis=1)


def fast_inference(gates, ids, *arrays):
    """The form that `translate` uses: probabilities and attention weights."""
    gates = keras.activations.get(gates)
    packed = attention_translator.pack(by_layer(arrays), gates)
    return attention_translator.decode(ids, packed, Ty=dt.TY)


def lesson_inference(gates, ids, *arrays):
    """The same from the layers of `modelf`, one attention step after the other."""
    model = translator(gates)
    model.set_weights(arrays)
    X = tf.constant(dates.one_hot(ids, len(dates.HUMAN_VOCAB)))
    a = model.get_layer("reader")(X)
    score, energy, normalise, decoder, output = map(
        model.get_layer, ("score", "energy", "attention_weights", "writer", "spell")
    )
    s = c = tf.zeros((len(X), dt.N_S))
    outputs, attention = [], []
    for _ in range(dt.TY):
        pairs = tf.concat([a, tf.repeat(s[:, None], dt.TX, axis=1)], axis=-1)
        alphas = normalise(energy(score(pairs)))  # (m, Tx, 1)
        context = tf.reduce_sum(alphas * a, axis=1, keepdims=True)
        s, _, c = decoder(context, initial_state=[s, c])
        outputs.append(output(s))
        attention.append(alphas[..., 0])
    return tf.stack(outputs, axis=1), tf.stack(attention, axis=1)


def inference_inputs(gates):
    """More sentences than one batch of `decode`, and random weights."""
    pairs = dates.make_pairs(attention_translator.BATCH + 1, seed=3)
    ids = np.array([dates.indices(human, dt.TX) for human, _ in pairs])
    return ids, *translator_inputs(gates)[1:]


FORMS = []
for gates, name in (("sigmoid", "sigmoid"), (keras2_hard_sigmoid, "Keras 2")):
    bound = functools.partial
    FORMS += [
        # float32 sums in another order, over 30 steps of the encoder and 10 of the
        # decoder; the largest gradients are about 4.
        Form(
            f"attention translator, training, {name} gates",
            bound(fast_training, gates),
            bound(lesson_training, gates),
            bound(translator_inputs, gates),
            gradients=True,
            rtol=1e-4,
            atol=3e-5,
        ),
        Form(
            f"attention translator, inference, {name} gates",
            bound(fast_inference, gates),
            bound(lesson_inference, gates),
            bound(inference_inputs, gates),
            rtol=1e-4,
            atol=1e-5,
        ),
    ]


# Jazz.

TX, TY, N_A, N_VALUES = 4, 8, 8, 20


def jazz_parameters():
    """Random arrays of a small model, biases included."""
    model = jazz.build_model([f"C,{i}.000" for i in range(N_VALUES)], n_a=N_A)
    rng = np.random.default_rng(0)
    return [
        a + rng.normal(0, 0.5, a.shape).astype("float32")
        for a in jazz.parameters(model)
    ]


def course_layers(parameters):
    """The lesson's layers with these arrays as weights."""
    return jazz.course_layers(dict(zip(jazz.PARAMETERS, parameters, strict=True)))


def windows():
    """Five windows of four tokens, as the course makes them."""
    corpus = np.random.default_rng(1).integers(N_VALUES, size=40).tolist()
    indices = {i: i for i in range(N_VALUES)}
    X, Y, _ = jazz.data_processing(corpus, indices, m=5, Tx=TX)
    return X, Y.swapaxes(0, 1)


def fast_loss(X, Y, *parameters):
    """The form that `train` uses."""
    return jazz.window_loss(X, Y, parameters)


def lesson_loss(X, Y, *parameters):
    """The sum of the cross-entropies of `djmodel`'s Tx outputs."""
    zeros = tf.zeros((len(X), N_A))
    model = jazz.djmodel(TX, *course_layers(jazz_parameters()))
    outputs, _ = model.stateless_call(
        parameters,
        model.non_trainable_variables,
        [tf.cast(X, tf.float32), zeros, zeros],
    )
    return sum(
        tf.reduce_mean(keras.losses.categorical_crossentropy(Y[:, t], y_hat))
        for t, y_hat in enumerate(outputs)
    )


def fast_reading(tokens, *parameters):
    """Probabilities after each token, (Tx, n_values)."""
    logits = lstm_generator.read(parameters, tokens[1:])
    return softmax(np.array(list(logits)), axis=-1)


def lesson_reading(tokens, *parameters):
    """The outputs of `djmodel`; a first token of zeros."""
    X = np.eye(N_VALUES, dtype="float32")[tokens]
    X[0] = 0
    zeros = np.zeros((1, N_A), "float32")
    return np.concatenate(
        jazz.djmodel(TX, *course_layers(parameters))([X[None], zeros, zeros])
    )


def fast_generating(*parameters):
    """Ty tokens, each the most probable."""
    return list(itertools.islice(lstm_generator.generate(parameters, np.argmax), TY))


def lesson_generating(*parameters):
    """The indices of `predict_and_sample`."""
    cell, densor, _ = course_layers(parameters)
    model = jazz.music_inference_model(cell, densor, Ty=TY)
    return jazz.predict_and_sample(model)[1][:, 0].tolist()


FORMS += [
    Form(
        "jazz, loss of windows",
        fast_loss,
        lesson_loss,
        lambda: (*windows(), *jazz_parameters()),
        gradients=True,
        rtol=1e-4,
        atol=1e-5,
    ),
    Form(
        "jazz, probabilities of the next token",
        fast_reading,
        lesson_reading,
        lambda: ([0, 3, 11, 7], *jazz_parameters()),
    ),
    Form(
        "jazz, greedy generation", fast_generating, lesson_generating, jazz_parameters
    ),
]
