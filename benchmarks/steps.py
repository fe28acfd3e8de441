"""The NumPy assignments, in float64: fast forms against the lessons' plain code."""

import functools

import numpy as np

from benchmarks.timing import (
    LATENCY,
    Benchmark,
    largest_difference,
    relative_difference,
)


def logistic_regression(quick):
    """Logistic regression, 2000 iterations on 209 images, float64."""
    from dls_keras.course1 import logistic_regression as lr

    epochs = 20 if quick else 2000
    X, Y = _images()

    def ours():
        return lr.train(lr.build_model(), (X, Y), epochs=epochs)[::100]

    def course():
        zeros = lr.build_model()
        return lr.optimize(
            **zeros, X=X, Y=Y, num_iterations=epochs, learning_rate=0.005
        )[2]

    return Benchmark(
        ours, {"course": course}, largest_difference, 1e-12, dtype="float64"
    )


def deep_network(quick):
    """Cat classifier of four layers, 2500 iterations on 209 images, float64."""
    from dls_keras.course1 import deep_network_application as dna

    epochs = 10 if quick else 2500
    X, Y = _images()

    def ours():
        return dna.train(dna.build_model(), (X, Y), epochs=epochs)[::100]

    def course():
        return dna.L_layer_model(X, Y, dna.FOUR_LAYERS, num_iterations=epochs)[1]

    return Benchmark(
        ours, {"course": course}, largest_difference, 1e-12, dtype="float64"
    )


def convolution_forward(quick):
    """Forward pass of a 3 x 3 convolution, ten 28 x 28 images, 8 to 16 channels."""
    p = _convolution(quick)
    return Benchmark(
        lambda: p.steps.conv_forward(*p.given, p.hparameters)[0],
        {"loops": lambda: p.steps.conv_forward_by_loops(*p.given, p.hparameters)[0]},
        relative_difference,
        1e-12,
        flops=2 * p.Z.size * p.W[..., 0].size,
        dtype="float64",
    )


def convolution_backward(quick):
    """Its backward pass: the gradients of the images, the filters and the biases."""
    p = _convolution(quick)
    return Benchmark(
        lambda: p.steps.conv_backward(p.Z, p.cache),
        {"loops": lambda: p.steps.conv_backward_by_loops(p.Z, p.cache)},
        relative_difference,
        1e-11,
        flops=4 * p.Z.size * p.W[..., 0].size,
        dtype="float64",
    )


def pooling_forward(quick):
    """Forward pass of 2 x 2 max pooling, ten 28 x 28 images, 8 channels."""
    p = _convolution(quick)
    return Benchmark(
        lambda: p.steps.pool_forward(p.A_prev, p.pooling)[0],
        {"loops": lambda: p.steps.pool_forward_by_loops(p.A_prev, p.pooling)[0]},
        largest_difference,
        0.0,
    )


def pooling_backward(quick):
    """Its backward pass."""
    p = _convolution(quick)
    A, cache = p.steps.pool_forward(p.A_prev, p.pooling)
    return Benchmark(
        lambda: p.steps.pool_backward(A, cache),
        {"loops": lambda: p.steps.pool_backward_by_loops(A, cache)},
        largest_difference,
        0.0,
    )


def yolo_boxes(quick):
    """Boxes of one image from YOLOv2's 19 x 19 x 425 outputs, with suppression."""
    from dls_keras.course4 import car_detection
    from dls_keras.fast import boxes as fast_boxes

    feats, head = _yolo(1)

    def ours():
        (found,) = fast_boxes.detect_all([feats], [head], [(720, 1280)])
        return found.scores, found.boxes, found.classes

    def eager():
        outputs = car_detection.yolo_head(feats, head.anchors, 80)
        return [part.numpy() for part in car_detection.yolo_eval(outputs)]

    def loops():
        return _detect_by_loops(feats[0], head.anchors, (720, 1280))

    return Benchmark(
        ours, {"loops": loops, "TensorFlow eager": eager}, largest_difference, 1e-2
    )


def yolo_boxes_batch(quick):
    """The same for a batch of 32, per image, against one graph call per image."""
    import tensorflow as tf

    from dls_keras.fast import boxes as fast_boxes

    m = 2 if quick else 32
    feats, head = _yolo(m)
    anchors, shape = tf.constant(head.anchors), tf.constant([720.0, 1280.0])
    detect = tf.function(_detect_in_graph)

    def ours():
        found = fast_boxes.detect_all([feats], [head], [(720, 1280)] * m)
        return [part for one in found for part in (one.scores, one.boxes, one.classes)]

    def graph():
        found = [detect(one, anchors, shape) for one in feats]
        return [part.numpy() for one in found for part in one]

    return Benchmark(
        ours, {"TensorFlow graph": graph}, largest_difference, 1e-2, units=m
    )


def dinosaurs(quick):
    """Training on dinosaur names, 22,001 iterations, float64; 5000 losses compared."""
    from dls_keras.course5 import dinosaurs as ds
    from dls_keras.datasets import dinosaur_names
    from dls_keras.fast import char_rnn

    iterations = 50 if quick else 22_001
    x, y, lengths, names = ds.load_data(dinosaur_names.make_names())

    def ours():
        settings = {"learning_rate": 0.01, "max_gradient": ds.CLIP}
        return char_rnn.descend(
            ds.build_model(), x, y, lengths, iterations, **settings
        )[:5000]

    def course():
        losses = ds.descend(ds.build_model(), names, ds.CHAR_TO_IX, iterations)
        return list(losses)[:5000]

    return Benchmark(
        ours, {"course": course}, largest_difference, 1e-12, dtype="float64"
    )


def dinosaur_sampling(quick):
    """Sampling 1000 names in one batch; the course samples one at a time."""
    from dls_keras.course5 import dinosaurs as ds

    model = ds.load_pretrained()
    few = 5 if quick else 50

    def ours():
        answer = ds.infer(model, "", count=1000, temperature=1.0)
        return np.mean([len(name) for name in answer.details["names"]])

    def course():
        names = [ds.sample(model, ds.CHAR_TO_IX, seed) for seed in range(few)]
        return np.mean([len(name) - 1 for name in names])

    return Benchmark(
        ours,
        {"course": course},
        lambda a, b: abs(a - b),
        tolerance=5.0,  # letters, between the mean lengths of different names
        fraction={"course": few / 1000},
    )


WORKLOADS = {
    logistic_regression: {"course": 60},
    deep_network: {"course": 120},
    convolution_forward: {"loops": 700},
    convolution_backward: {"loops": 500},
    pooling_forward: {"loops": 500},
    pooling_backward: {"loops": 500},
    yolo_boxes: {"loops": 120, "TensorFlow eager": 60},
    yolo_boxes_batch: {LATENCY: 0.05e-3},
    dinosaurs: {"course": 15},
    dinosaur_sampling: {"course": 50},
}


@functools.cache
def _images():
    """209 images as the columns of X (12288, 209) in [0, 1], labels Y (1, 209)."""
    from dls_keras.datasets import cats

    x, y = cats.make_cats(209)
    return x.reshape(209, -1).T / 255, y[np.newaxis]


def _yolo(m):
    """Random outputs of YOLOv2 for m images, (m, 19, 19, 425), and its `Head`."""
    from dls_keras.networks import darknet

    rng = np.random.default_rng(0)
    anchors = rng.uniform(0.5, 8, (5, 2)).astype("float32")
    feats = rng.normal(size=(m, 19, 19, 5, 85)).astype("float32")
    feats[..., 4] -= 4  # as for photos: few cells have an object
    feats[..., 5:] *= 3
    feats[rng.random((m, 19, 19, 5)) < 0.02, 4] += 9
    head = darknet.Head("region", tuple(map(tuple, anchors)), 80, 32)
    return feats.reshape(m, 19, 19, -1), head


def _detect_by_loops(feats, anchors, image_shape, threshold=0.6, most=10):
    """Scores, boxes and classes of one image by loops, as the course explains YOLO."""
    from dls_keras.course4.car_detection import iou

    rows, columns, _ = feats.shape
    feats = feats.reshape(rows, columns, len(anchors), -1)
    candidates = []
    for row, column, a in np.ndindex(rows, columns, len(anchors)):
        tx, ty, tw, th, to, *logits = feats[row, column, a]
        exp = np.exp(np.array(logits) - max(logits))
        scores = exp / exp.sum() / (1 + np.exp(-to))
        k = int(np.argmax(scores))
        if scores[k] < threshold:
            continue
        x = (1 / (1 + np.exp(-tx)) + column) / columns
        y = (1 / (1 + np.exp(-ty)) + row) / rows
        w = np.exp(tw) * anchors[a][0] / columns
        h = np.exp(th) * anchors[a][1] / rows
        box = np.array([y - h / 2, x - w / 2, y + h / 2, x + w / 2])
        candidates.append((scores[k], box * np.tile(image_shape, 2), k))
    candidates.sort(key=lambda candidate: -candidate[0])
    kept = []
    for one in candidates:
        if len(kept) < most and all(iou(one[1], other[1]) <= 0.5 for other in kept):
            kept.append(one)
    return [np.array(part) for part in zip(*kept, strict=True)]


def _detect_in_graph(feats, anchors, image_shape, threshold=0.6):
    """The same in TensorFlow; only anchors with a high objectness are decoded."""
    import tensorflow as tf

    from dls_keras.course4 import car_detection

    rows, columns, n_a = feats.shape[0], feats.shape[1], anchors.shape[0]
    feats = tf.reshape(feats, (rows * columns * n_a, -1))
    logit = np.log(threshold / (1 - threshold))
    candidates = tf.where(feats[:, 4] >= logit)[:, 0]
    feats = tf.gather(feats, candidates)
    cells = np.stack(np.meshgrid(range(columns), range(rows)), -1).reshape(-1, 2)
    cells = tf.gather(tf.constant(cells, tf.float32), candidates // n_a)
    size = tf.constant([columns, rows], tf.float32)
    box_xy = (tf.sigmoid(feats[:, :2]) + cells) / size
    box_wh = tf.exp(feats[:, 2:4]) * tf.gather(anchors, candidates % n_a) / size
    scores, boxes, classes = car_detection.yolo_filter_boxes(
        car_detection.yolo_boxes_to_corners(box_xy, box_wh),
        tf.sigmoid(feats[:, 4:5]),
        tf.nn.softmax(feats[:, 5:]),
        threshold,
    )
    boxes *= tf.tile(image_shape, [2])
    return car_detection.yolo_non_max_suppression(scores, boxes, classes)


class _Convolution:
    """The arrays of a convolution, forward and backward pass."""

    def __init__(self, m):
        from dls_keras.course4 import convolution_steps

        rng = np.random.default_rng(0)
        self.steps = convolution_steps
        self.hparameters = {"stride": 1, "pad": 1}
        self.pooling = {"f": 2, "stride": 2}
        self.A_prev = rng.normal(size=(m, 28, 28, 8))
        self.W = rng.normal(size=(3, 3, 8, 16))
        self.given = self.A_prev, self.W, rng.normal(size=(1, 1, 1, 16))
        self.Z, self.cache = convolution_steps.conv_forward(
            *self.given, self.hparameters
        )


@functools.cache
def _convolution(quick):
    return _Convolution(1 if quick else 10)
