"""Random changes of pictures inside the graph, each drawn from a seed.

Every function takes a stateless seed (2,) int32 first and returns pictures of the
same shape and range; the same seed gives the same pictures, so an interrupted
training goes on as if it had not been.
"""

import tensorflow as tf


def affine(seed, images, *, rotation=0.0, shift=0.0, zoom=0.0, flip=False):
    """Turn, move, zoom and mirror each picture by its own random amounts.

    Args:
        images: (m, n_H, n_W, n_C) float32.
        rotation: the largest turn, in radians, either way.
        shift: the largest move, as a fraction of the sides.
        zoom: the largest change of scale, 0.1 for 0.9 to 1.1.
        flip: whether to mirror half of the pictures left to right.

    Returns:
        Pictures of the same shape; what comes in from outside repeats the border.
    """
    m, height, width = tf.shape(images)[0], tf.shape(images)[1], tf.shape(images)[2]
    height, width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    draws = tf.random.stateless_uniform((5, m), seed, -1.0, 1.0)
    angle, scale = rotation * draws[0], 1.0 + zoom * draws[1]
    mirror = tf.where(draws[4] < 0.0, -1.0, 1.0) if flip else tf.ones(m)
    a, b = tf.cos(angle) / scale, tf.sin(angle) / scale
    # The transform maps output (x, y) to input; it turns about the middle.
    x0, y0 = (width - 1) / 2, (height - 1) / 2
    x1, y1 = x0 + shift * width * draws[2], y0 + shift * height * draws[3]
    zeros = tf.zeros(m)
    transforms = tf.stack(
        [
            *(mirror * a, -b, x1 - mirror * a * x0 + b * y0),
            *(mirror * b, a, y1 - mirror * b * x0 - a * y0),
            *(zeros, zeros),
        ],
        axis=1,
    )
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    return tf.ensure_shape(moved, images.shape)


def light(seed, images, *, brightness=0.0, contrast=0.0, tint=0.0):
    """Change the light of each picture in [0, 1], within the same range.

    Args:
        images: (m, n_H, n_W, n_C) float32 in [0, 1].
        brightness, contrast, tint: largest changes: of all pixels, of their
            distance from the mean, and of each channel by itself.
    """
    m, n_C = tf.shape(images)[0], images.shape[-1]
    draws = tf.random.stateless_uniform((m, 1, 1, 2 + n_C), seed, -1.0, 1.0)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    images = mean + (images - mean) * (1.0 + contrast * draws[..., 1:2])
    images += brightness * draws[..., :1] + tint * draws[..., 2:]
    return tf.clip_by_value(images, 0.0, 1.0)
