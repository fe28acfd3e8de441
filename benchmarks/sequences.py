"""Jazz and trigger words: compiled loops against the course's models."""

import itertools

import numpy as np

from benchmarks.timing import Contest, Training, largest


def jazz_epoch(quick):
    """Jazz, an epoch of 60 windows of 30 words, against the course's `fit`."""
    import keras

    from dls_keras.course5 import jazz
    from dls_keras.datasets import tunes

    data = jazz.load_data([tunes.make_tune(0)], m=32 if quick else 60)
    # One batch an epoch where it is quick, so that both see the same in one order.
    batch_size, Tx = (32, 30) if quick else (30, 30)
    model = jazz.build_model(data.values)
    course = jazz.djmodel(Tx, *jazz.course_layers(model))
    course.compile(
        optimizer=keras.optimizers.Adam(0.01), loss=["categorical_crossentropy"] * Tx
    )
    zeros = np.zeros((len(data.X), jazz.N_A), "float32")
    X, outputs = data.X.astype("float32"), list(data.Y.astype("float32"))

    def course_epoch():
        history = course.fit(
            [X, zeros, zeros], outputs, batch_size=batch_size, epochs=1, verbose=0
        )
        return history.history["loss"][-1]

    def learn(epochs, on_epoch):
        return jazz.train(
            model, data, epochs=epochs, batch_size=batch_size, on_epoch=on_epoch
        )

    return Training(learn, {"course's fit": course_epoch})


def jazz_solo(quick):
    """Fifty values of a solo, the likeliest each, against the course's model."""
    from dls_keras.course5 import jazz

    Ty = 5 if quick else 50
    model = jazz.load_pretrained()
    LSTM_cell, densor, _ = jazz.course_layers(model)
    course = jazz.music_inference_model(LSTM_cell, densor, Ty)
    return Contest(
        lambda: list(itertools.islice(jazz.values(model, np.argmax), Ty)),
        {"predict": lambda: jazz.predict_and_sample(course)[1].ravel().tolist()},
        lambda ours, theirs: float(ours != theirs),
        tolerance=0.0,
    )


def gru(quick):
    """A GRU of 128 units over 1375 steps, five clips, forward and back."""
    import keras
    import tensorflow as tf

    from dls_keras.core import recurrent

    T = 50 if quick else 1375
    x = tf.constant(np.random.default_rng(0).normal(size=(5, T, 128)), tf.float32)
    ours = recurrent.GRU(128, return_sequences=True)
    stock = keras.layers.GRU(128, return_sequences=True)
    for layer in (ours, stock):
        layer.build(x.shape)
    stock.set_weights(ours.get_weights())

    def gradients(layer):
        @tf.function
        def run():
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(layer(x) ** 2)
            return tape.gradient(loss, [v.value for v in layer.trainable_variables])

        return lambda: [gradient.numpy() for gradient in run()]

    return Contest(
        gradients(ours),
        {"Keras": gradients(stock)},
        largest,
        tolerance=1e-4,
        work=3 * 2 * 5 * T * 2 * 128 * 3 * 128,
    )


def trigger_clip(quick):
    """A clip of ten seconds heard by the shipped network, against Keras's `predict`."""
    from benchmarks.networks import stock
    from dls_keras.course5 import trigger_word as tw

    model = tw.load_pretrained()
    peer = stock(model)
    peer.set_weights(model.get_weights())
    n = tw.REACH + ((55 if quick else tw.TY) - 1) * tw.HOP
    sound = np.random.default_rng(0).normal(0, 1000, (1, n)).astype("int16")

    def predict():
        x = tw.spectrogram(sound[0]).astype("float32")[np.newaxis]
        return peer.predict(x, verbose=0)[..., 0]

    return Contest(
        lambda: tw.predict(model, sound), {"predict": predict}, largest, tolerance=1e-4
    )


WORKLOADS = {
    jazz_epoch: {},
    jazz_solo: {"predict": 150},
    gru: {},
    trigger_clip: {"predict": 10},
}
