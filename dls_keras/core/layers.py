"""Stock Keras layers and optimisers on TensorFlow's fused kernels.

Same names, weights and numbers as Keras's own (to 1e-5), fewer passes over
memory. Keras 3 normalises a batch by a chain of element-wise operations and
applies Adam in about twelve operations a variable; on TensorFlow one kernel
does each. Where the kernel does not fit (another backend, a rank other than 4,
an axis other than the last, a distribution strategy) the stock code runs.
Measured gain: docs/decisions.md.
"""

import math

import keras
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
