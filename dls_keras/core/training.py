"""A compiled training step and a training loop for every model of the package.

`compile_step` compiles one step of gradient descent on any variables: the weights of a
network, or the pixels of an image. `fit` runs whole epochs of such steps inside one
graph, which also shuffles the data and gathers the batches, so that Python is called
once per epoch. After each epoch the losses, the weights, the optimiser's state and the
random states go into a checkpoint; an interrupted run resumes from it and ends with
bit-for-bit the same weights as an uninterrupted one.
"""

import contextlib
import inspect
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from dls_keras.core import outputs, readers, settings
from dls_keras.core.answers import Losses
from dls_keras.core.errors import InputError
from dls_keras.core.files import atomic_write, check_writable
from dls_keras.core.progress import progress


def use_xla() -> bool:
    """Whether XLA compiles steps by default: on GPUs, where that is faster.

    On CPUs its convolution gradients are 5 times slower (measured on ResNet50), so
    there a caller asks for it with `jit_compile=True`.
    """
    return bool(tf.config.list_physical_devices("GPU"))


def compile_step(
    loss_fn: Callable,
    variables: Sequence,
    optimizer: keras.optimizers.Optimizer,
    *,
    strategy: tf.distribute.Strategy | None = None,
    jit_compile: bool | None = None,
) -> Callable:
    """Compile one step of gradient descent on `variables`.

    Args:
        loss_fn: takes a batch (any number of tensors), returns a scalar loss.
        variables: what to update: weights, or an image.
        optimizer: a Keras optimiser; it is built here for `variables`.
        strategy: a `tf.distribute` strategy; default: the current one, if any.
            `loss_fn` then receives the batch of its replica, and `optimizer` and
            `variables` must have been created in the strategy's scope.
        jit_compile: compile with XLA; default: `use_xla()`.

    Returns:
        A function of a batch that updates the variables and returns the loss before
        the update. It is traced once for each set of batch shapes.
    """
    strategy = strategy or _current_strategy()
    replicas = strategy.num_replicas_in_sync if strategy else 1
    with strategy.scope() if strategy else contextlib.nullcontext():
        optimizer.build(variables)

    def update(*batch):
        with tf.GradientTape() as tape:
            loss = loss_fn(*batch)
            share = loss / replicas  # gradients are summed over the replicas
        optimizer.apply(tape.gradient(share, variables), variables)
        return loss

    if strategy:

        @tf.function
        def step(*batch):
            losses = strategy.run(update, args=batch)
            return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

        return step
    return tf.function(
        update, jit_compile=use_xla() if jit_compile is None else jit_compile
    )


def cosine_decay_with_warmup(
    peak: float, steps: int, *, warmup: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """A learning rate with linear warmup to `peak`, then cosine decay to zero.

    It starts at a hundredth of `peak`. Large networks and attention need the warmup.

    Args:
        peak: the largest learning rate.
        steps: of the whole training, including the warmup.
        warmup: steps of the warmup.
    """
    return keras.optimizers.schedules.CosineDecay(
        peak / 100, max(1, steps - warmup), warmup_target=peak, warmup_steps=warmup
    )


@settings.keras_defaults()
def fit(
    loss_fn: Callable,
    data: Sequence[np.ndarray],
    variables: Sequence,
    optimizer: keras.optimizers.Optimizer,
    *,
    epochs: int,
    batch_size: int,
    seed: int = 0,
    state: Sequence = (),
    augment: Callable | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
    checkpoint: str | Path | None = None,
    strategy: tf.distribute.Strategy | None = None,
    jit_compile: bool | None = None,
    validation_data: Sequence[np.ndarray] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    model: keras.Model | None = None,
) -> Losses:
    """Train `variables` for `epochs` shuffled epochs of `data`.

    Args:
        loss_fn: takes one batch of each array in `data`, returns a scalar; also
            `training`, if it takes `validation_data`.
        data: arrays of one length m, examples first. The last batch of an epoch is
            dropped if it is smaller, so that shapes stay fixed and the graph is
            traced once.
        epochs, batch_size: how many epochs, of batches of how many examples.
        seed: of the order of the examples and of `augment`.
        state: further variables that training changes (moving statistics, random
            states); they are saved in the checkpoint.
        augment: takes a stateless seed (2,) int32 and a batch, returns a batch.
        on_epoch: called with the number of the epoch, from 1, and its mean loss.
        checkpoint: path of a file that is saved after each epoch; if it exists,
            training resumes from it.
        strategy, jit_compile: as in `compile_step`.
        validation_data: arrays in the form of `data`, whose mean loss is computed
            after each epoch, without dropout and without `augment`.
        callbacks: Keras callbacks, called where the training and its epochs begin and
            end, not for batches: the epochs run in one graph. `logs` has "loss" and
            "val_loss"; `model.stop_training = True` ends the training. The learning
            rate follows a schedule, which callbacks cannot change.
        model: the callbacks' model; default: an object with `get_weights` and
            `set_weights` of the variables alone.

    Returns:
        The mean loss of each epoch, a list with a `history`. It has NaN as "val_loss"
        of epochs before a run resumed.

    Raises:
        InputError: if there are fewer examples than `batch_size`, the arrays differ
            in length, the checkpoint belongs to another run or cannot be written, or
            the loss or a weight is NaN or infinite after an epoch.
    """
    m = _common_length(data, batch_size)
    steps = m // batch_size
    validate = _validation(loss_fn, validation_data, batch_size)
    strategy = strategy or _current_strategy()
    step = compile_step(
        loss_fn, variables, optimizer, strategy=strategy, jit_compile=jit_compile
    )
    replicas = strategy.num_replicas_in_sync if strategy else 1
    if batch_size % replicas:
        raise InputError(
            f"batch_size={batch_size} cannot be divided equally among {replicas} "
            f"replicas. Choose a multiple of {replicas}."
        )
    tensors = [tf.constant(array) for array in data]

    def run_steps(order, epoch, start, stop):
        """The sum of the losses of the steps [start, stop) of an epoch."""
        total = tf.constant(0.0)
        for i in tf.range(start, stop):
            chosen = tf.slice(order, [i * batch_size], [batch_size])
            batch = [tf.gather(tensor, chosen) for tensor in tensors]
            if augment is not None:
                batch = augment(tf.stack([seed, epoch * steps + i]), *batch)
            total += tf.cast(step(*_shares(batch, strategy)), tf.float32)
        return total

    # On CPUs XLA compiles the whole loop, not each step: calling a compiled step costs
    # about 10 % where it takes milliseconds.
    if jit_compile and strategy is None and not use_xla():
        run_steps = tf.function(run_steps, jit_compile=True)

    @tf.function
    def run(epoch, start, stop):
        order = tf.random.experimental.stateless_shuffle(tf.range(m), [seed, epoch])
        return run_steps(order, epoch, start, stop)

    record = _Checkpoint(
        checkpoint,
        [*variables, *state, *optimizer.variables],
        {"m": m, "batch_size": batch_size, "seed": seed},
    )
    losses = record.restore()
    history: dict[str, list[float]] = {}
    if validate:
        history["val_loss"] = [float("nan")] * len(losses)
    watched = _Variables([*variables, *state]) if model is None else model
    calls = keras.callbacks.CallbackList(
        list(callbacks), model=watched, epochs=epochs, steps=steps
    )
    watched.stop_training = False
    calls.on_train_begin()
    with progress("epochs", total=epochs * steps) as bar:
        bar.advance(len(losses) * steps)
        # One call per epoch; ten if a progress bar is shown.
        stride = max(1, steps // 10) if bar.visible else steps
        for epoch in range(len(losses), epochs):
            calls.on_epoch_begin(epoch)
            total = 0.0
            for start in range(0, steps, stride):
                stop = min(start + stride, steps)
                total += float(run(*map(tf.constant, (epoch, start, stop))))
                bar.advance(stop - start, f"loss {total / stop:.4g}")
            losses.append(total / steps)
            outputs.check_loss(losses[-1], epoch + 1)
            record.save(losses)
            if on_epoch is not None:
                on_epoch(epoch + 1, losses[-1])
            logs = {"loss": losses[-1]}
            if validate:
                logs["val_loss"] = validate()
                history["val_loss"].append(logs["val_loss"])
            calls.on_epoch_end(epoch, logs)
            if watched.stop_training:
                break
    calls.on_train_end()
    return Losses(losses, history)


def _validation(loss_fn, data, batch_size):
    """A function that returns the mean loss of `data` without training, or None."""
    if data is None:
        return None
    if "training" not in inspect.signature(loss_fn).parameters:
        raise InputError(
            "This assignment takes no validation_data. Leave it out, and measure the "
            "trained model on held-out data."
        )
    m = _common_length(data, 1)
    compute = tf.function(lambda *batch: loss_fn(*batch, training=False))
    tensors = [tf.constant(array) for array in data]

    def mean_loss():
        total = 0.0
        for start in range(0, m, batch_size):
            batch = [tensor[start : start + batch_size] for tensor in tensors]
            total += float(compute(*batch)) * len(batch[0])
        return total / m

    return mean_loss


class _Variables:
    """What callbacks get as their model where it is not a Keras model."""

    def __init__(self, variables):
        self.variables = variables
        self.stop_training = False

    def get_weights(self):
        """The values of all variables."""
        return [np.asarray(variable) for variable in self.variables]

    def set_weights(self, values):
        """Give each variable its value."""
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)


def _current_strategy():
    """The current `tf.distribute` strategy, or None."""
    return tf.distribute.get_strategy() if tf.distribute.has_strategy() else None


def _shares(batch, strategy):
    """The batch divided into equal parts, one per replica."""
    if strategy is None:
        return batch
    replicas = strategy.num_replicas_in_sync

    def share(tensor):
        parts = tf.split(tensor, replicas)
        return strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )

    return [share(tensor) for tensor in batch]


def _common_length(data, batch_size):
    """The number of examples m that all arrays share."""
    lengths = sorted({len(array) for array in data})
    if len(lengths) != 1:
        raise InputError(
            f"The arrays of the training set differ in length: {lengths}. Expected the "
            "same number of examples in each."
        )
    if lengths[0] < batch_size or batch_size < 1:
        raise InputError(
            f"batch_size={batch_size} does not fit {lengths[0]} examples. "
            "Choose a batch size between 1 and the number of examples."
        )
    return lengths[0]


class _Checkpoint:
    """The file from which an interrupted run resumes; does nothing without a path."""

    def __init__(self, path, variables, settings):
        self.path = Path(path) if path is not None else None
        self.variables = variables
        self.settings = json.dumps(settings, sort_keys=True)

    def restore(self) -> list[float]:
        """Assign the saved values, if there are any; return the losses so far."""
        if self.path is None:
            return []
        check_writable(self.path, self._content([]))  # fail now, not after an epoch
        if not self.path.exists():
            return []
        advice = "Delete it to start from the beginning."
        with readers.reading(self.path, "a checkpoint", advice):
            file = readers.read_npz(self.path, "a checkpoint", advice=advice)
            settings = str(file["settings"])
            values = [file[f"v{i}"] for i in range(len(file) - 2)]
            losses = [float(loss) for loss in file["losses"]]
        shapes = [tuple(v.shape) for v in self.variables]
        if settings != self.settings or [v.shape for v in values] != shapes:
            raise InputError(
                f"{self.path} belongs to another run: it was saved with {settings} "
                f"and {len(values)} arrays, this run has {self.settings} and "
                f"{len(shapes)}. Choose another checkpoint, or delete this one."
            )
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)
        return losses

    def save(self, losses):
        """Write the state of the run to the file, completely or not at all.

        If that fails, the file keeps the state after the epoch before, and this state
        goes into the temporary folder: nothing that was trained is lost.
        """
        if self.path is None:
            return
        for variable in self.variables:
            outputs.check_finite(np.asarray(variable), _name(variable))
        content = self._content(losses)

        def write(path):
            with atomic_write(path) as temporary:
                temporary.write_bytes(content)

        outputs.write_or_rescue(
            write,
            self.path,
            f"Training stopped after epoch {len(losses)}; to resume, pass the "
            "checkpoint that is in",
        )

    def _content(self, losses):
        """The bytes of the file."""
        arrays = {f"v{i}": np.asarray(v) for i, v in enumerate(self.variables)}
        content = io.BytesIO()
        np.savez(content, settings=self.settings, losses=losses, **arrays)
        return content.getvalue()


def _name(variable):
    return getattr(variable, "path", variable.name)
