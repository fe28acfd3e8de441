"""The NumPy assignments: our fast forms against the lessons'."""

import functools

import numpy as np

from benchmarks import lessons
from benchmarks.timing import Contest, largest, relative


def logistic_regression(quick):
    """Logistic regression, 2000 iterations on 209 pictures, float64."""
    from dls_keras.course1 import logistic_regression as lr

    epochs = 20 if quick else 2000
    X, Y = _pictures()

    def ours():
        return lr.train(lr.build_model(), (X, Y), epochs=epochs)[::100]

    def course():
        zeros = lr.build_model()
        return lr.optimize(
            **zeros, X=X, Y=Y, num_iterations=epochs, learning_rate=0.005
        )[2]

    return Contest(ours, {"course": course}, largest, 1e-12, dtype="float64")


def deep_network(quick):
    """L-layer cat network, 2500 iterations on 209 pictures, float64."""
    from dls_keras.course1 import deep_network_application as dna

    epochs = 10 if quick else 2500
    X, Y = _pictures()

    def ours():
        return dna.train(dna.build_model(), (X, Y), epochs=epochs)[::100]

    def course():
        return dna.L_layer_model(X, Y, dna.FOUR_LAYERS, num_iterations=epochs)[1]

    return Contest(ours, {"course": course}, largest, 1e-12, dtype="float64")


def convolution_forward(quick):
    """Convolution forward, ten images of 28 x 28, 3 x 3, 8 to 16 channels, float64."""
    p = _convolution(quick)
    return Contest(
        lambda: p.steps.conv_forward(p.A_prev, p.W, p.b, p.hparameters)[0],
        {"loops": lambda: lessons.conv_forward(p.A_prev, p.W, p.b, 1, 1)},
        relative,
        1e-12,
        work=2 * p.Z.size * p.W[..., 0].size,
        dtype="float64",
    )


def convolution_backward(quick):
    """Its way back: the gradients of the images, the filters and the biases."""
    p = _convolution(quick)
    return Contest(
        lambda: p.steps.conv_backward(p.Z, p.cache),
        {"loops": lambda: lessons.conv_backward(p.Z, p.A_prev, p.W, 1, 1)},
        relative,
        1e-11,
        work=4 * p.Z.size * p.W[..., 0].size,
        dtype="float64",
    )


def pooling_forward(quick):
    """Max pooling, 2 x 2, of ten images of 28 x 28 with 8 channels, float64."""
    p = _convolution(quick)
    return Contest(
        lambda: p.steps.pool_forward(p.A_prev, {"f": 2, "stride": 2})[0],
        {"loops": lambda: lessons.pool_forward(p.A_prev, 2, 2, "max")},
        largest,
        0.0,
    )


def pooling_backward(quick):
    """Its way back."""
    p = _convolution(quick)
    A, cache = p.steps.pool_forward(p.A_prev, {"f": 2, "stride": 2})
    return Contest(
        lambda: p.steps.pool_backward(A, cache),
        {"loops": lambda: lessons.pool_backward(A, p.A_prev, 2, 2, "max")},
        largest,
        0.0,
    )


def yolo_boxes(quick):
    """Boxes of one picture from YOLOv2's 19 x 19 x 425 numbers, suppression and all."""
    from dls_keras.course4 import car_detection
    from dls_keras.fast import boxes as fast_boxes

    (feats,), head = _yolo(1)

    def ours():
        found = fast_boxes.detect([feats], [head], (720, 1280))
        return found.scores, found.boxes, found.classes

    def eager():
        outputs = car_detection.yolo_head(feats[None], head.anchors, 80)
        return [part.numpy() for part in car_detection.yolo_eval(outputs)]

    def loops():
        return lessons.detect(feats, head.anchors, 80, (720, 1280))

    return Contest(ours, {"loops": loops, "TensorFlow eager": eager}, largest, 1e-2)


def yolo_boxes_batch(quick):
    """The same for 32 pictures at once, a picture, against a graph for each."""
    import tensorflow as tf

    from dls_keras.course4 import car_detection
    from dls_keras.fast import boxes as fast_boxes

    m = 2 if quick else 32
    feats, head = _yolo(m)
    anchors, shape = tf.constant(head.anchors), tf.constant([720.0, 1280.0])

    def ours():
        found = fast_boxes.detect_all([feats], [head], [(720, 1280)] * m)
        return [part for one in found for part in (one.scores, one.boxes, one.classes)]

    def graph():
        found = [car_detection.detect_in_graph(one, anchors, shape) for one in feats]
        return [part.numpy() for one in found for part in one]

    return Contest(ours, {"TensorFlow graph": graph}, largest, 1e-2, of=m)


def dinosaurs(quick):
    """Dinosaur names, 22,001 iterations in float64; the first 5000 losses compared."""
    from dls_keras.course5 import dinosaurs as ds
    from dls_keras.datasets import dinosaur_names

    iterations = 50 if quick else 22_001
    data = ds.load_data(dinosaur_names.make_names())
    return Contest(
        lambda: ds.descend(ds.build_model(), data, iterations)[:5000],
        {
            "course": lambda: lessons.dinosaur_losses(
                ds.build_model(), data, iterations
            )[:5000]
        },
        largest,
        1e-12,
        dtype="float64",
    )


def dinosaur_sampling(quick):
    """Making up 1000 names; the course draws them letter by letter."""
    from dls_keras.course5 import dinosaurs as ds

    model = ds.load_pretrained()
    to_index = {letter: i for i, letter in enumerate(ds.LETTERS)}
    few = 5 if quick else 50

    def course():
        return np.mean(
            [len(ds.sample(model, to_index, seed)) - 1 for seed in range(few)]
        )

    return Contest(
        lambda: np.mean([len(name) for name in ds.invent(model, 1000)[0]]),
        {"course": course},
        lambda a, b: abs(a - b),
        tolerance=5.0,  # letters; other draws, names as long
        share={"course": few / 1000},
    )


WORKLOADS = {
    logistic_regression: {"course": 60},
    deep_network: {"course": 120},
    convolution_forward: {"loops": 700},
    convolution_backward: {"loops": 500},
    pooling_forward: {"loops": 500},
    pooling_backward: {"loops": 500},
    yolo_boxes: {"loops": 120, "TensorFlow eager": 60},
    yolo_boxes_batch: {"clock": 0.05e-3},
    dinosaurs: {"course": 15},
    dinosaur_sampling: {"course": 50},
}


@functools.cache
def _pictures():
    """209 pictures as the columns of X (12288, 209) in [0, 1], labels Y (1, 209)."""
    from dls_keras.datasets import cats

    x, y = cats.make_cats(209)
    return x.reshape(209, -1).T / 255, y[np.newaxis]


def _yolo(m):
    """What YOLOv2 might say of m pictures (m, 19, 19, 425), and its `Head`."""
    from dls_keras.networks import darknet

    rng = np.random.default_rng(0)
    anchors = rng.uniform(0.5, 8, (5, 2)).astype("float32")
    feats = rng.normal(size=(m, 19, 19, 5, 85)).astype("float32")
    feats[..., 4] -= 4  # as in a picture: hardly any cell holds a thing
    feats[..., 5:] *= 3
    feats[rng.random((m, 19, 19, 5)) < 0.02, 4] += 9
    head = darknet.Head("region", tuple(map(tuple, anchors)), 80, 32)
    return feats.reshape(m, 19, 19, -1), head


class _Convolution:
    """The numbers of a convolution, forward and back."""

    def __init__(self, m):
        from dls_keras.course4 import convolution_steps

        rng = np.random.default_rng(0)
        self.steps = convolution_steps
        self.hparameters = {"stride": 1, "pad": 1}
        self.A_prev = rng.normal(size=(m, 28, 28, 8))
        self.W = rng.normal(size=(3, 3, 8, 16))
        self.b = rng.normal(size=(1, 1, 1, 16))
        self.Z, self.cache = convolution_steps.conv_forward(
            self.A_prev, self.W, self.b, self.hparameters
        )


@functools.cache
def _convolution(quick):
    return _Convolution(1 if quick else 10)
