"""Stock Keras layers and optimisers on TensorFlow's fused kernels.

Same names, weights and numbers as Keras's own (to 1e-5; dropout draws others), fewer
passes over memory. Keras 3 normalises a batch by a chain of element-wise operations
and applies Adam in about twelve operations a variable; on TensorFlow one kernel does
each; some of its convolutions are faster as matrix products, and dropout needs half of
its random bits. Where ours does not fit (another backend, a rank other than 4, an axis
other than the last, a distribution strategy) the stock code runs.
Measured gain: docs/decisions.md.
"""

import functools
import math

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable(package="dls_keras")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, fused for (m, n_H, n_W, n_C) inputs."""

    def call(self, inputs, training=None, mask=None):
        if not self._kernel_fits(inputs, training, mask):
            return super().call(inputs, training=training, mask=mask)
        use_batch = bool(training) and self.trainable
        n_C = inputs.shape[-1]
        output, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=tf.cast(inputs, self.compute_dtype),
            scale=tf.convert_to_tensor(self.gamma) if self.scale else tf.ones(n_C),
            offset=tf.convert_to_tensor(self.beta) if self.center else tf.zeros(n_C),
            mean=[] if use_batch else tf.convert_to_tensor(self.moving_mean),
            variance=[] if use_batch else tf.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=use_batch,
        )
        if use_batch:
            # The kernel divides by n - 1; Keras 3 keeps the variance over n.
            n = tf.cast(math.prod(keras.ops.shape(inputs)[:3]), variance.dtype)
            _move(self.moving_mean, mean, self.momentum)
            _move(self.moving_variance, variance * (n - 1) / n, self.momentum)
        return output

    def _kernel_fits(self, inputs, training, mask):
        return (
            keras.backend.backend() == "tensorflow"
            and mask is None
            and training in (None, True, False)
            and len(inputs.shape) == 4
            and inputs.shape[-1] is not None
            and self.axis in (-1, 3)
            and self.variable_dtype == "float32"
            and self.compute_dtype in ("float32", "bfloat16", "float16")
            and not self.synchronized
        )


def _move(average, value, momentum):
    """Let a running average go the fraction 1 - momentum of the way to `value`."""
    average.assign_add((value - average) * (1 - momentum))


@keras.saving.register_keras_serializable(package="dls_keras")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` as matrix products, where CPUs are slow at convolutions.

    Elsewhere the bias learns by a product.
    """

    def call(self, inputs):
        if not self._kernel_fits():
            return super().call(inputs)
        product = self._product_for(*inputs.shape[1:])
        convolve = product or self.convolution_op
        outputs = convolve(inputs, tf.convert_to_tensor(self.kernel))
        if self.use_bias:
            add = tf.nn.bias_add if product else _plus_bias
            outputs = add(outputs, tf.convert_to_tensor(self.bias))
        if product:
            _, *shape = self.compute_output_shape(inputs.shape)
            outputs = tf.reshape(outputs, (-1, *shape))
        return outputs if self.activation is None else self.activation(outputs)

    def _kernel_fits(self):
        return (
            keras.backend.backend() == "tensorflow"
            and self.data_format == "channels_last"
            and self.groups == 1
            and self.dilation_rate == (1, 1)
        )

    def _product_for(self, n_H, n_W, n_C):
        """The function that is faster than Keras here, or None."""
        if None in (n_H, n_W):
            return None
        if self.kernel_size == (1, 1):
            return functools.partial(_placewise, strides=self.strides)
        if self.padding == "same" and self.strides == (1, 1) and not _gpus():
            # Beyond these oneDNN is as fast: docs/decisions.md.
            if n_H * n_W <= 9:
                return _by_taps
            if n_H * n_W <= 64 and min(n_C, self.filters) >= 256:
                return _learning_by_taps
        return None


def _gpus():
    return tf.config.list_physical_devices("GPU")


def _plus_bias(x, bias):
    """x + bias, (rows, ..., filters)."""
    if x.dtype == tf.float32 and not _gpus():
        return _learning_by_ones(x, bias)
    return tf.nn.bias_add(x, bias)


@tf.custom_gradient
def _learning_by_ones(x, bias):
    """x + bias; the gradient of the bias is a product by ones.

    TensorFlow gives its sum to the kernel of the filters' gradient, which then takes a
    tenth to two fifths longer.
    """

    def gradient(dy):
        rows = tf.reshape(dy, (-1, dy.shape[-1]))
        ones = tf.ones((1, tf.shape(rows)[0]), dy.dtype)
        return dy, tf.matmul(ones, rows)[0]

    return tf.nn.bias_add(x, bias), gradient


def _placewise(x, kernel, strides):
    """A convolution by 1 x 1 as one product (places, filters).

    oneDNN's would bring the weights, new in each step, into an order of its own.
    """
    if strides != (1, 1):  # a slice's gradient takes twenty times as long as a pool's
        x = tf.nn.avg_pool2d(x, 1, strides, "VALID")
    return tf.matmul(tf.reshape(x, (-1, x.shape[-1])), tf.squeeze(kernel, (0, 1)))


@tf.function(autograph=False)
def _by_taps(x, kernel):
    """A "same" convolution, one product for each tap and the places that it meets.

    On pictures as small as its filter a tap mostly lies beside them: of the 9 x 4
    meetings of 3 x 3 taps with 2 x 2 places 20 are with zeros.

    Returns:
        (m, n_H * n_W, filters).
    """
    _, n_H, n_W, n_C = x.shape
    rows = tf.unstack(tf.reshape(x, (-1, n_H * n_W, n_C)), axis=1)
    places = dict(zip(np.ndindex(n_H, n_W), rows, strict=True))
    sums = {place: [] for place in places}
    taps = tf.unstack(tf.reshape(kernel, (-1, *kernel.shape[2:])))
    for (down, right), tap in zip(_offsets(kernel), taps, strict=True):
        met = {(h, w): places.get((h + down, w + right)) for h, w in places}
        met = {place: row for place, row in met.items() if row is not None}
        if met:
            product = tf.matmul(tf.concat(list(met.values()), axis=0), tap)
            for place, part in zip(met, tf.split(product, len(met)), strict=True):
                sums[place].append(part)
    return tf.stack([tf.add_n(parts) for parts in sums.values()], axis=1)


@tf.custom_gradient
def _learning_by_taps(x, kernel):
    """A "same" convolution; the gradient of its filters is a product for each tap."""

    def gradient(dy):
        dx = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(x),
            filter=kernel,
            out_backprop=dy,
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
        return dx, _gradient_by_taps(x, kernel, dy)

    return tf.nn.conv2d(x, kernel, 1, "SAME"), gradient


@tf.function(autograph=False)
def _gradient_by_taps(x, kernel, dy):
    """That of the filters; a function, so that layers alike are traced once."""
    taps = [
        tf.matmul(_seen(x, *offset), _seen(dy, *-offset), transpose_a=True)
        for offset in _offsets(kernel)
    ]
    return tf.reshape(tf.stack(taps), kernel.shape)


def _offsets(kernel):
    """How far down and to the right of its place each tap of a "same" filter looks."""
    size = np.array(kernel.shape[:2])
    return [np.array(tap) - (size - 1) // 2 for tap in np.ndindex(*size)]


def _seen(x, down, right):
    """Those places of x that lie so from another of its places, (rows, n_C)."""
    _, n_H, n_W, n_C = x.shape
    h, w = (
        slice(max(0, by), max(0, n + min(0, by)))
        for by, n in ((down, n_H), (right, n_W))
    )
    return tf.reshape(x[:, h, w], (-1, n_C))


@keras.saving.register_keras_serializable(package="dls_keras")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout` that spends 16 random bits on a number in place of 32.

    The rate is that of Keras to the nearest of 65536, and so is the scale of the rest.
    """

    def call(self, inputs, training=False):
        dropped = round(self.rate * 2**16)  # of 65536
        if not training or not self._bits_fit(dropped):
            return super().call(inputs, training=training)
        n = tf.size(inputs)
        pairs = tf.random.stateless_uniform(
            [(n + 1) // 2],
            tf.cast(self.seed_generator.next(), tf.int32),
            minval=None,
            maxval=None,
            dtype=tf.uint32,
        )
        bits = tf.reshape(tf.bitcast(pairs, tf.uint16), [-1])[:n]
        kept = tf.reshape(bits >= tf.constant(dropped, tf.uint16), tf.shape(inputs))
        return tf.where(kept, inputs * (2**16 / (2**16 - dropped)), 0)

    def _bits_fit(self, dropped):
        return (
            keras.backend.backend() == "tensorflow"
            and self.noise_shape is None
            and 0 < dropped < 2**16
        )


@keras.saving.register_keras_serializable(package="dls_keras")
class PReLU(keras.layers.PReLU):
    """`keras.layers.PReLU`; slopes of channels are applied in one pass, by XLA."""

    def call(self, inputs):
        if not self._kernel_fits(inputs):
            return super().call(inputs)
        return _bent(inputs, tf.reshape(tf.convert_to_tensor(self.alpha), [-1]))

    def _kernel_fits(self, inputs):
        return (
            keras.backend.backend() == "tensorflow"
            and self.compute_dtype == self.variable_dtype == "float32"
            and math.prod(self.alpha.shape) == inputs.shape[-1]
        )


@tf.custom_gradient
def _bent(x, alpha):
    """x (..., n_C) where it is positive, alpha (n_C,) times x elsewhere."""

    def gradient(dy):
        dx, slopes = _bent_gradients(x, alpha, dy)
        # The sum stands outside: XLA is slow at it on CPUs.
        return dx, tf.reduce_sum(tf.reshape(slopes, (-1, x.shape[-1])), axis=0)

    return _bent_forward(x, alpha), gradient


@tf.function(jit_compile=True, autograph=False)
def _bent_forward(x, alpha):
    return tf.where(x > 0, x, alpha * x)


@tf.function(jit_compile=True, autograph=False)
def _bent_gradients(x, alpha, dy):
    slopes = tf.where(x > 0, 1.0, tf.where(x < 0, alpha, 0.0))  # at 0 as in Keras
    return slopes * dy, tf.minimum(x, 0) * dy


@keras.saving.register_keras_serializable(package="dls_keras")
class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` that moves each variable in one fused operation."""

    def apply(self, grads, trainable_variables=None):
        if keras.backend.backend() == "tensorflow":
            # Once for all variables: a network has hundreds, and thousands of scalars
            # take seconds to trace.
            step = tf.cast(self.iterations + 1, "float32")
            numbers = self.beta_1, self.beta_2, self.epsilon
            beta_1, beta_2, epsilon = (tf.constant(n, "float32") for n in numbers)
            self._scalars = {
                "beta1_power": beta_1**step,
                "beta2_power": beta_2**step,
                "beta1": beta_1,
                "beta2": beta_2,
                "epsilon": epsilon,
            }
        super().apply(grads, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        if not self._kernel_fits(gradient, variable):
            return super().update_step(gradient, variable, learning_rate)
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            lr=tf.cast(learning_rate, "float32"),
            grad=tf.cast(gradient, "float32"),
            **self._scalars,
        )

    def _kernel_fits(self, gradient, variable):
        return (
            keras.backend.backend() == "tensorflow"
            and not self.amsgrad
            and not tf.distribute.has_strategy()
            and not isinstance(gradient, tf.IndexedSlices)
            and variable.dtype == "float32"
            and hasattr(variable, "handle")
        )
