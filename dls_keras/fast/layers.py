"""Keras layers and the Adam optimiser on TensorFlow's fused kernels.

Each class has the name, the weights and the numbers of the Keras class that it extends
(to 1e-5; `Dropout` samples other masks), and needs fewer passes over memory:

    BatchNormalization   one kernel instead of a chain of element-wise operations
    Conv2D               matrix products where TensorFlow's convolution is slower
    Dropout              16 random bits per element instead of 32
    PReLU                one pass forward, one backward
    Adam                 one kernel per variable instead of about twelve operations

Where a fast form does not apply (another backend, inputs that are not 4-D, a channel
axis that is not the last one, a distribution strategy) the Keras code runs. Each gain
is recorded in docs/decisions.md.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable(package="dls_keras")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, one kernel for (m, n_H, n_W, n_C) inputs."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The normalised inputs, in the same shape; see the Keras class."""
        if not self._fused_kernel_applies(inputs, training, mask):
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
            # The kernel's variance divides by n - 1, that of Keras 3 by n.
            n = tf.cast(math.prod(keras.ops.shape(inputs)[:3]), variance.dtype)
            _update_average(self.moving_mean, mean, self.momentum)
            variance = variance * (n - 1) / n
            _update_average(self.moving_variance, variance, self.momentum)
        return output

    def _fused_kernel_applies(self, inputs, training, mask):
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


def _update_average(average, value, momentum):
    """average = momentum * average + (1 - momentum) * value."""
    average.assign_add((value - average) * (1 - momentum))


@keras.saving.register_keras_serializable(package="dls_keras")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, computed by matrix products where that is faster.

    Elsewhere, in float32 on a CPU, only the gradient of the bias is a matrix product.
    """

    def call(self, inputs: Any) -> Any:
        """(m, n_H_prev, n_W_prev, n_C_prev) -> (m, n_H, n_W, filters)."""
        if not self._fast_forms_apply():
            return super().call(inputs)
        product = self._matmul_form(*inputs.shape[1:])
        convolve = product or self.convolution_op
        outputs = convolve(inputs, tf.convert_to_tensor(self.kernel))
        if self.use_bias:
            add = tf.nn.bias_add if product else _add_bias
            outputs = add(outputs, tf.convert_to_tensor(self.bias))
        if product:
            _, *shape = self.compute_output_shape(inputs.shape)
            outputs = tf.reshape(outputs, (-1, *shape))
        return outputs if self.activation is None else self.activation(outputs)

    def _fast_forms_apply(self):
        return (
            keras.backend.backend() == "tensorflow"
            and self.data_format == "channels_last"
            and self.groups == 1
            and self.dilation_rate == (1, 1)
        )

    def _matmul_form(self, n_H, n_W, n_C) -> Callable | None:
        """The function of (x, kernel) that is faster than Keras's here, or None."""
        if None in (n_H, n_W):
            return None
        if self.kernel_size == (1, 1):
            return functools.partial(_pointwise, strides=self.strides)
        if self.padding == "same" and self.strides == (1, 1) and not _gpus():
            # On larger maps oneDNN is as fast: docs/decisions.md.
            if n_H * n_W <= 9:
                return _conv_by_offsets
            if n_H * n_W <= 64 and min(n_C, self.filters) >= 256:
                return _conv_with_gradient_by_offsets
        return None


def _gpus():
    return tf.config.list_physical_devices("GPU")


def _add_bias(x, bias):
    """x + bias, (m, n_H, n_W, filters)."""
    if x.dtype == tf.float32 and not _gpus():
        return _add_bias_with_matmul_gradient(x, bias)
    return tf.nn.bias_add(x, bias)


@tf.custom_gradient
def _add_bias_with_matmul_gradient(x, bias):
    """x + bias; the gradient of the bias is computed as ones @ dy.

    Otherwise TensorFlow fuses that sum into the kernel of the filter gradient and slows
    it by 10 to 40 %.
    """

    def gradient(dy):
        rows = tf.reshape(dy, (-1, dy.shape[-1]))
        ones = tf.ones((1, tf.shape(rows)[0]), dy.dtype)
        return dy, tf.matmul(ones, rows)[0]

    return tf.nn.bias_add(x, bias), gradient


def _pointwise(x, kernel, strides):
    """A pointwise (1 x 1) convolution as one matmul: (m * n_H * n_W, filters).

    oneDNN would repack the kernel at every training step.
    """
    if strides != (1, 1):
        # Stride by 1 x 1 pooling: the gradient of a strided slice is 20 times slower.
        x = tf.nn.avg_pool2d(x, 1, strides, "VALID")
    return tf.matmul(tf.reshape(x, (-1, x.shape[-1])), tf.squeeze(kernel, (0, 1)))


@tf.function(autograph=False)
def _conv_by_offsets(x, kernel):
    """Convolution with "same" padding as one matmul per kernel offset.

    Each matmul covers only the pixels where that offset stays inside the image. On a
    2 x 2 map 20 of the 36 products of a 3 x 3 kernel are with padding: skipped here.

    Returns:
        (m, n_H * n_W, filters).
    """
    _, n_H, n_W, n_C = x.shape
    pixels = tf.unstack(tf.reshape(x, (-1, n_H * n_W, n_C)), axis=1)  # of (m, n_C)
    inputs = dict(zip(np.ndindex(n_H, n_W), pixels, strict=True))
    terms = {position: [] for position in inputs}
    weights = tf.unstack(tf.reshape(kernel, (-1, *kernel.shape[2:])))
    for (down, right), W in zip(_offsets(kernel), weights, strict=True):
        inside = {(h, w): inputs.get((h + down, w + right)) for h, w in inputs}
        inside = {place: pixel for place, pixel in inside.items() if pixel is not None}
        if inside:
            product = tf.matmul(tf.concat(list(inside.values()), axis=0), W)
            parts = tf.split(product, len(inside))
            for position, part in zip(inside, parts, strict=True):
                terms[position].append(part)
    return tf.stack([tf.add_n(parts) for parts in terms.values()], axis=1)


@tf.custom_gradient
def _conv_with_gradient_by_offsets(x, kernel):
    """Convolution with "same" padding; filter gradient: one matmul per offset."""

    def gradient(dy):
        dx = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(x),
            filter=kernel,
            out_backprop=dy,
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
        return dx, _filter_gradient_by_offsets(x, kernel, dy)

    return tf.nn.conv2d(x, kernel, 1, "SAME"), gradient


@tf.function(autograph=False)
def _filter_gradient_by_offsets(x, kernel, dy):
    """The filter gradient; a tf.function, so that layers of one shape share a trace."""
    products = [
        tf.matmul(
            _shifted_view(x, *offset), _shifted_view(dy, *-offset), transpose_a=True
        )
        for offset in _offsets(kernel)
    ]
    return tf.reshape(tf.stack(products), kernel.shape)


def _offsets(kernel):
    """(down, right) from an output pixel to the input pixel of each kernel weight."""
    size = np.array(kernel.shape[:2])
    return [np.array(index) - (size - 1) // 2 for index in np.ndindex(*size)]


def _shifted_view(x, down, right):
    """The pixels of x that lie at (down, right) from another pixel of it: (n, n_C)."""
    _, n_H, n_W, n_C = x.shape
    h, w = (
        slice(max(0, by), max(0, n + min(0, by)))
        for by, n in ((down, n_H), (right, n_W))
    )
    return tf.reshape(x[:, h, w], (-1, n_C))


@keras.saving.register_keras_serializable(package="dls_keras")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout` from 16 random bits per element instead of 32.

    The rate is rounded to a multiple of 1 / 65536, and the scale of the kept elements
    accordingly.
    """

    def call(self, inputs: Any, training: Any = False) -> Any:
        """The inputs, in training with a random part set to 0; see the Keras class."""
        dropped = round(self.rate * 2**16)  # of 65536
        if not training or not self._sixteen_bits_apply(dropped):
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

    def _sixteen_bits_apply(self, dropped):
        return (
            keras.backend.backend() == "tensorflow"
            and self.noise_shape is None
            and 0 < dropped < 2**16
        )


@keras.saving.register_keras_serializable(package="dls_keras")
class PReLU(keras.layers.PReLU):
    """`keras.layers.PReLU`; one slope per channel is applied in one pass, by XLA."""

    def call(self, inputs: Any) -> Any:
        """inputs where they are positive, alpha * inputs elsewhere."""
        if not self._one_slope_per_channel(inputs):
            return super().call(inputs)
        return _prelu(inputs, tf.reshape(tf.convert_to_tensor(self.alpha), [-1]))

    def _one_slope_per_channel(self, inputs):
        return (
            keras.backend.backend() == "tensorflow"
            and self.compute_dtype == self.variable_dtype == "float32"
            and math.prod(self.alpha.shape) == inputs.shape[-1]
        )


@tf.custom_gradient
def _prelu(x, alpha):
    """x (..., n_C) where it is positive, alpha (n_C,) times x elsewhere."""

    def gradient(dy):
        dx, dalpha = _prelu_gradients(x, alpha, dy)
        # The sum over the pixels is outside of XLA, which is slow at it on CPUs.
        return dx, tf.reduce_sum(tf.reshape(dalpha, (-1, x.shape[-1])), axis=0)

    return _prelu_forward(x, alpha), gradient


@tf.function(jit_compile=True, autograph=False)
def _prelu_forward(x, alpha):
    return tf.where(x > 0, x, alpha * x)


@tf.function(jit_compile=True, autograph=False)
def _prelu_gradients(x, alpha, dy):
    """dx, and the term of each element in the gradient of alpha."""
    slope = tf.where(x > 0, 1.0, tf.where(x < 0, alpha, 0.0))  # 0 at x = 0, as in Keras
    return slope * dy, tf.minimum(x, 0) * dy


@keras.saving.register_keras_serializable(package="dls_keras")
class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` that updates each variable in one fused operation."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update the variables by their gradients; see the Keras class."""
        if keras.backend.backend() == "tensorflow":
            # Computed once for all variables. A network has hundreds of them, and
            # tracing thousands of scalars would take seconds.
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

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable; `apply` calls this."""
        if not self._fused_kernel_applies(gradient, variable):
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

    def _fused_kernel_applies(self, gradient, variable):
        return (
            keras.backend.backend() == "tensorflow"
            and not self.amsgrad
            and not tf.distribute.has_strategy()
            and not isinstance(gradient, tf.IndexedSlices)
            and variable.dtype == "float32"
            and hasattr(variable, "handle")
        )
