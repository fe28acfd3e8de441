"""One step, one loop: traced once, equal to the plain loop, and resumed bit for bit.

Run as a script the file does what needs a process of its own: a run that kills
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

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core import augment, training
from dls_keras.core.errors import InputError
from dls_keras.core.progress import progress
from dls_keras.fast.layers import Adam, BatchNormalization

EPOCHS, KILLED_AFTER = 5, 2


def pictures(m=44):
    """m small pictures and their classes, 0 to 2; 44 leave a ragged batch of 12."""
    rng = np.random.default_rng(0)
    y = np.arange(m) % 3
    x = rng.uniform(size=(m, 8, 8, 3)) * 0.5 + y[:, None, None, None] * 0.2
    return x.astype("float32"), y


def run_on_pictures(checkpoint=None, on_epoch=None):
    """Train a network that has all sorts of state; return its losses and state."""
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

    def change(seed, x, y):
        return augment.affine(seed, x, rotation=0.3, shift=0.1, flip=True), y

    optimizer = Adam(keras.optimizers.schedules.CosineDecay(0.01, 2 * EPOCHS))
    losses = training.fit(
        loss_fn,
        pictures(),
        model.trainable_variables,
        optimizer,
        epochs=EPOCHS,
        batch_size=16,
        seed=3,
        state=model.non_trainable_variables,
        augment=change,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )
    return losses, [np.asarray(v) for v in [*model.variables, *optimizer.variables]]


def line(m=20, seed=0):
    """m points (x, y) of y = x . (1, -2) + 3, with x (m, 2)."""
    x = np.random.default_rng(seed).normal(size=(m, 2)).astype("float32")
    return x, (x @ [[1.0], [-2.0]] + 3).astype("float32")


def line_model():
    """A neuron with two inputs that starts at zero, and its loss."""
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    return model, lambda x, y: tf.reduce_mean(tf.square(model(x) - y))


def fit_line(optimizer=None, data=None, **arguments):
    """`fit` of the neuron on the line; return its losses and weights."""
    model, loss_fn = line_model()
    optimizer = optimizer or keras.optimizers.SGD(0.1)
    arguments = {"epochs": 3, "batch_size": 8} | arguments
    losses = training.fit(
        loss_fn, data or line(), model.trainable_variables, optimizer, **arguments
    )
    return losses, model.get_weights()


# One step.


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_step_moves_weights_and_returns_the_loss_before(jit_compile):
    """Compared with the same move by hand; with XLA too, on static shapes."""
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
        wrong = x @ w + b - y
        # The product of 20 numbers is summed in another order there.
        np.testing.assert_allclose(step(x, y), np.mean(wrong**2), rtol=1e-5)
        w, b = w - 0.2 * x.T @ wrong / len(x), b - 0.2 * wrong.mean(0)
        np.testing.assert_allclose(model.get_weights()[0], w, rtol=1e-5)
        np.testing.assert_allclose(model.get_weights()[1], b, rtol=1e-5)
    if jit_compile:  # only a function compiled by XLA has its code
        assert "HloModule" in step.experimental_get_compiler_ir(x, y)(stage="hlo")


@pytest.mark.parametrize("make", [tf.Variable, keras.Variable])
@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD, Adam])
def test_a_step_moves_an_image(make, optimizer):
    """As in style transfer: TensorFlow's or Keras's pixels, a loss of no arguments."""
    image = make(np.zeros((1, 4, 4, 3), "float32"))
    target = np.random.default_rng(0).uniform(size=image.shape).astype("float32")
    step = training.compile_step(
        lambda: tf.reduce_sum(tf.square(tf.convert_to_tensor(image) - target)),
        [image],
        optimizer(0.1),
    )
    losses = [float(step()) for _ in range(100)]
    np.testing.assert_allclose(losses[0], np.sum(target**2), rtol=1e-5)
    # Adam at a constant rate of 0.1 still swings by a few hundredths of that.
    assert losses[-1] < 1e-3 * losses[0] and min(losses) == losses[-1]


def test_xla_is_chosen_by_device():
    """On where there is a GPU, off on a machine with CPUs alone."""
    assert training.use_xla() == bool(tf.config.list_physical_devices("GPU"))


# The loop.


def test_the_graph_is_traced_once_and_holds_no_python():
    """Three epochs, one trace; Python is not called from inside the graph."""
    graphs = []
    model, loss_fn = line_model()

    def counted(x, y):
        graphs.append(tf.compat.v1.get_default_graph())
        assert x.shape == (8, 2) and y.shape == (8, 1)
        return loss_fn(x, y)

    fit = (counted, line(), model.trainable_variables, keras.optimizers.SGD(0.1))
    training.fit(*fit, epochs=3, batch_size=8)
    assert len(graphs) == 1
    graph, kinds = graphs[0], set()
    while hasattr(graph, "outer_graph"):  # from the step out to the epoch
        kinds |= {operation.type for operation in graph.get_operations()}
        graph = graph.outer_graph
    assert {"MatMul", "GatherV2"} <= kinds and {"While", "StatelessWhile"} & kinds
    assert not [kind for kind in kinds if "PyFunc" in kind]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_losses_are_those_of_a_plain_loop(jit_compile):
    """The same batches, one by one, through a tape and Keras's own optimiser."""
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
    for ours, theirs in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_the_line_is_found():
    """Its slopes 1 and -2 and its height 3."""
    losses, (w, b) = fit_line(epochs=150)
    assert losses[-1] < 1e-6 * losses[0]
    np.testing.assert_allclose([*w[:, 0], *b], [1, -2, 3], atol=1e-3)


@pytest.mark.parametrize("m, batch_size", [(20, 8), (20, 20), (20, 1)])
def test_an_epoch_sees_whole_batches_of_different_examples(m, batch_size):
    """Each example once, but for the ragged last batch; other ones each epoch."""
    seen = tf.Variable(tf.zeros((3, m), tf.int32))
    weight, epoch = tf.Variable(0.0), tf.Variable(0)

    def loss_fn(i):
        places = tf.stack([tf.repeat(epoch, len(i)), i], axis=1)
        seen.scatter_nd_add(places, tf.ones_like(i))
        return weight * tf.cast(tf.size(i), tf.float32)

    training.fit(
        *(loss_fn, [np.arange(m, dtype="int32")], [weight], keras.optimizers.SGD(0.1)),
        epochs=3,
        batch_size=batch_size,
        on_epoch=lambda epoch_, _: epoch.assign(epoch_),
    )
    seen = seen.numpy()
    assert set(np.unique(seen)) <= {0, 1}
    assert (seen.sum(axis=1) == m // batch_size * batch_size).all()
    if m % batch_size:
        assert len(np.unique(seen, axis=0)) == 3


def test_another_seed_is_another_order():
    """And the same seed is the same, bit for bit."""
    first, again, other = (fit_line(seed=seed)[0] for seed in (1, 1, 2))
    assert first == again and first != other


def test_each_batch_is_changed_by_its_own_seed():
    """The run's seed and the number of the step, counted through all epochs."""
    weight = tf.Variable(0.0)

    def change(seed, x):
        return [tf.zeros_like(x) + tf.cast(100 * seed[0] + seed[1], tf.float32)]

    losses = training.fit(
        *(lambda x: tf.reduce_mean(x) + weight, [np.zeros(20, "float32")]),
        *([weight], keras.optimizers.SGD(0.0)),
        epochs=3,
        batch_size=5,
        seed=7,
        augment=change,
    )
    assert losses == [701.5, 705.5, 709.5]  # means of four steps


def test_on_epoch_hears_of_each_epoch():
    """Its number from 1, and the loss that is returned."""
    heard = []
    losses, _ = fit_line(on_epoch=lambda *what: heard.append(what))
    assert heard == list(enumerate(losses, 1))


def test_a_watched_run_ends_as_an_unwatched_one(monkeypatch):
    """Where the bar is seen an epoch is cut into ten pieces; the weights stay."""
    losses, weights = fit_line(data=line(200))

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    for name in ("NO_COLOR", "TERM", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    watched_losses, watched_weights = fit_line(data=line(200))
    assert "epochs" in sys.stderr.getvalue() and "100% loss" in sys.stderr.getvalue()
    # Sums of the losses are put together in another order.
    np.testing.assert_allclose(watched_losses, losses, rtol=1e-6)
    for ours, theirs in zip(weights, watched_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nothing_is_drawn_where_nobody_watches(capfd):
    """Into a pipe or a file no bar is written."""
    with progress("work", total=2) as bar:
        bar.advance(1, "half")
        assert not bar.visible
    assert capfd.readouterr() == ("", "")


def test_a_batch_larger_than_the_data_is_refused():
    """There would be no step at all."""
    with pytest.raises(InputError, match="batch_size=21 does not fit 20 examples"):
        fit_line(batch_size=21)
    with pytest.raises(InputError, match="batch_size=0"):
        fit_line(batch_size=0)


def test_arrays_of_unequal_length_are_refused():
    """x and y must belong together."""
    x, y = line()
    with pytest.raises(InputError, match=r"differ in length: \[19, 20\]"):
        fit_line(data=(x, y[:-1]))


# Checkpoints.


def test_a_killed_run_goes_on_bit_for_bit(tmp_path):
    """kill -9 after two epochs of five, with dropout, statistics and changed pictures.

    Losses, weights, running statistics, random states and Adam's averages end as in
    a run that nobody killed.
    """
    path = tmp_path / "run.npz"
    killed = start("killed", path)
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]

    heard = []
    resumed = run_on_pictures(path, lambda epoch, _: heard.append(epoch))
    assert heard == [3, 4, 5]
    straight = run_on_pictures()
    assert resumed[0] == straight[0] and len(straight[0]) == EPOCHS
    assert straight[0][-1] < straight[0][0]
    for ours, theirs in zip(resumed[1], straight[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)

    # A finished run is not run again, and gives its weights back.
    again = run_on_pictures(path, lambda *_: pytest.fail("it was finished"))
    assert again[0] == straight[0]
    for ours, theirs in zip(again[1], straight[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_no_checkpoint_is_written_unasked(tmp_path, monkeypatch):
    """Training leaves no file where it runs."""
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
    """Before anything is changed or overwritten."""
    path = tmp_path / "run.npz"
    fit_line(checkpoint=path)
    before = path.read_bytes()
    if "optimizer" in other:
        other = {"optimizer": other["optimizer"](0.1)}
    with pytest.raises(InputError, match="belongs to another run"):
        fit_line(checkpoint=path, epochs=4, **other)
    assert path.read_bytes() == before


def test_more_epochs_go_on_from_a_finished_run(tmp_path):
    """Three, then up to five: as five at once."""
    path = tmp_path / "run.npz"
    fit_line(checkpoint=path, epochs=3)
    assert fit_line(checkpoint=path, epochs=5)[0] == fit_line(epochs=5)[0]


def test_a_checkpoint_that_cannot_be_written_is_told_first(tmp_path):
    """Not after the first epoch, which may have taken hours."""
    model, _ = line_model()
    with pytest.raises(InputError, match="none does not exist"):
        training.fit(
            lambda *_: pytest.fail("a step was run"),
            *(line(), model.trainable_variables, keras.optimizers.SGD(0.1)),
            epochs=1,
            batch_size=8,
            checkpoint=tmp_path / "none" / "run.npz",
        )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The bytes of a checkpoint, and the `_Checkpoint` of its path."""
    path = tmp_path_factory.mktemp("checkpoint") / "run.npz"
    variables = [tf.Variable([1.0, 2.0]), tf.Variable(3)]
    checkpoint = training._Checkpoint(path, variables, {"seed": 0})
    checkpoint.save([0.5, 0.25])
    return path.read_bytes(), checkpoint


@settings(max_examples=100, deadline=None)
@given(
    share=st.floats(0, 1, exclude_max=True), damage=st.binary(min_size=1, max_size=8)
)
def test_a_damaged_checkpoint_is_told(written, share, damage):
    """Cut anywhere it is refused; other bytes give a sentence, or did not matter."""
    content, checkpoint = written
    place = int(share * len(content))
    checkpoint.path.write_bytes(content)
    assert checkpoint.restore() == [0.5, 0.25]
    checkpoint.path.write_bytes(content[:place])
    with pytest.raises(InputError, match="not a checkpoint that can be read"):
        checkpoint.restore()
    rest = content[place + len(damage) :]
    checkpoint.path.write_bytes(content[:place] + damage + rest)
    try:
        checkpoint.restore()
    except InputError as error:
        assert str(checkpoint.path) in str(error)
    assert checkpoint.variables[0].numpy().tolist() == [1, 2]


@pytest.mark.parametrize("kind", ["array", "archive", "text"])
def test_other_files_are_no_checkpoints(written, kind):
    """Nor are they overwritten."""
    _, checkpoint = written
    with open(checkpoint.path, "wb") as file:
        if kind == "array":
            np.save(file, np.ones(3))
        elif kind == "archive":
            np.savez(file, a=np.ones(3))
        else:
            file.write(b"Dear Sir or Madam,")
    with pytest.raises(InputError, match="not a checkpoint that can be read"):
        checkpoint.restore()


# Several devices.


def fit_shared(kind, strategy=None, *, passed=True, batch_size=8):
    """`fit` of a small network made in the scope of `strategy`.

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
            *(loss_fn, line(), model.trainable_variables, optimizer),
            epochs=4,
            batch_size=batch_size,
            strategy=strategy if passed else None,
        )
    return {"losses": losses, "weights": [w.tolist() for w in model.get_weights()]}


def assert_same_run(ours, theirs):
    """Equal to 1e-5: a mean of two means sums in another order."""
    np.testing.assert_allclose(ours["losses"], theirs["losses"], rtol=1e-5)
    for our, their in zip(ours["weights"], theirs["weights"], strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-5, atol=1e-5)


def test_two_devices_learn_what_one_learns():
    """A mirrored strategy over two devices of the CPU, passed or by its scope."""
    process = start("mirrored")
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    passed, by_scope, refused = map(json.loads, out.splitlines())
    # Adam would not notice gradients of twice the size.
    assert_same_run(passed, fit_shared(keras.optimizers.SGD))
    assert_same_run(by_scope, fit_shared(Adam))
    assert "batch_size=7 cannot be divided equally among 2 replicas" in refused


@pytest.mark.large
def test_two_workers_learn_what_one_learns():
    """Two processes that exchange gradients over the loopback device."""
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
    """This file as a script of its own."""
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def main(task, *arguments):
    """What needs a process of its own."""
    if task == "killed":

        def kill(epoch, _):
            if epoch == KILLED_AFTER:
                os.kill(os.getpid(), signal.SIGKILL)

        run_on_pictures(*arguments, kill)
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
def test_a_rate_climbs_to_its_peak_and_falls_to_zero(steps, warmup, peak):
    """From a hundredth, along a line; then down until the last step."""
    warmup = min(warmup, steps - 1)
    schedule = training.cosine_decay_with_warmup(peak, steps, warmup=warmup)
    rates = [float(schedule(step)) for step in sorted({0, warmup // 2, warmup, steps})]
    assert rates[0] == pytest.approx(peak / 100, rel=1e-4)
    assert float(schedule(warmup)) == pytest.approx(peak, rel=1e-4) == max(rates)
    assert rates[-1] == pytest.approx(0, abs=1e-6 * peak)


if __name__ == "__main__":
    main(*sys.argv[1:])
