"""Local response normalization, which AlexNet, GoogLeNet and OpenFace use."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="dls_keras")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each value by a power of the squares in neighbouring channels.

    b[c] = a[c] / (bias + alpha (a[c - r]^2 + ... + a[c + r]^2))^beta, per pixel, for
    inputs (m, n_H, n_W, n_C) and r = `depth_radius`.
    """

    def __init__(
        self,
        depth_radius: int = 5,
        bias: float = 1.0,
        alpha: float = 1e-4,
        beta: float = 0.75,
        **options: Any,
    ):
        super().__init__(**options)
        self.settings = {
            "depth_radius": depth_radius,
            "bias": bias,
            "alpha": alpha,
            "beta": beta,
        }

    def call(self, a: Any) -> Any:
        """(m, n_H, n_W, n_C) -> the same shape."""
        return tf.nn.local_response_normalization(a, **self.settings)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return super().get_config() | self.settings
