"""The training loop is traced once, equals a plain loop and resumes bit for bit.

Run as a script, the file does what needs a process of its own: a run that kills
itself, and runs on several devices.
"""

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from full_disks import full_disk
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core import augment, training
from dls_keras.core.errors import InputError
from dls_keras.core.progress import progress
from dls_keras.fast.layers import Adam, BatchNormalization

EPOCHS, KILLED_AFTER = 5, 2


def images(m=44):
    """m small images and their classes, 0 to 2; 44 leave a ragged batch of 12."""
    rng = np.random.default_rng(0)
    y = np.arange(m) % 3
    x = rng.uniform(size=(m, 8, 8, 3)) * 0.5 + y[:, None, None, None] * 0.2
    return x.astype("float32"), y


def run_on_images(checkpoint=None, on_epoch=None):
    """Train a network with dropout and batch normalization; return losses and state."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3),
            BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )

    def loss_fn(x, y):
        y_hat = model(x, training=True)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    def augment_batch(seed, x, y):
        return augment.affine(seed, x, rotation=0.3, shift=0.1, flip=True), y

    optimizer = Adam(keras.optimizers.schedules.CosineDecay(0.01, 2 * EPOCHS))
    losses = training.fit(
        loss_fn,
        images(),
        model.trainable_variables,
        optimizer,
        epochs=EPOCHS,
        batch_size=16,
        seed=3,
        state=model.non_trainable_variables,
        augment=augment_batch,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )
    return losses, [np.asarray(v) for v in [*model.variables, *optimizer.variables]]


def line(m=20, seed=0):
    """m points (x, y) with x (m, 2) and y = x . (1, -2) + 3."""
    x = np.random.default_rng(seed).normal(size=(m, 2)).astype("float32")
    return x, (x @ [[1.0], [-2.0]] + 3).astype("float32")


def line_model():
    """A neuron with two inputs and initial weights of zero, and its loss."""
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    return model, lambda x, y: tf.reduce_mean(tf.square(model(x) - y))


def fit_line(optimizer=None, data=None, **arguments):
    """Train the neuron on the line with `fit`; return its losses and weights."""
    model, loss_fn = line_model()
    optimizer = optimizer or keras.optimizers.SGD(0.1)
    arguments = {"epochs": 3, "batch_size": 8} | arguments
    losses = training.fit(
        loss_fn, data or line(), model.trainable_variables, optimizer, **arguments
    )
    return losses, model.get_weights()


# One step.


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_step_updates_the_weights_and_returns_the_loss(jit_compile):
    """Both equal those of NumPy; the loss is that before the update."""
    model, loss_fn = line_model()
    x, y = line()
    step = training.compile_step(
        loss_fn,
        model.trainable_variables,
        keras.optimizers.SGD(0.1),
        jit_compile=jit_compile,
    )
    w, b = (v.numpy() for v in model.trainable_variables)
    for _ in range(3):
        error = x @ w + b - y
        # 1e-5: TensorFlow sums the 20 products in another order.
        np.testing.assert_allclose(step(x, y), np.mean(error**2), rtol=1e-5)
        w, b = w - 0.2 * x.T @ error / len(x), b - 0.2 * error.mean(0)
        np.testing.assert_allclose(model.get_weights()[0], w, rtol=1e-5)
        np.testing.assert_allclose(model.get_weights()[1], b, rtol=1e-5)
    if jit_compile:  # only a function that XLA compiles has HLO code
        assert "HloModule" in step.experimental_get_compiler_ir(x, y)(stage="hlo")


@pytest.mark.parametrize("make", [tf.Variable, keras.Variable])
@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD, Adam])
def test_a_step_updates_an_image(make, optimizer):
    """As in style transfer: the variable is an image, the loss takes no arguments."""
    image = make(np.zeros((1, 4, 4, 3), "float32"))
    target = np.random.default_rng(0).uniform(size=image.shape).astype("float32")
    step = training.compile_step(
        lambda: tf.reduce_sum(tf.square(tf.convert_to_tensor(image) - target)),
        [image],
        optimizer(0.1),
    )
    losses = [float(step()) for _ in range(100)]
    np.testing.assert_allclose(losses[0], np.sum(target**2), rtol=1e-5)
    # Adam with a constant learning rate oscillates by a few per cent of the rate.
    assert losses[-1] < 1e-3 * losses[0] and min(losses) == losses[-1]


def test_xla_is_the_default_on_gpus_only():
    """Without a GPU it is off."""
    assert training.use_xla() == bool(tf.config.list_physical_devices("GPU"))


# The loop.


def test_the_graph_is_traced_once_and_calls_no_python():
    """One trace for three epochs, without a py_function in the graph."""
    graphs = []
    model, loss_fn = line_model()

    def traced_loss(x, y):
        graphs.append(tf.compat.v1.get_default_graph())
        assert x.shape == (8, 2) and y.shape == (8, 1)
        return loss_fn(x, y)

    training.fit(
        traced_loss,
        line(),
        model.trainable_variables,
        keras.optimizers.SGD(0.1),
        epochs=3,
        batch_size=8,
    )
    (graph,) = graphs  # one trace
    kinds = set()
    while hasattr(graph, "outer_graph"):  # from the step to the loop of the epoch
        kinds |= {operation.type for operation in graph.get_operations()}
        graph = graph.outer_graph
    assert {"MatMul", "GatherV2"} <= kinds and {"While", "StatelessWhile"} & kinds
    assert not [kind for kind in kinds if "PyFunc" in kind]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_losses_are_those_of_a_plain_loop(jit_compile):
    """With the same batches, a gradient tape and Keras's optimizer."""
    model, loss_fn = line_model()
    optimizer = keras.optimizers.Adam(0.1)
    x, y = line()
    expected = []
    for epoch in range(4):
        order = tf.random.experimental.stateless_shuffle(tf.range(20), [5, epoch])
        total = 0
        for i in range(2):
            chosen = order[8 * i : 8 * (i + 1)].numpy()
            with tf.GradientTape() as tape:
                loss = loss_fn(x[chosen], y[chosen])
            total += float(loss)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)
        expected.append(total / 2)

    losses, weights = fit_line(
        keras.optimizers.Adam(0.1), epochs=4, seed=5, jit_compile=jit_compile
    )
    assert all(type(loss) is float for loss in losses)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    for actual, by_loop in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(actual, by_loop, rtol=1e-6)


def test_training_finds_the_line():
    """Its slopes are 1 and -2, its intercept is 3."""
    losses, (w, b) = fit_line(epochs=150)
    assert losses[-1] < 1e-6 * losses[0]
    np.testing.assert_allclose([*w[:, 0], *b], [1, -2, 3], atol=1e-3)


@pytest.mark.parametrize("m, batch_size", [(20, 8), (20, 20), (20, 1)])
def test_an_epoch_has_full_batches_of_distinct_examples(m, batch_size):
    """The examples of the ragged last batch are left out; others in each epoch."""
    used = tf.Variable(tf.zeros((3, m), tf.int32))
    weight, epoch = tf.Variable(0.0), tf.Variable(0)

    def loss_fn(i):
        places = tf.stack([tf.repeat(epoch, len(i)), i], axis=1)
        used.scatter_nd_add(places, tf.ones_like(i))
        return weight * tf.cast(tf.size(i), tf.float32)

    training.fit(
        loss_fn,
        [np.arange(m, dtype="int32")],
        [weight],
        keras.optimizers.SGD(0.1),
        epochs=3,
        batch_size=batch_size,
        on_epoch=lambda epoch_, _: epoch.assign(epoch_),
    )
    used = used.numpy()
    assert set(np.unique(used)) <= {0, 1}
    assert (used.sum(axis=1) == m // batch_size * batch_size).all()
    if m % batch_size:
        assert len(np.unique(used, axis=0)) == 3


def test_the_seed_determines_the_order_of_the_examples():
    """The same seed gives the same losses bit for bit, another seed others."""
    first, again, other = (fit_line(seed=seed)[0] for seed in (1, 1, 2))
    assert first == again and first != other


def test_each_batch_is_augmented_with_its_own_seed():
    """It is the seed of the run and the number of the step, counted over all epochs."""
    weight = tf.Variable(0.0)

    def augment_batch(seed, x):
        return [tf.zeros_like(x) + tf.cast(100 * seed[0] + seed[1], tf.float32)]

    losses = training.fit(
        lambda x: tf.reduce_mean(x) + weight,
        [np.zeros(20, "float32")],
        [weight],
        keras.optimizers.SGD(0.0),
        epochs=3,
        batch_size=5,
        seed=7,
        augment=augment_batch,
    )
    assert losses == [701.5, 705.5, 709.5]  # means of four steps


def test_on_epoch_is_called_after_each_epoch():
    """With its number, from 1, and its loss."""
    calls = []
    losses, _ = fit_line(on_epoch=lambda *arguments: calls.append(arguments))
    assert calls == list(enumerate(losses, 1))


def test_the_progress_bar_does_not_change_the_result(monkeypatch):
    """If it is shown, an epoch is run in ten parts; the weights are the same."""
    losses, weights = fit_line(data=line(200))

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    for name in ("NO_COLOR", "TERM", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    losses_with_bar, weights_with_bar = fit_line(data=line(200))
    assert "epochs" in sys.stderr.getvalue() and "100% loss" in sys.stderr.getvalue()
    # 1e-6: the losses of an epoch are summed in another order.
    np.testing.assert_allclose(losses_with_bar, losses, rtol=1e-6)
    for with_bar, without in zip(weights_with_bar, weights, strict=True):
        np.testing.assert_array_equal(with_bar, without)


def test_no_progress_bar_is_shown_without_a_terminal(capfd):
    """Nothing is written into a pipe or a file."""
    with progress("work", total=2) as bar:
        bar.advance(1, "half")
        assert not bar.visible
    assert capfd.readouterr() == ("", "")


def test_a_batch_size_that_does_not_fit_the_data_is_refused():
    """A larger one than the number of examples, or 0."""
    with pytest.raises(InputError, match="batch_size=21 does not fit 20 examples"):
        fit_line(batch_size=21)
    with pytest.raises(InputError, match="batch_size=0"):
        fit_line(batch_size=0)


def test_arrays_of_unequal_length_are_refused():
    """x and y must have the same number of examples."""
    x, y = line()
    with pytest.raises(InputError, match=r"differ in length: \[19, 20\]"):
        fit_line(data=(x, y[:-1]))


# Checkpoints.


def test_a_killed_run_resumes_bit_for_bit(tmp_path):
    """kill -9 after two epochs of five, with dropout, batch norm and augmentation.

    Losses, weights, moving statistics, random states and the moments of Adam are
    those of an uninterrupted run.
    """
    path = tmp_path / "run.npz"
    killed = start("killed", path)
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]

    epochs = []
    resumed = run_on_images(path, lambda epoch, _: epochs.append(epoch))
    assert epochs == [3, 4, 5]
    uninterrupted = run_on_images()
    assert resumed[0] == uninterrupted[0] and len(resumed[0]) == EPOCHS
    assert resumed[0][-1] < resumed[0][0]
    for actual, expected in zip(resumed[1], uninterrupted[1], strict=True):
        np.testing.assert_array_equal(actual, expected)

    # The checkpoint of a finished run restores its weights without training.
    restored = run_on_images(path, lambda *_: pytest.fail("trained again"))
    assert restored[0] == uninterrupted[0]
    for actual, expected in zip(restored[1], uninterrupted[1], strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_without_a_checkpoint_no_file_is_written(tmp_path, monkeypatch):
    """Training writes nothing into the current folder."""
    monkeypatch.chdir(tmp_path)
    fit_line()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"batch_size": 4},
        {"data": line(24)},
        {"optimizer": keras.optimizers.Adam},
    ],
    ids=["seed", "batch_size", "m", "optimizer"],
)
def test_the_checkpoint_of_another_run_is_refused(tmp_path, other):
    """The checkpoint is not overwritten."""
    path = tmp_path / "run.npz"
    fit_line(checkpoint=path)
    before = path.read_bytes()
    if "optimizer" in other:
        other = {"optimizer": other["optimizer"](0.1)}
    with pytest.raises(InputError, match="belongs to another run"):
        fit_line(checkpoint=path, epochs=4, **other)
    assert path.read_bytes() == before


def test_a_finished_run_can_be_continued_with_more_epochs(tmp_path):
    """Three epochs, then two more, have the losses of five."""
    path = tmp_path / "run.npz"
    fit_line(checkpoint=path, epochs=3)
    assert fit_line(checkpoint=path, epochs=5)[0] == fit_line(epochs=5)[0]


def test_an_unwritable_checkpoint_is_an_error_before_training(tmp_path):
    """Not after the first epoch, which may take hours."""
    model, _ = line_model()
    with pytest.raises(InputError, match="none does not exist"):
        training.fit(
            lambda *_: pytest.fail("a step was run"),
            line(),
            model.trainable_variables,
            keras.optimizers.SGD(0.1),
            epochs=1,
            batch_size=8,
            checkpoint=tmp_path / "none" / "run.npz",
        )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The path and the bytes of the checkpoint of a finished run, and its result."""
    path = tmp_path_factory.mktemp("checkpoint") / "run.npz"
    losses, weights = fit_line(checkpoint=path)
    return path, path.read_bytes(), losses, weights


@settings(max_examples=100, deadline=None)
@given(
    share=st.floats(0, 1, exclude_max=True), damage=st.binary(min_size=1, max_size=8)
)
def test_a_damaged_checkpoint_is_refused(finished, share, damage):
    """Truncated it is always refused; other bytes are an error or have no effect."""
    path, content, losses, weights = finished
    place = int(share * len(content))
    path.write_bytes(content[:place])
    with pytest.raises(InputError, match="is not a checkpoint"):
        fit_line(checkpoint=path)
    rest = content[place + len(damage) :]
    path.write_bytes(content[:place] + damage + rest)
    try:
        restored_losses, restored_weights = fit_line(checkpoint=path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert restored_losses == losses
        for actual, expected in zip(restored_weights, weights, strict=True):
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("kind", ["array", "archive", "text"])
def test_a_file_that_is_not_a_checkpoint_is_refused(tmp_path, kind):
    """It is not overwritten."""
    path = tmp_path / "run.npz"
    with open(path, "wb") as file:
        if kind == "array":
            np.save(file, np.ones(3))
        elif kind == "archive":
            np.savez(file, a=np.ones(3))
        else:
            file.write(b"Dear Sir or Madam,")
    content = path.read_bytes()
    with pytest.raises(InputError, match="is not a checkpoint"):
        fit_line(checkpoint=path)
    assert path.read_bytes() == content


def test_a_checkpoint_larger_than_the_disk_is_an_error_before_training(tmp_path):
    """Its size is known before the first epoch."""
    path = tmp_path / "run.npz"
    with full_disk(200), pytest.raises(InputError, match="run.npz: File too large"):
        fit_line(checkpoint=path, on_epoch=lambda *_: pytest.fail("an epoch was run"))
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_in_its_first_epoch_leaves_no_checkpoint(tmp_path):
    """Nothing was trained."""
    with pytest.raises(InputError, match="the loss of epoch 1 is nan"):
        fit_line(keras.optimizers.SGD(np.nan), checkpoint=tmp_path / "run.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_fails_later_is_kept_in_the_temporary_folder(
    tmp_path, monkeypatch
):
    """The training ends, and resumes from there: no epoch is lost."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    path = tmp_path / "here" / "run.npz"

    def remove_folder(epoch, _):
        path.unlink()
        path.parent.rmdir()

    with pytest.raises(InputError, match="stopped after epoch 2; to resume") as caught:
        fit_line(checkpoint=path, on_epoch=remove_folder)
    kept = str(caught.value).partition("the checkpoint that is in ")[2]
    epochs = []
    resumed, _ = fit_line(
        checkpoint=kept.removesuffix("."), on_epoch=lambda *a: epochs.append(a[0])
    )
    assert epochs == [3] and resumed == fit_line()[0]


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    """Also if the temporary folder is full: the run resumes one epoch earlier."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = tmp_path / "run.npz"
    with contextlib.ExitStack() as stack:
        with pytest.raises(InputError, match="run.npz: File too large"):
            fit_line(
                checkpoint=path,
                on_epoch=lambda *_: stack.enter_context(full_disk(200)),
            )
    assert list(tmp_path.iterdir()) == [path]
    epochs = []
    resumed, _ = fit_line(checkpoint=path, on_epoch=lambda *a: epochs.append(a[0]))
    assert epochs == [2, 3] and resumed == fit_line()[0]


# Divergence.


@pytest.mark.parametrize("rate", [np.nan, np.inf, 1e30])
def test_a_diverged_run_ends_at_the_epoch_whose_loss_is_not_finite(tmp_path, rate):
    """No checkpoint holds NaN."""
    path = tmp_path / "run.npz"
    with pytest.raises(InputError, match=r"epoch 1 is (nan|inf).*smaller learning"):
        fit_line(keras.optimizers.SGD(rate), epochs=100, checkpoint=path)
    assert not path.exists()


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    """They may be so after a step whose loss, computed before it, is finite."""
    path = tmp_path / "run.npz"
    with pytest.raises(InputError, match="kernel holds NaN or inf"):
        fit_line(keras.optimizers.SGD(np.nan), epochs=1, batch_size=20, checkpoint=path)
    assert not path.exists()


@pytest.mark.parametrize("array", ["losses", "v0"])
def test_a_checkpoint_with_nan_is_refused(tmp_path, array):
    """Such as one of an earlier version of the package."""
    path = tmp_path / "run.npz"
    fit_line(checkpoint=path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays[array] = arrays[array] * np.nan
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="NaN or inf.*Delete it to start"):
        fit_line(checkpoint=path, epochs=4)


# Several devices.


def fit_shared(kind, strategy=None, *, passed=True, batch_size=8):
    """Train a small network that is built in the scope of `strategy`.

    The strategy is passed to `fit`, or `fit` is called in its scope.
    """
    scope = strategy.scope if strategy else contextlib.nullcontext
    with scope():
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((2,)),
                keras.layers.Dense(5, activation="tanh"),
                keras.layers.Dense(1),
            ]
        )
        optimizer = kind(0.05)
    replicas = strategy.num_replicas_in_sync if strategy else 1

    def loss_fn(x, y):
        assert len(x) == batch_size // replicas
        return tf.reduce_mean(tf.square(model(x) - y))

    with contextlib.nullcontext() if passed else scope():
        losses = training.fit(
            loss_fn,
            line(),
            model.trainable_variables,
            optimizer,
            epochs=4,
            batch_size=batch_size,
            strategy=strategy if passed else None,
        )
    return {"losses": losses, "weights": [w.tolist() for w in model.get_weights()]}


def assert_same_run(actual, expected):
    """Equal to 1e-5, because a mean of two means sums in another order."""
    np.testing.assert_allclose(actual["losses"], expected["losses"], rtol=1e-5)
    for one, other in zip(actual["weights"], expected["weights"], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_two_devices_give_the_same_result_as_one():
    """MirroredStrategy over two logical CPUs, passed to `fit` or entered."""
    process = start("mirrored")
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    passed, by_scope, refused = map(json.loads, out.splitlines())
    # SGD, because Adam gives the same result for gradients of twice the size.
    assert_same_run(passed, fit_shared(keras.optimizers.SGD))
    assert_same_run(by_scope, fit_shared(Adam))
    assert "batch_size=7 cannot be divided equally among 2 replicas" in refused


@pytest.mark.large
def test_two_workers_give_the_same_result_as_one():
    """Two processes exchange gradients over the loopback interface."""
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(f"127.0.0.1:{free.getsockname()[1]}")
    workers = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": ports}, "task": task})
        workers.append(start("worker", TF_CONFIG=config))
    alone = fit_shared(keras.optimizers.SGD)
    for worker in workers:
        out, err = worker.communicate(timeout=180)
        assert worker.returncode == 0, err
        assert_same_run(json.loads(out), alone)


def start(*arguments, **environment):
    """Start this file as a script in a process of its own."""
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def main(task, *arguments):
    """Run one of the tasks that need a process of their own."""
    if task == "killed":

        def kill(epoch, _):
            if epoch == KILLED_AFTER:
                os.kill(os.getpid(), signal.SIGKILL)

        run_on_images(*arguments, kill)
        return
    if task == "worker":
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        assert strategy.num_replicas_in_sync == 2
        print(json.dumps(fit_shared(keras.optimizers.SGD, strategy)))
        return
    (cpu,) = tf.config.list_physical_devices("CPU")
    half = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [half, half])
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    print(json.dumps(fit_shared(keras.optimizers.SGD, strategy)))
    print(json.dumps(fit_shared(Adam, strategy, passed=False)))
    try:
        fit_shared(Adam, strategy, batch_size=7)
    except InputError as error:
        print(json.dumps(str(error)))


@given(st.integers(2, 300), st.integers(1, 100), st.floats(1e-5, 1.0))
def test_the_learning_rate_warms_up_to_its_peak_and_decays_to_zero(steps, warmup, peak):
    """It starts at a hundredth of the peak and reaches zero at the last step."""
    warmup = min(warmup, steps - 1)
    schedule = training.cosine_decay_with_warmup(peak, steps, warmup=warmup)
    rates = [float(schedule(step)) for step in sorted({0, warmup // 2, warmup, steps})]
    assert rates[0] == pytest.approx(peak / 100, rel=1e-4)
    assert float(schedule(warmup)) == pytest.approx(peak, rel=1e-4) == max(rates)
    assert rates[-1] == pytest.approx(0, abs=1e-6 * peak)


# Callbacks and held-out data


class Recorder(keras.callbacks.Callback):
    """Writes down its calls; stops after so many epochs."""

    def __init__(self, epochs=99):
        super().__init__()
        self.calls, self.epochs, self.values = [], epochs, []

    def on_train_begin(self, logs=None):
        self.calls.append("begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(epoch)

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(dict(logs))
        self.values.append(self.model.get_weights())
        self.model.stop_training = epoch + 1 >= self.epochs

    def on_train_end(self, logs=None):
        self.calls.append("end")


def fitted_line(callbacks=(), *, training_argument=True, **settings):
    """Fit w x to 2 x from zero; return the losses and w."""
    w = keras.Variable(0.0)

    def loss_fn(x, y, training=True):
        noise = 1.0 if training else 0.0
        return tf.reduce_mean((w * x - y) ** 2) + noise

    def without(x, y):
        return loss_fn(x, y)

    x = np.arange(8, dtype="float32")
    losses = training.fit(
        loss_fn if training_argument else without,
        (x, 2 * x),
        [w],
        keras.optimizers.SGD(0.01),
        **{"epochs": 3, "batch_size": 2} | settings,
        callbacks=callbacks,
    )
    return losses, float(w)


def test_callbacks_are_called_around_the_training_and_its_epochs():
    """In the order of Keras; they change nothing."""
    recorder = Recorder()
    losses, w = fitted_line([recorder])
    logs = [{"loss": loss} for loss in losses]
    expected = ["begin", 0, logs[0], 1, logs[1], 2, logs[2], "end"]
    assert recorder.calls == expected
    assert float(recorder.values[-1][0]) == w
    assert (losses, w) == fitted_line()
    assert losses.history == {"loss": losses}


def test_a_callback_ends_the_training():
    """Also where the callbacks' model is a Keras model."""
    assert len(fitted_line([Recorder(2)])[0]) == 2
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.stop_training = True  # of a training before
    assert len(fitted_line([Recorder(2)], model=model)[0]) == 2


def test_the_loss_of_held_out_data_is_without_training():
    """Its mean over all examples, in batches of which the last is smaller."""
    x = np.arange(5, dtype="float32")
    losses, w = fitted_line(validation_data=(x, x))
    expected = np.mean((w * x - x) ** 2)
    np.testing.assert_allclose(losses.history["val_loss"][-1], expected, rtol=1e-5)
    assert losses == fitted_line()[0]


def test_a_resumed_run_has_no_loss_of_held_out_data_before(tmp_path):
    """NaN stands in its place; callbacks begin with the next epoch."""
    settings = {
        "checkpoint": tmp_path / "run.npz",
        "validation_data": (np.ones(2),) * 2,
    }
    fitted_line(**settings)
    recorder = Recorder()
    losses, _ = fitted_line([recorder], epochs=5, **settings)
    assert np.isnan(losses.history["val_loss"][:3]).all()
    assert np.isfinite(losses.history["val_loss"][3:]).all()
    assert len(losses) == 5 and recorder.calls[1] == 3


def test_a_loss_that_only_trains_takes_no_held_out_data():
    """The message says so, before anything is trained."""
    x = np.ones(2, "float32")
    with pytest.raises(InputError, match="takes no validation_data"):
        fitted_line(training_argument=False, validation_data=(x, x))
    with pytest.raises(InputError, match="differ in length"):
        fitted_line(validation_data=(x, x[:1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
