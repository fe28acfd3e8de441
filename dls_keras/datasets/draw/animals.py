"""Synthetic images of alpacas and other animals in a landscape.

Every animal has the same few parts in its own proportions: a trunk, legs, a neck, a
head, and ears or horns. Lengths are in trunk lengths, so one scale makes an animal near
or far. The landscape is a random sky, hills and ground.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SUPERSAMPLING = 3  # images are painted this many times larger, then reduced


class Animal(NamedTuple):
    """The proportions of one kind of animal, in trunk lengths; angles in radians."""

    trunk: float  # its height
    legs: tuple[int, float, float]  # number, length and thickness
    neck: tuple[float, float, float]  # length, angle from upright, thickness
    head: tuple[float, float]  # length and height
    ears: tuple[float, float]  # length and width
    coats: tuple[tuple[int, int, int], ...]  # possible colours, RGB
    wool: float = 0.0  # random widening of the outline


ALPACA = Animal(
    trunk=0.62,
    legs=(4, 0.55, 0.15),
    neck=(0.78, 0.22, 0.27),
    head=(0.34, 0.22),
    ears=(0.2, 0.07),
    coats=((238, 230, 214), (196, 150, 104), (120, 76, 48), (205, 200, 196)),
    wool=0.05,
)
OTHERS = {
    "bear": Animal(
        trunk=0.66,
        legs=(4, 0.3, 0.24),
        neck=(0.22, 1.0, 0.42),
        head=(0.42, 0.34),
        ears=(0.1, 0.12),
        coats=((38, 34, 34), (70, 48, 34), (228, 226, 214)),
    ),
    "ostrich": Animal(
        trunk=0.66,
        legs=(2, 0.85, 0.08),
        neck=(1.0, 0.1, 0.08),
        head=(0.2, 0.11),
        ears=(0.0, 0.0),
        coats=((36, 34, 36), (92, 82, 74)),
        wool=0.06,
    ),
    "giraffe": Animal(
        trunk=0.52,
        legs=(4, 1.05, 0.11),
        neck=(1.35, 0.35, 0.2),
        head=(0.36, 0.17),
        ears=(0.12, 0.07),
        coats=((222, 182, 112), (206, 158, 92)),
    ),
    "camel": Animal(
        trunk=0.5,
        legs=(4, 0.75, 0.11),
        neck=(0.62, 0.95, 0.17),
        head=(0.36, 0.17),
        ears=(0.07, 0.05),
        coats=((188, 142, 90), (160, 112, 70)),
    ),
}
KINDS = ("alpaca", *OTHERS)


def scene(kind: str, rng: np.random.Generator, size: int) -> Image.Image:
    """A square image of `size` pixels: a landscape with one or two animals of `kind`.

    Args:
        kind: one of `KINDS`.
    """
    canvas = landscape(rng, SUPERSAMPLING * size)
    number = rng.choice((1, 2), p=(0.75, 0.25))
    for near in np.sort(rng.random(number)):  # far ones first
        _put(canvas, kind, rng, near)
    picture = canvas.resize((size, size), Image.Resampling.LANCZOS)
    noisy = np.asarray(picture) + rng.normal(0, rng.uniform(1, 6), (size, size, 3))
    return Image.fromarray(noisy.clip(0, 255).astype("uint8"))


def landscape(rng: np.random.Generator, side: int) -> Image.Image:
    """A square image of `side` pixels: sky, hills, ground, and at random a wood."""
    sky = np.array(((120, 170, 225), (205, 215, 225), (226, 196, 160))[rng.integers(3)])
    ground = np.array(
        ((96, 140, 58), (142, 150, 80), (200, 170, 120), (128, 104, 78))[
            rng.integers(4)
        ]
    )
    fade = np.linspace(0.85, 1.1, side)[:, None, None]
    canvas = Image.fromarray(
        (np.ones((1, side, 1)) * fade * sky).clip(0, 255).astype("u1")
    )
    pen = ImageDraw.Draw(canvas)
    horizon = rng.uniform(0.2, 0.6) * side
    for _ in range(rng.integers(3)):
        _ridge(
            pen, rng, side, horizon, 0.25, ground * 0.4 + sky * rng.uniform(0.3, 0.5)
        )
    if rng.random() < 0.4:  # a wood: a row of crowns
        leaves = np.array((48, 84, 40)) * rng.uniform(0.6, 1.3)
        for _ in range(60):
            x, radius = rng.uniform(0, side), side * rng.uniform(0.03, 0.1)
            _dot(pen, x, horizon - radius / 2, radius, leaves * rng.uniform(0.7, 1.2))
    pen.rectangle((0, horizon, side, side), fill=_rgb(ground * rng.uniform(0.7, 1.1)))
    for _ in range(500):  # tufts and stones, larger if they are near
        depth = rng.random() ** 1.5
        x, y = rng.uniform(0, side), horizon + depth * (side - horizon)
        length = side * (0.006 + 0.03 * depth)
        pen.line(
            (x, y, x + rng.normal(0, length), y - length * rng.random()),
            fill=_rgb(ground * rng.uniform(0.6, 1.25)),
            width=max(1, side // 160),
        )
    if rng.random() < 0.25:
        _fence(pen, rng, side, horizon)
    return canvas


def _put(canvas, kind, rng, near):
    """Paint one animal of `kind` onto the canvas; `near`, in [0, 1], is 1 in front."""
    animal = ALPACA if kind == "alpaca" else OTHERS[kind]
    side = canvas.width
    number, leg, thickness = animal.legs
    length, lean, thick = animal.neck
    lean += rng.normal(0, 0.12)
    tall = leg + animal.trunk + length * np.cos(lean)
    unit = float(side * (0.45 + 0.5 * near) / max(tall, 1.5))
    facing = rng.choice((-1, 1))
    ground = side * rng.uniform(0.25, 0.75), side * (0.76 + 0.22 * near)
    coat = np.array(animal.coats[rng.integers(len(animal.coats))])
    coat = coat * rng.uniform(0.85, 1.08) + rng.normal(0, 5, 3)

    shape = Image.new("L", canvas.size)
    pen = ImageDraw.Draw(shape)

    def place(x, y):
        """Convert trunk lengths (x to the head, y up from the ground) to pixels."""
        return ground[0] + facing * unit * x, ground[1] - unit * y

    def limb(points, widths, pen=pen, fill=255):
        """Paint round strokes through `points`, with the width `widths` at each."""
        for (x0, y0), (x1, y1), w0, w1 in zip(
            points, points[1:], widths, widths[1:], strict=False
        ):
            for t in np.linspace(0, 1, 40):
                x, y = place(x0 + t * (x1 - x0), y0 + t * (y1 - y0))
                puff = 1 + animal.wool * rng.uniform(-1, 4) * (max(widths) > 0.12)
                _dot(pen, x, y, unit * puff * (w0 + t * (w1 - w0)) / 2, fill)

    middle = leg + animal.trunk / 2
    roots = (-0.36, -0.27, 0.3, 0.38) if number == 4 else (-0.06, 0.1)
    for root in roots:
        foot = (root + rng.normal(0, 0.05), 0.0)
        limb([(root, leg + 0.1), foot], [1.5 * thickness, 0.8 * thickness])
    half = 0.5 - animal.trunk / 2
    limb([(-half, middle), (half, middle)], [animal.trunk] * 2)
    neck = np.array((half + 0.12, middle + animal.trunk * 0.12))
    top = neck + length * np.array((np.sin(lean), np.cos(lean)))
    if kind == "camel":
        limb([(-0.1, middle + 0.28), (0.0, middle + 0.36)], [0.36, 0.3])
        limb([neck, neck + (0.3, -0.05), top], [thick * 1.2, thick, thick * 0.8])
    else:
        limb([neck, top], [thick * 1.35, thick * 0.85])
    snout = top + (animal.head[0] * 0.8, -animal.head[0] * rng.uniform(0.1, 0.4))
    limb([top, snout], [animal.head[1] * 1.1, animal.head[1] * 0.6])
    ear, width = animal.ears
    crown = top + (-0.02, animal.head[1] * 0.45)
    if ear:
        for side_of_head in (-0.06, 0.05):
            root = crown + (side_of_head, 0)
            limb([root, root + (0.3 * side_of_head, ear)], [width, width * 0.5])
    if kind == "alpaca":
        limb([crown - (0.05, 0.02), crown + (0.07, 0.0)], [0.15, 0.13])  # topknot
        limb([(-half - 0.25, middle + 0.12), (-half - 0.34, middle)], [0.14, 0.1])

    shadow = Image.new("L", canvas.size)
    x, y = place(0, 0)
    ImageDraw.Draw(shadow).ellipse(
        (x - 0.7 * unit, y - 0.07 * unit, x + 0.7 * unit, y + 0.1 * unit), fill=120
    )
    canvas.paste((30, 30, 28), mask=shadow.filter(ImageFilter.GaussianBlur(unit / 15)))
    body = _shaded(shape, coat, rng, woolly=animal.wool > 0)
    paint = ImageDraw.Draw(body)
    if kind == "giraffe":
        for _ in range(260):
            x, y = place(rng.uniform(-0.6, 1.2), rng.uniform(0.5, tall + 0.4))
            _dot(paint, x, y, unit * rng.uniform(0.03, 0.055), coat * 0.6)
    if kind == "ostrich":  # bare neck and legs, white tail
        skin = np.array((205, 175, 165)) * rng.uniform(0.8, 1.05)
        limb([neck + (0.02, 0.2), top], [thick * 1.2, thick], paint, _rgb(skin))
        for root in roots:
            limb([(root, leg - 0.1), (root, 0)], [thickness] * 2, paint, _rgb(skin))
        limb([(-0.5, middle + 0.1), (-0.6, middle)], [0.3, 0.2], paint, (225, 220, 215))
    canvas.paste(body, mask=shape)
    pen = ImageDraw.Draw(canvas)
    eye = place(*(top + (0.08, 0.04)))
    _dot(pen, *eye, unit * 0.022, (18, 14, 14))
    if kind in ("alpaca", "bear"):
        _dot(pen, *place(*(snout + (0.05, 0.0))), unit * 0.03, coat * 0.35)
    if kind == "giraffe":
        for x in (-0.05, 0.03):
            low, high = place(*(crown + (x, 0))), place(*(crown + (x, 0.14)))
            pen.line((*low, *high), fill=_rgb(coat * 0.5), width=int(unit * 0.03))


def _shaded(shape, coat, rng, woolly):
    """The texture of a coat, as large as `shape` and darker towards its belly."""
    side = shape.width
    left, upper, right, lower = shape.getbbox() or (0, 0, side, side)
    light = np.interp(np.arange(side), (upper, lower), (1.08, 0.72))[:, None, None]
    grain = rng.normal(0, 0.13 if woolly else 0.05, (side // 6, side // 6))
    curls = Image.fromarray(grain.astype("f4")).resize(shape.size)
    pixels = coat * light * (1 + np.asarray(curls)[..., None])
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


def _ridge(pen, rng, side, horizon, height, colour):
    """Paint hills along the horizon."""
    across = np.linspace(0, side, 9)
    up = horizon - height * side * rng.random(9)
    points = [*zip(across, up, strict=True), (side, horizon), (0, horizon)]
    pen.polygon(points, fill=_rgb(colour))


def _fence(pen, rng, side, horizon):
    """Paint a fence of posts and two rails at the edge of the ground."""
    colour = _rgb(np.array((120, 96, 72)) * rng.uniform(0.7, 1.6))
    low, high = horizon + 0.06 * side, horizon - 0.08 * side
    for x in np.arange(rng.uniform(0, 0.1), 1, rng.uniform(0.1, 0.2)) * side:
        pen.line((x, low, x, high), fill=colour, width=side // 60)
    for y in (0.75 * high + 0.25 * low, 0.35 * high + 0.65 * low):
        pen.line((0, y, side, y), fill=colour, width=side // 90)


def _dot(pen, x, y, radius, fill):
    fill = fill if isinstance(fill, int | tuple) else _rgb(fill)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _rgb(colour):
    return tuple(int(c) for c in np.clip(colour, 0, 255))
