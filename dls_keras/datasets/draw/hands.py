"""Draws a hand that shows 0, 1, 2, 3, 4 or 5 with its fingers."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def hand(fingers: int, rng: np.random.Generator, size: int = 64) -> Image.Image:
    """A hand that shows `fingers` in front of a wall, RGB, (size, size).

    As in the SIGNS photos zero is a ring of thumb and fingers, three is thumb, index
    and middle finger, and four hides the thumb.
    """
    scale = 4 * size  # four times larger, then reduced
    wall = rng.uniform(185, 235) + rng.uniform(-8, 8, 3)
    skin = np.array([214, 160, 130]) * rng.uniform(0.62, 1.08) + rng.uniform(-9, 9, 3)
    image = Image.new("RGB", (scale, scale), _rgb(wall))
    shadow = Image.new("L", (scale, scale), 0)
    flesh = Image.new("RGB", (scale, scale), _rgb(skin))
    shape = Image.new("L", (scale, scale), 0)
    creases = ImageDraw.Draw(flesh)

    centre = np.array([0.5, 0.58]) + rng.uniform(-0.08, 0.08, 2)
    unit = rng.uniform(0.26, 0.36)  # width of the palm, as a fraction of the image
    tilt = rng.uniform(-0.6, 0.6)
    side = rng.choice((-1, 1))  # left or right hand

    def to_pixels(x, y):
        """From coordinates of the hand (x to the thumb, y to the fingertips)."""
        x, y = side * x, -y
        turned = (
            x * np.cos(tilt) - y * np.sin(tilt),
            x * np.sin(tilt) + y * np.cos(tilt),
        )
        return tuple((centre + unit * np.array(turned)) * scale)

    pen = ImageDraw.Draw(shape)

    def limb(points, width):
        """A line with round joints; `width` is relative to the palm."""
        pixels, radius = [to_pixels(*p) for p in points], width * unit * scale / 2
        pen.line(pixels, fill=255, width=int(2 * radius))
        for x, y in pixels:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)

    limb([(0, -0.2), (rng.uniform(-0.5, 0.5), -3.0)], 0.62)  # the arm
    if fingers == 0:
        limb([(-0.2, -0.1), (0.15, 0.1)], 0.75)
        radius = rng.uniform(0.3, 0.42)
        turn = np.linspace(0, 2 * np.pi, 25)
        ring = [(0.15 + radius * np.cos(t), 0.6 + radius * np.sin(t)) for t in turn]
        limb(ring, rng.uniform(0.2, 0.3))
    else:
        limb([(-0.22, -0.12), (0.2, -0.12), (0.2, 0.3), (-0.22, 0.3), (-0.22, 0)], 0.55)
        _raise_fingers(fingers, rng, limb, creases, to_pixels, unit * scale, skin)

    light = rng.uniform(0.75, 1.1)
    lit = Image.new("RGB", flesh.size, _rgb(skin * light))
    flesh = Image.blend(flesh, lit, 0.35)
    offset = (int(rng.uniform(-0.06, 0.06) * scale), int(rng.uniform(0, 0.08) * scale))
    shadow.paste(shape, offset)
    shadow = shadow.filter(ImageFilter.GaussianBlur(scale / 22)).point(lambda v: v // 3)
    image.paste((90, 88, 90), mask=shadow)
    edge = shape.filter(ImageFilter.GaussianBlur(scale / 60))
    image.paste(_rgb(skin * 0.72), mask=shape)  # a darker rim, lit from the front
    image.paste(flesh, mask=edge.point(lambda v: max(0, 2 * v - 255)))
    image = image.resize((size, size), Image.Resampling.LANCZOS)
    noisy = np.asarray(image) + rng.normal(0, rng.uniform(0, 3), (size, size, 3))
    return Image.fromarray(noisy.clip(0, 255).astype("uint8"))


def _raise_fingers(fingers, rng, limb, creases, to_pixels, palm, skin):
    """Draw raised fingers as limbs and folded fingers as creases."""
    roots = (0.36, 0.13, -0.1, -0.33)  # index, middle, ring, little finger
    lengths = np.array((0.95, 1.05, 0.97, 0.78)) * rng.uniform(0.85, 1.1)
    raised = {1: 1, 2: 2, 3: 2, 4: 4, 5: 4}[fingers]
    spread = rng.uniform(0.12, 0.5)
    for i, (root, length) in enumerate(zip(roots, lengths, strict=True)):
        if i < raised:
            lean = spread * (root + 0.02) / 0.35
            tip = (root + length * np.sin(lean), 0.4 + length * np.cos(lean))
            limb([(root, 0.3), tip], 0.25)
        else:
            x, y = to_pixels(root, rng.uniform(0.28, 0.42))
            half = 0.13 * palm
            box = (x - half, y - half, x + half, y + half)
            creases.ellipse(box, fill=_rgb(skin * 0.8))
    if fingers in (3, 5):
        angle = rng.uniform(0.5, 1.1)
        tip = (0.4 + 0.75 * np.sin(angle), 0.75 * np.cos(angle))
        limb([(0.25, -0.2), tip], 0.27)
    else:
        creases.line(
            [to_pixels(0.4, -0.25), to_pixels(0.0, rng.uniform(0, 0.2))],
            fill=_rgb(skin * 0.78),
            width=int(0.2 * palm),
        )


def _rgb(colour):
    return tuple(int(c) for c in np.clip(colour, 0, 255))
