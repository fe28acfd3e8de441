"""Compiled training and inference against Keras's own `fit` and `predict`.

Ours learns by `core.training.fit` with the fused layers and Adam, Keras by `fit` with
its stock ones: same architecture, data, batches and number of steps. A quick run has
one batch an epoch, so both see the same examples in the same order.
"""

import numpy as np

from benchmarks.timing import Contest, Training


def happy_house(quick):
    """Happy House, an epoch of 600 photos in batches of 16."""
    from dls_keras.course4 import happy_house as hh

    return _classifier(hh.build_model, 16 if quick else 600, 64, 2, batch_size=16)


def happy_house_bfloat16(quick):
    """The same in bfloat16, against Keras in float32."""
    from dls_keras.course4 import happy_house as hh

    m = 16 if quick else 600
    return _classifier(hh.build_model, m, 64, 2, batch_size=16, dtype="mixed_bfloat16")


def residual_networks(quick):
    """ResNet50 on 64 x 64 pictures, four steps of 32."""
    from dls_keras.course4 import residual_networks as rn

    m, batch_size = (8, 8) if quick else (128, 32)
    return _classifier(rn.build_model, m, 64, 6, batch_size=batch_size)


def date_training(quick):
    """The date translator, twenty steps of 100 dates, against the course's `fit`."""
    import keras
    import tensorflow as tf

    from dls_keras.course5 import date_translation as dt
    from dls_keras.datasets import dates

    data = dt.load_data(100 if quick else 2000)
    model = dt.build_model()
    # The course's way: ten outputs with a loss each, shared layers unrolled.
    sizes = (dt.TX, dt.TY, 32, 64, len(dates.HUMAN_VOCAB), len(dates.MACHINE_VOCAB))
    course = dt.modelf(*sizes)
    course.compile(
        optimizer=keras.optimizers.Adam(0.005, clipnorm=5.0),
        loss=["categorical_crossentropy"] * dt.TY,
    )
    state = np.zeros((len(data.x), 64), "float32")
    y = np.asarray(data.y)
    outputs = [tf.constant(y[:, t]) for t in range(dt.TY)]

    def course_epoch():
        history = course.fit(
            [data.x, state, state], outputs, batch_size=100, epochs=1, verbose=0
        )
        return history.history["loss"][-1]

    def learn(epochs, on_epoch):
        return dt.train(model, data, epochs=epochs, on_epoch=on_epoch)

    return Training(learn, {"course's fit": course_epoch})


def date_decoding(quick):
    """One date by the shipped translator, against `predict` of the course's model."""
    return _decoding(1)


def date_decoding_batch(quick):
    """A hundred dates at once."""
    return _decoding(10 if quick else 100)


WORKLOADS = {
    happy_house: {"Keras fit": 1 / 0.35},
    happy_house_bfloat16: {},
    residual_networks: {"Keras fit": 1 / 0.5},
    date_training: {"course's fit": 1 / 0.3},
    date_decoding: {"predict": 150},
    date_decoding_batch: {},
}


def _classifier(build_model, m, size, classes, *, batch_size, dtype="float32"):
    """A network that learns to tell noise from noise, by `fit` of either kind."""
    import keras
    import tensorflow as tf

    from dls_keras.core import training
    from dls_keras.core.layers import Adam

    rng = np.random.default_rng(0)
    x = rng.random((m, size, size, 3), dtype="float32")
    y = rng.integers(0, classes, m)
    if classes == 2:
        cost, y = keras.losses.binary_crossentropy, y[:, None].astype("float32")
    else:
        cost = keras.losses.sparse_categorical_crossentropy
    keras.utils.set_random_seed(0)
    model = build_model() if dtype == "float32" else build_model(dtype=dtype)
    peer = stock(build_model())
    peer.set_weights(model.get_weights())
    peer.compile(optimizer=keras.optimizers.Adam(1e-4), loss=cost)

    def learn(epochs, on_epoch):
        return training.fit(
            lambda x, y: tf.reduce_mean(cost(y, model(x, training=True))),
            (x, y),
            model.trainable_variables,
            Adam(1e-4),
            epochs=epochs,
            batch_size=batch_size,
            state=model.non_trainable_variables,
            on_epoch=on_epoch,
        )

    def keras_epoch():
        steps = m // batch_size
        history = peer.fit(
            x[: steps * batch_size],
            y[: steps * batch_size],
            batch_size=batch_size,
            epochs=1,
            verbose=0,
        )
        return history.history["loss"][-1]

    return Training(learn, {"Keras fit": keras_epoch})


def stock(model):
    """The same functional model with the layers that Keras brings."""
    import keras

    def layer(ours):
        if not ours.weights:  # nothing to learn, so both may use it
            return ours
        kind = getattr(keras.layers, type(ours).__name__, type(ours))
        return kind.from_config(ours.get_config())

    return keras.models.clone_model(model, clone_function=layer)


def _decoding(m):
    from dls_keras.course5 import date_translation as dt
    from dls_keras.datasets import dates

    model = dt.load_pretrained()
    sentences = [human for human, _ in dates.make_pairs(m, seed=1)]
    sizes = (dt.TX, dt.TY, 32, 64, len(dates.HUMAN_VOCAB), len(dates.MACHINE_VOCAB))
    course = dt.modelf(*sizes)
    course.set_weights(model.get_weights())
    state = np.zeros((m, 64), "float32")

    def predict():
        ids = [dates.indices(sentence, dt.TX) for sentence in sentences]
        x = dates.one_hot(ids, len(dates.HUMAN_VOCAB))
        y_hat = np.stack(course.predict([x, state, state], verbose=0), axis=1)
        return [dates.decode(row) for row in y_hat.argmax(-1)]

    return Contest(
        lambda: dt.translate(model, sentences)[0],
        {"predict": predict},
        lambda ours, theirs: float(ours != theirs),
        tolerance=0.0,
    )
