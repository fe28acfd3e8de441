"""Recurrent networks and attention, against Keras's fit and predict and PyTorch."""

import itertools

import numpy as np

from benchmarks import mirror, networks
from benchmarks.timing import (
    LATENCY,
    ROOFLINE,
    Benchmark,
    TrainingBenchmark,
    largest_difference,
)


def date_training(quick):
    """Training of the date translator, a step of 100 dates."""
    import keras
    import tensorflow as tf

    from dls_keras.course5 import date_translation as dt

    data = dt.load_data(100 if quick else 2000)
    model, course = dt.build_model(), _course_translator()
    # As in the course: ten outputs, each with a loss, and an unrolled decoder.
    course.set_weights(model.get_weights())
    course.compile(
        optimizer=keras.optimizers.Adam(0.005, clipnorm=5.0),
        loss=["categorical_crossentropy"] * dt.TY,
    )
    state = np.zeros((len(data.x), dt.N_S), "float32")
    outputs = [tf.constant(data.y[:, t]) for t in range(dt.TY)]

    def course_epoch():
        history = course.fit(
            [data.x, state, state], outputs, batch_size=100, epochs=1, verbose=0
        )
        return history.history["loss"][-1]

    def train(epochs, on_epoch):
        return dt.train(model, data, epochs=epochs, on_epoch=on_epoch)

    baselines = {"course's fit": course_epoch}
    if mirror.available():
        from benchmarks import eager

        baselines["PyTorch"] = eager.epochs(
            eager.Translator(model, dt.TY), eager.date_loss, data[:2], 100, 0.005, 5.0
        )
    # The learning rates differ: ours decays to zero within the few epochs.
    return TrainingBenchmark(train, baselines, 0.6, units=len(data.x) // 100)


def date_decoding(quick):
    """Translating one date with packed weights, against the course's model."""
    return _decoding(1)


def date_decoding_batch(quick):
    """Translating a hundred dates in one batch, per date."""
    return _decoding(10 if quick else 100)


def jazz_epoch(quick):
    """Training of the jazz network, an epoch of 60 windows of 30 tokens."""
    import keras

    from dls_keras.course5 import jazz
    from dls_keras.music import tunes

    data = jazz.load_data([tunes.make_tune(0)], m=60)
    batch_size, Tx = 30, 30
    model = jazz.build_model(data.vocabulary)
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

    def train(epochs, on_epoch):
        return jazz.train(
            model, data, epochs=epochs, batch_size=batch_size, on_epoch=on_epoch
        )

    baselines = {"course's fit": course_epoch}
    if mirror.available():
        from benchmarks import eager

        module = eager.JazzModel(*jazz.parameters(model))
        arrays = data.X, data.Y.swapaxes(0, 1)
        baselines["PyTorch"] = eager.epochs(
            module, eager.window_loss, arrays, batch_size, 0.01
        )
    # The learning rates differ, as above.
    return TrainingBenchmark(train, baselines, 0.6)


def jazz_solo(quick):
    """Greedy generation of a solo of fifty tokens, against the course's model."""
    from dls_keras.course5 import jazz
    from dls_keras.fast import lstm_generator

    Ty = 5 if quick else 50
    model = jazz.load_pretrained()
    LSTM_cell, densor, _ = jazz.course_layers(model)
    course = jazz.music_inference_model(LSTM_cell, densor, Ty)

    def generate():
        tokens = lstm_generator.generate(jazz.parameters(model), np.ndarray.argmax)
        return list(itertools.islice(tokens, Ty))

    return Benchmark(
        generate,
        {"Keras predict": lambda: jazz.predict_and_sample(course)[1].ravel().tolist()},
        lambda a, b: float(a != b),
        tolerance=0.0,
    )


def gru(quick):
    """Forward and backward pass of a GRU of 128 units over 1375 steps, five clips."""
    import keras
    import tensorflow as tf

    from dls_keras.fast import recurrent

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

    return Benchmark(
        gradients(ours),
        {"Keras": gradients(stock)},
        largest_difference,
        tolerance=1e-4,
        flops=3 * 2 * 5 * T * 2 * 128 * 3 * 128,
    )


def trigger_training(quick):
    """Training of the course's trigger word network, a step of five 10-second clips."""
    import keras
    from keras import layers

    from dls_keras.course5 import trigger_word as tw

    def build():
        model = tw.modelf((200 if quick else 5511, tw.N_FREQ))
        # Keras 3 unrolls TimeDistributed over the steps; a plain Dense is equivalent.
        y_hat = layers.Dense(1, activation="sigmoid")(model.layers[-2].output)
        return keras.Model(model.input, y_hat)

    keras.utils.set_random_seed(0)
    model, m = build(), 5 if quick else 20
    rng = np.random.default_rng(0)
    x = rng.random((m, *model.input_shape[1:]), dtype="float32")
    y = rng.integers(0, 2, (m, *model.output_shape[1:])).astype("float32")
    return networks.training_benchmark(build, x, y, 5, tolerance=0.4, step=True)


def trigger_clip(quick):
    """Trigger word detection in a 10-second clip with the shipped network."""
    from dls_keras.course5 import trigger_word as tw

    model = tw.load_pretrained()
    stock = networks.stock(model)
    n = tw.REACH + ((55 if quick else tw.TY) - 1) * tw.HOP
    sound = np.random.default_rng(0).normal(0, 1000, (1, n)).astype("int16")

    def predict():
        x = tw.spectrogram(sound[0]).astype("float32")[np.newaxis]
        return stock.predict(x, verbose=0)[..., 0]

    return Benchmark(
        lambda: tw.predict(model, sound),
        {"Keras predict": predict},
        largest_difference,
        tolerance=1e-4,
    )


def transformer_training(quick):
    """Training of the Transformer for dates, a step of 128."""
    from dls_keras.course5 import transformer as tr
    from dls_keras.datasets import dates

    data = tr.load_data(128 if quick else 1280)
    model = tr.build_model()
    baselines = {}
    if mirror.available():
        from benchmarks import eager

        baselines["PyTorch"] = eager.epochs(
            eager.Transformer(model),
            eager.character_loss(dates.START),
            data[:2],
            128,
            0.001,
        )

    def train(epochs, on_epoch):
        return tr.train(model, data, epochs=epochs, on_epoch=on_epoch)

    # Our learning rate has a warmup, and the losses decrease fast.
    return TrainingBenchmark(train, baselines, 0.6, units=len(data.x) // 128)


WORKLOADS = {
    date_training: {"course's fit": 1 / 0.3, "PyTorch": 1 / 0.5},
    date_decoding: {"Keras predict": 150, LATENCY: 0.4e-3},
    date_decoding_batch: {LATENCY: 0.05e-3},
    jazz_epoch: {"PyTorch": 1.0},
    jazz_solo: {"Keras predict": 150, LATENCY: 0.4e-3},
    gru: {},
    trigger_training: {"PyTorch": 1 / 0.33, "Keras fit": 1 / 0.3, ROOFLINE: 1 / 2},
    trigger_clip: {"Keras predict": 10, LATENCY: 15e-3},
    transformer_training: {"PyTorch": 1.0},
}


def _course_translator():
    from dls_keras.course5 import date_translation as dt
    from dls_keras.datasets import dates

    vocabularies = len(dates.HUMAN_VOCAB), len(dates.MACHINE_VOCAB)
    return dt.modelf(dt.TX, dt.TY, dt.N_A, dt.N_S, *vocabularies)


def _decoding(m):
    from dls_keras.course5 import date_translation as dt
    from dls_keras.datasets import dates

    model, course = dt.load_pretrained(), _course_translator()
    packed = dt.packed(model)
    sentences = [human for human, _ in dates.make_pairs(m, seed=1)]
    course.set_weights(model.get_weights())
    state = np.zeros((m, dt.N_S), "float32")

    def predict():
        ids = [dates.indices(sentence, dt.TX) for sentence in sentences]
        x = dates.one_hot(ids, len(dates.HUMAN_VOCAB))
        y_hat = np.stack(course.predict([x, state, state], verbose=0), axis=1)
        return [dates.decode(row) for row in y_hat.argmax(-1)]

    return Benchmark(
        lambda: dt.translate(packed, sentences)[0],
        {"Keras predict": predict},
        lambda a, b: float(a != b),
        tolerance=0.0,
        units=m,
    )
