"""Random image augmentation inside the TensorFlow graph, with stateless seeds.

Every function takes a stateless seed (2,) int32 first and returns images of the same
shape and range. The same seed gives the same images, so a training that was
interrupted and resumed gives the same result as one that was not.
"""

from typing import Any

import tensorflow as tf


def scaled(x: tf.Tensor) -> tf.Tensor:
    """Images of uint8 as float32 in [0, 1]; others unchanged."""
    return tf.cast(x, tf.float32) / 255 if x.dtype == tf.uint8 else x


def affine(
    seed: Any,
    images: tf.Tensor,
    *,
    rotation: float = 0.0,
    shift: float = 0.0,
    zoom: float = 0.0,
    flip: bool = False,
) -> tf.Tensor:
    """Rotate, shift, zoom and flip each image by its own random amounts.

    Args:
        seed: (2,) int32.
        images: (m, n_H, n_W, n_C) float32.
        rotation: the largest angle in radians, in either direction.
        shift: the largest shift, as a fraction of height and width.
        zoom: the largest change of scale, 0.1 for 0.9 to 1.1.
        flip: whether to flip each image left to right with probability 1/2.

    Returns:
        Images of the same shape; pixels from outside the image repeat its border.
    """
    m, height, width = tf.shape(images)[0], tf.shape(images)[1], tf.shape(images)[2]
    height, width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    amounts = tf.random.stateless_uniform((5, m), seed, -1.0, 1.0)
    angle, scale = rotation * amounts[0], 1.0 + zoom * amounts[1]
    mirror = tf.where(amounts[4] < 0.0, -1.0, 1.0) if flip else tf.ones(m)
    a, b = tf.cos(angle) / scale, tf.sin(angle) / scale
    # The transform maps output (x, y) to input (x, y); it rotates about the centre.
    x0, y0 = (width - 1) / 2, (height - 1) / 2
    x1, y1 = x0 + shift * width * amounts[2], y0 + shift * height * amounts[3]
    zeros = tf.zeros(m)
    rows = [
        [mirror * a, -b, x1 - mirror * a * x0 + b * y0],
        [mirror * b, a, y1 - mirror * b * x0 - a * y0],
        [zeros, zeros],
    ]
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([entry for row in rows for entry in row], axis=1),
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    return tf.ensure_shape(moved, images.shape)


def colour_jitter(
    seed: Any,
    images: tf.Tensor,
    *,
    brightness: float = 0.0,
    contrast: float = 0.0,
    tint: float = 0.0,
) -> tf.Tensor:
    """Change brightness, contrast and tint of each image by its own random amounts.

    Args:
        seed: (2,) int32.
        images: (m, n_H, n_W, n_C) float32 in [0, 1].
        brightness: the largest value added to all pixels.
        contrast: the largest relative change of the distance from the image's mean.
        tint: the largest value added to one channel, sampled for each channel.

    Returns:
        Images of the same shape, clipped to [0, 1].
    """
    m, n_C = tf.shape(images)[0], images.shape[-1]
    amounts = tf.random.stateless_uniform((m, 1, 1, 2 + n_C), seed, -1.0, 1.0)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    images = mean + (images - mean) * (1.0 + contrast * amounts[..., 1:2])
    images += brightness * amounts[..., :1] + tint * amounts[..., 2:]
    return tf.clip_by_value(images, 0.0, 1.0)


def mixup(seed: Any, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixup: blend each image and its label with those of another example.

        x<i> + lambda<i> (x<i-1> - x<i>),    lambda<i> uniform in [0, 1/2)

    Zhang et al. (2018), https://arxiv.org/abs/1710.09412, draw lambda from a beta
    distribution.

    Args:
        seed: (2,) int32.
        x: (m, n_H, n_W, n_C) float32.
        y: (m,) float32, labels or probabilities.

    Returns:
        x and y of the same shapes.
    """
    weight = tf.random.stateless_uniform((len(x),), seed, 0.0, 0.5)  # of the other
    x += weight[:, None, None, None] * (tf.roll(x, 1, 0) - x)
    return x, y + weight * (tf.roll(y, 1, 0) - y)
