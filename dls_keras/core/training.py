"""One compiled step and one loop for everything that learns.

`compile_step` moves any variables down the gradient of a loss: the weights of a
network, or the pixels of an image. `fit` runs whole epochs of such steps inside
one graph, where the shuffle and the gathering of batches happen too, so Python
is not asked once per step. Losses, weights, optimiser and random states go into
a checkpoint after each epoch; a run that was killed goes on from there and ends
with the same bits as one that was not.
"""

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from dls_keras.core.errors import InputError
from dls_keras.core.files import atomic_write
from dls_keras.core.progress import progress


def use_xla() -> bool:
    """Whether steps are compiled by XLA: on GPUs, where it wins.

    On CPUs its convolution gradients lose by 5x (measured on ResNet50), so there
    a step asks for it by `jit_compile=True`.
    """
    return bool(tf.config.list_physical_devices("GPU"))


def compile_step(
    loss_fn: Callable,
    variables: Sequence,
    optimizer,
    *,
    strategy: tf.distribute.Strategy | None = None,
    jit_compile: bool | None = None,
) -> Callable:
    """Compile one move of `variables` down the gradient of `loss_fn`.

    Args:
        loss_fn: takes a batch (any number of tensors), returns a scalar loss.
        variables: what to move: weights, or an image.
        optimizer: a Keras optimiser, built here for `variables`.
        strategy: a `tf.distribute` strategy; default: the one in whose scope the
            call stands, if any. `loss_fn` then sees the batch of its replica, and
            `optimizer` and `variables` must be made in the strategy's scope.
        jit_compile: compile with XLA; default: `use_xla()`.

    Returns:
        A function of a batch that makes the move and returns the loss before it.
        It is traced once for each set of batch shapes.
    """
    strategy = strategy or _current_strategy()
    replicas = strategy.num_replicas_in_sync if strategy else 1
    with strategy.scope() if strategy else contextlib.nullcontext():
        optimizer.build(variables)

    def move(*batch):
        with tf.GradientTape() as tape:
            loss = loss_fn(*batch)
            share = loss / replicas  # gradients are summed over the replicas
        optimizer.apply(tape.gradient(share, variables), variables)
        return loss

    if strategy:

        @tf.function
        def step(*batch):
            losses = strategy.run(move, args=batch)
            return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

        return step
    return tf.function(
        move, jit_compile=use_xla() if jit_compile is None else jit_compile
    )


def warm_cosine(peak: float, steps: int, *, warmup: int):
    """A learning rate that climbs to `peak` in `warmup` steps, then falls to zero.

    It begins at a hundredth of `peak`, climbs along a line and falls along half a
    cosine; large networks and attention need the gentle start.

    Args:
        steps: of the whole training, those of the climb among them.
    """
    return keras.optimizers.schedules.CosineDecay(
        peak / 100, max(1, steps - warmup), warmup_target=peak, warmup_steps=warmup
    )


def fit(
    loss_fn: Callable,
    data: Sequence[np.ndarray],
    variables: Sequence,
    optimizer,
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
) -> list[float]:
    """Move `variables` for `epochs` shuffled passes over `data`.

    Args:
        loss_fn: takes one batch of each array in `data`, returns a scalar.
        data: arrays of one length m, examples first. The ragged last batch of an
            epoch is dropped, so that shapes stay fixed and the graph is traced once.
        state: further variables that training changes (moving statistics, random
            states); they go into the checkpoint.
        augment: takes a stateless seed (2,) int32 and a batch, returns a batch.
        on_epoch: called with the epoch, from 1, and its mean loss.
        checkpoint: a file, written after each epoch; if it is there, the run goes
            on from it.

    Returns:
        The mean loss of each epoch.

    Raises:
        InputError: if there are fewer examples than a batch, the arrays differ in
            length, or the checkpoint belongs to another run.
    """
    m = _common_length(data, batch_size)
    steps = m // batch_size
    strategy = strategy or _current_strategy()
    step = compile_step(
        loss_fn, variables, optimizer, strategy=strategy, jit_compile=jit_compile
    )
    replicas = strategy.num_replicas_in_sync if strategy else 1
    if batch_size % replicas:
        raise InputError(
            f"A batch of {batch_size} cannot be shared equally by {replicas} "
            f"replicas. Choose a multiple of {replicas}."
        )
    tensors = [tf.constant(array) for array in data]

    def walk(order, epoch, start, stop):
        """The sum of the losses of the steps [start, stop) of an epoch."""
        total = tf.constant(0.0)
        for i in tf.range(start, stop):
            chosen = tf.slice(order, [i * batch_size], [batch_size])
            batch = [tf.gather(tensor, chosen) for tensor in tensors]
            if augment is not None:
                batch = augment(tf.stack([seed, epoch * steps + i]), *batch)
            total += tf.cast(step(*_shares(batch, strategy)), tf.float32)
        return total

    # What XLA compiles on CPUs is called once, not for each step: a tenth of the time
    # where a step takes but milliseconds.
    if jit_compile and strategy is None and not use_xla():
        walk = tf.function(walk, jit_compile=True)

    @tf.function
    def run(epoch, start, stop):
        order = tf.random.experimental.stateless_shuffle(tf.range(m), [seed, epoch])
        return walk(order, epoch, start, stop)

    record = _Checkpoint(
        checkpoint,
        [*variables, *state, *optimizer.variables],
        {"m": m, "batch_size": batch_size, "seed": seed},
    )
    losses = record.restore()
    with progress("epochs", total=epochs * steps) as bar:
        bar.advance(len(losses) * steps)
        # One call an epoch; ten where somebody watches the bar.
        stride = max(1, steps // 10) if bar.visible else steps
        for epoch in range(len(losses), epochs):
            total = 0.0
            for start in range(0, steps, stride):
                stop = min(start + stride, steps)
                total += float(run(*map(tf.constant, (epoch, start, stop))))
                bar.advance(stop - start, f"loss {total / stop:.4g}")
            losses.append(total / steps)
            record.save(losses)
            if on_epoch is not None:
                on_epoch(epoch + 1, losses[-1])
    return losses


def _current_strategy():
    """The strategy in whose scope we are, or None."""
    return tf.distribute.get_strategy() if tf.distribute.has_strategy() else None


def _shares(batch, strategy):
    """The batch cut into one equal share a replica."""
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
            f"The arrays have {lengths} examples. Each needs one entry an example."
        )
    if lengths[0] < batch_size or batch_size < 1:
        raise InputError(
            f"There are {lengths[0]} examples and batches of {batch_size}. "
            "Choose a batch size between 1 and the number of examples."
        )
    return lengths[0]


class _Checkpoint:
    """The file that lets a killed run go on; does nothing without a path."""

    def __init__(self, path, variables, settings):
        self.path = Path(path) if path is not None else None
        self.variables = variables
        self.settings = json.dumps(settings, sort_keys=True)

    def restore(self) -> list[float]:
        """Put the saved values back, if there are any; return the losses so far."""
        if self.path is None:
            return []
        if not self.path.exists():
            self.save([])  # a place that cannot be written is told before the work
            return []
        try:
            # np.load leaves a damaged file open that it opened itself.
            with open(self.path, "rb") as opened, np.load(opened) as file:
                settings = str(file["settings"])
                values = [file[f"v{i}"] for i in range(len(file.files) - 2)]
                losses = [float(loss) for loss in file["losses"]]
        except Exception as error:  # damage shows in many ways
            raise InputError(
                f"{self.path} is not a checkpoint that can be read ({error}). "
                "Delete it to start anew."
            ) from error
        shapes = [tuple(v.shape) for v in self.variables]
        if settings != self.settings or [v.shape for v in values] != shapes:
            raise InputError(
                f"{self.path} belongs to another run: it was written with {settings} "
                f"and {len(values)} arrays, this run has {self.settings} and "
                f"{len(shapes)}. Name another checkpoint, or delete it to start anew."
            )
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)
        return losses

    def save(self, losses):
        """Write everything that the next epoch depends on, or nothing."""
        if self.path is None:
            return
        arrays = {f"v{i}": np.asarray(v) for i, v in enumerate(self.variables)}
        with atomic_write(self.path) as temporary, open(temporary, "wb") as file:
            np.savez(file, settings=self.settings, losses=losses, **arrays)
