"""Draws handwritten digits, and scribbles that are not digits.

A digit is a few strokes of a round pen, each a smooth curve through points whose
positions vary, so that no two digits are equal.
"""

import numpy as np
from PIL import Image, ImageDraw

# Ways to write each digit: strokes of a pen through points (x, y) in a unit square, y
# downwards. A stroke is a smooth curve; a sharp turn of the pen begins a new stroke.
STROKES = {
    0: (
        (((0.6, 0), (0.2, 0.1), (0, 0.5), (0.2, 0.92), (0.55, 1), (0.9, 0.85))
         + ((1, 0.45), (0.85, 0.1), (0.5, 0.02)),),
        (((0.45, 0.03), (0.1, 0.25), (0.02, 0.65), (0.3, 1), (0.75, 0.93))
         + ((1, 0.55), (0.85, 0.1), (0.55, 0), (0.35, 0.1)),),
    ),
    1: (
        (((0.5, 0), (0.5, 0.5), (0.5, 1)),),
        (((0.55, 0), (0.5, 0.5), (0.48, 1)),),
        (((0.25, 0.25), (0.4, 0.15), (0.55, 0)), ((0.55, 0), (0.54, 0.5), (0.53, 1))),
        (((0.25, 0.22), (0.55, 0)), ((0.55, 0), (0.55, 1)), ((0.2, 1), (0.85, 0.98))),
    ),
    2: (
        (((0.05, 0.25), (0.3, 0.02), (0.75, 0.04), (0.88, 0.32), (0.55, 0.68))
         + ((0.05, 1),), ((0.05, 1), (0.5, 0.94), (0.98, 0.97))),
        (((0.05, 0.2), (0.4, 0), (0.82, 0.12), (0.8, 0.42), (0.45, 0.82), (0.12, 0.98))
         + ((0.03, 0.85), (0.25, 0.76), (0.6, 0.93), (1, 0.9)),),
    ),
    3: (
        (((0.06, 0.14), (0.42, 0), (0.84, 0.15), (0.74, 0.4), (0.38, 0.48)),
         ((0.38, 0.48), (0.85, 0.58), (0.92, 0.83), (0.5, 1), (0.04, 0.88))),
        (((0.06, 0.05), (0.85, 0.03)), ((0.85, 0.03), (0.4, 0.42)),
         ((0.4, 0.42), (0.85, 0.5), (0.95, 0.78), (0.55, 1), (0.02, 0.9))),
        (((0.1, 0.1), (0.5, 0), (0.85, 0.2), (0.6, 0.43), (0.5, 0.5), (0.75, 0.56))
         + ((0.9, 0.8), (0.5, 1), (0.05, 0.92)),),
    ),
    4: (
        (((0.12, 0), (0.03, 0.3), (0.08, 0.52), (0.5, 0.54), (0.98, 0.48)),
         ((0.82, 0.05), (0.74, 0.5), (0.7, 1))),
        (((0.25, 0), (0.02, 0.5)), ((0.02, 0.5), (0.5, 0.52), (0.85, 0.48)),
         ((0.9, 0), (0.82, 0.45), (0.75, 1))),
        (((0.65, 0), (0.35, 0.3), (0.02, 0.62)), ((0.02, 0.62), (0.5, 0.63), (1, 0.6)),
         ((0.65, 0), (0.66, 0.5), (0.63, 1))),
    ),
    5: (
        (((0.88, 0.03), (0.5, 0.02), (0.2, 0.04)), ((0.2, 0.04), (0.13, 0.42)),
         ((0.13, 0.42), (0.55, 0.36), (0.9, 0.62), (0.62, 0.96), (0.05, 0.93))),
        (((0.22, 0.05), (0.16, 0.4)),
         ((0.16, 0.4), (0.6, 0.4), (0.88, 0.68), (0.55, 1), (0.03, 0.9)),
         ((0.2, 0.05), (0.6, 0.05), (0.98, 0))),
    ),
    6: (
        (((0.72, 0), (0.3, 0.28), (0.04, 0.68), (0.3, 1), (0.75, 0.92), (0.88, 0.66))
         + ((0.55, 0.5), (0.2, 0.62), (0.08, 0.75)),),
        (((0.45, 0), (0.15, 0.35), (0.05, 0.75), (0.4, 1), (0.85, 0.88), (0.8, 0.6))
         + ((0.4, 0.55), (0.12, 0.8)),),
    ),
    7: (
        (((0.03, 0.08), (0.5, 0.06), (0.95, 0.02)), ((0.95, 0.02), (0.62, 0.45))
         + ((0.42, 1),)),
        (((0.05, 0.2), (0.08, 0.05)), ((0.08, 0.05), (0.92, 0.05)),
         ((0.92, 0.05), (0.7, 0.5), (0.6, 1))),
        (((0.03, 0.05), (0.9, 0.03)), ((0.9, 0.03), (0.6, 0.5), (0.45, 1)),
         ((0.25, 0.52), (0.85, 0.48))),
    ),
    8: (
        (((0.82, 0.14), (0.45, 0), (0.12, 0.18), (0.45, 0.45), (0.88, 0.74), (0.5, 1))
         + ((0.1, 0.78), (0.42, 0.48), (0.84, 0.24), (0.76, 0.08)),),
        (((0.5, 0.46), (0.15, 0.22), (0.5, 0), (0.85, 0.22), (0.5, 0.46), (0.08, 0.75))
         + ((0.5, 1), (0.92, 0.75), (0.5, 0.46)),),
    ),
    9: (
        (((0.86, 0.18), (0.5, 0), (0.1, 0.2), (0.28, 0.48), (0.74, 0.38), (0.87, 0.15)),
         ((0.87, 0.1), (0.82, 0.55), (0.68, 1))),
        (((0.84, 0.12), (0.45, 0.02), (0.08, 0.28), (0.35, 0.5), (0.78, 0.3))
         + ((0.88, 0.1), (0.86, 0.6), (0.6, 0.95), (0.12, 0.95)),),
    ),
}  # fmt: skip


def digit(value: int, rng: np.random.Generator, size: int = 128) -> Image.Image:
    """A handwritten digit, 0 to 9, white on black: mode "L", (size, size).

    A style of `STROKES` is chosen. Its points are moved at random, and the whole is
    scaled in width, slanted, turned, and painted by a pen of random width. The digit
    fills most of the image and never reaches its border.
    """
    style = STROKES[value][rng.integers(len(STROKES[value]))]
    width = rng.uniform(0.45, 0.85)
    slant, turn = rng.normal(0.12, 0.16), rng.normal(0, 0.1)
    transform = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    transform = transform @ [[width, -slant], [0, 1]]
    amplitude = rng.normal(0, 0.025, (2, 2))  # of a slow wave along the whole digit
    phase = rng.uniform(0, 2 * np.pi, 2)
    # A point that two strokes share is moved once.
    points = dict.fromkeys(point for stroke in style for point in stroke)
    points = {point: point + rng.normal(0, 0.03, 2) for point in points}
    curves = []
    for stroke in style:
        curve = _smooth(np.array([points[point] for point in stroke])) - 0.5
        wave = np.sin(np.pi * curve + phase)  # (n, 2)
        curves.append((curve + wave @ amplitude) @ transform.T)
    path = np.concatenate(curves)
    low, high = path.min(0), path.max(0)
    pen = rng.uniform(0.075, 0.17)  # as a fraction of the longer side of the digit
    scale = 4 * size * 0.9 / ((high - low).max() * (1 + pen))
    radius = pen * scale * (high - low).max() / 2
    image = Image.new("L", (4 * size, 4 * size))
    draw = ImageDraw.Draw(image)
    for x, y in (path - (low + high) / 2) * scale + 2 * size:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return image.reduce(4)


def scribble(rng: np.random.Generator, side: int) -> np.ndarray:
    """A cross, a zigzag, a box or dots: not a digit, (side, side) uint8."""
    kind = rng.integers(4)
    if kind == 0:
        curves = [[(0.2, 0.2), (0.8, 0.8)], [(0.2, 0.8), (0.8, 0.2)]]
    elif kind == 1:
        n = rng.integers(4, 7)
        curves = [[(0.1 + 0.8 * i / n, 0.35 + 0.3 * (i % 2)) for i in range(n + 1)]]
    elif kind == 2:
        curves = [[(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.15)]]
    else:
        dots = rng.uniform(0.15, 0.85, (rng.integers(1, 5), 2))
        curves = [[(x, y), (x + 0.03, y)] for x, y in dots]
    turn = rng.uniform(-0.3, 0.3)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    image = Image.new("L", (4 * side, 4 * side))
    draw = ImageDraw.Draw(image)
    width = round(4 * side * rng.uniform(0.05, 0.12))
    for curve in curves:
        points = np.array(curve) + rng.normal(0, 0.03, (len(curve), 2)) - 0.5
        pixels = (0.5 + points @ rotation.T).clip(0.06, 0.94) * 4 * side
        draw.line([tuple(p) for p in pixels], fill=255, width=width, joint="curve")
    return np.asarray(image.reduce(4))


def _smooth(points, steps=20):
    """A Catmull-Rom spline through points (n, 2), with `steps` points per segment."""
    before = 2 * points[0] - points[1]
    after = 2 * points[-1] - points[-2]
    p = np.concatenate([[before], points, [after]])
    t = np.arange(steps)[:, None, None] / steps
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    pieces = 0.5 * (
        2 * b
        + (c - a) * t
        + (2 * a - 5 * b + 4 * c - d) * t**2
        + (3 * b - a - 3 * c + d) * t**3
    )  # (steps, n - 1, 2)
    return np.concatenate([pieces.swapaxes(0, 1).reshape(-1, 2), points[-1:]])
