"""Synthetic street scenes in perspective, with the class of every pixel.

Coordinates are in metres: x to the right, z ahead, h above the ground. The camera is
above x = z = 0, on the left lane of a straight road. Each object consists of a few flat
faces, which are projected by a pinhole camera and painted from far to near, twice: in
their colour on a canvas of twice the size, and as their class on the mask.
"""

import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

EYE = 1.5  # height of the camera
NEAR = 1.5  # faces are clipped at this depth

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE = range(6)
SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(6, 11)

BRICKS = np.array(
    [(150, 104, 78), (176, 146, 106), (196, 186, 168), (120, 84, 70), (146, 142, 138)]
)
# fmt: off
PAINTS = np.array(
    [(24, 26, 32), (186, 190, 194), (140, 22, 30), (32, 52, 110), (222, 224, 226),
     (86, 92, 98), (28, 70, 56)]
)
CLOTHES = np.array(
    [(28, 30, 40), (60, 66, 90), (120, 40, 40), (90, 88, 80), (44, 70, 60),
     (190, 186, 176)]
)
# fmt: on
SIGNS = np.array(
    [(34, 70, 150), (196, 36, 36), (230, 226, 216), (220, 180, 30), (24, 26, 26)]
)
ANGLES = np.linspace(0, 2 * np.pi, 13)[:-1]  # corners that approximate a circle


def scene(
    rng: np.random.Generator, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """One street scene: image (height, width, 3) uint8 RGB, mask (height, width) uint8.

    The values of the mask are indices of `camvid.CLASSES`.
    """
    street = _Street(rng, height, width)
    things = [*_side(rng, street, -1), *_side(rng, street, 1), *_traffic(rng, street)]
    for _, paint in sorted(things, key=lambda thing: -thing[0]):  # far ones first
        paint()
    return _finished(rng, street), np.array(street.mask)


class _Street:
    """The canvas and the mask, with sky and ground on them, and the camera."""

    def __init__(self, rng, height, width):
        self.height, self.width = height, width
        self.canvas = Image.new("RGB", (2 * width, 2 * height))
        self.mask = Image.new("L", (width, height), SKY)
        self.ink, self.pen = ImageDraw.Draw(self.canvas), ImageDraw.Draw(self.mask)
        self.focal = width * rng.uniform(0.8, 1.1)
        self.horizon = height * rng.normal(0.49, 0.03)
        self.middle = width * rng.normal(0.5, 0.07)  # the vanishing point's column
        warm = rng.uniform(-0.1, 0.1)
        self.light = rng.uniform(0.4, 1.05) * np.array([1 + warm, 1, 1 - warm])
        self.haze = rng.uniform(0, 0.008)
        grey, blue = rng.uniform(215, 255) * np.ones(3), np.array([130, 175, 230])
        self.sky = grey + rng.random() ** 2 * (blue - grey)
        self.right = rng.uniform(3.5, 7)  # x of the kerbs
        self.left = -rng.uniform(2.2, 4.5)
        self._paint_sky(rng)
        self._paint_ground(rng)

    def project(self, points):
        """Pixels (n, 2), column and row, of points (n, 3), each (x, h, z)."""
        x, h, z = np.asarray(points, float).T
        scale = self.focal / z
        return np.stack(
            [self.middle + scale * x, self.horizon + scale * (EYE - h)], axis=1
        )

    def tint(self, colour, depth):
        """A colour under the light of the scene, blended with haze by its depth."""
        clear = np.exp(-self.haze * depth)
        blended = clear * np.multiply(colour, self.light)
        blended += (1 - clear) * self.sky * np.sqrt(self.light.mean())
        return tuple(np.clip(blended, 0, 255).astype(int).tolist())

    def face(self, points, colour, label):
        """Paint a polygon of points (x, h, z) in a colour, and as a class."""
        points = _clipped(np.asarray(points, float))
        if len(points) > 2:
            pixels = self.project(points)
            tinted = self.tint(colour, points[:, 2].mean())
            self.ink.polygon((2 * pixels).ravel().tolist(), fill=tinted)
            self.pen.polygon(np.rint(pixels - 0.5).ravel().tolist(), fill=label)

    def upright(self, x1, x2, h1, h2, z, colour, label):
        """Paint a rectangle that faces the camera."""
        self.face([(x1, h1, z), (x1, h2, z), (x2, h2, z), (x2, h1, z)], colour, label)

    def wall(self, x, h1, h2, z1, z2, colour, label):
        """Paint an upright rectangle parallel to the road."""
        self.face([(x, h1, z1), (x, h2, z1), (x, h2, z2), (x, h1, z2)], colour, label)

    def ground(self, x1, x2, z1, z2, colour, label):
        """Paint a rectangle on the ground."""
        self.face([(x1, 0, z1), (x1, 0, z2), (x2, 0, z2), (x2, 0, z1)], colour, label)

    def disc(self, x, h, z, radius, colour, label, upright=1.0):
        """Paint a disc that faces the camera; `upright` is its width / height."""
        across, up = upright * radius * np.cos(ANGLES), radius * np.sin(ANGLES)
        self.face(np.stack([x + across, h + up, 0 * up + z], 1), colour, label)

    def _paint_sky(self, rng):
        rows = np.linspace(0.82, 1.05, 32)[:, None, None]
        clouds = Image.fromarray(rng.standard_normal((5, 6), np.float32))
        clouds = np.asarray(clouds.resize((48, 32), Image.Resampling.BICUBIC))
        sky = self.sky * rows * (1 + 0.05 * rng.random() * clouds[..., None])
        sky = np.clip(sky * np.sqrt(self.light.mean()), 0, 255).astype(np.uint8)
        self.canvas.paste(Image.fromarray(sky).resize(self.canvas.size))

    def _paint_ground(self, rng):
        stone = rng.uniform(110, 165) + rng.uniform(-8, 8, 3)
        asphalt = rng.uniform(70, 112) + rng.uniform(-4, 4, 3)
        far = [(-80, 0), (-80, 4), (80, 4), (80, 0)]
        town = rng.random() < 0.5
        leaves = np.array([64, 74, 58])
        self.face(
            [(x, h * rng.uniform(0.6, 1.6), 90) for x, h in far],
            rng.uniform(0.8, 1.2) * (BRICKS[4] if town else leaves),
            BUILDING if town else TREE,
        )
        self.ground(-90, 90, NEAR, 90, stone, PAVEMENT)
        for x1, x2 in ((-90, self.left - 5), (self.right + 5, 90)):
            if rng.random() < 0.4:
                self.ground(x1, x2, NEAR, 90, (86, 104, 58), TREE)
        self.ground(self.left, self.right, NEAR, 90, asphalt, ROAD)
        for x in (self.left, self.right - 0.15):
            self.ground(x, x + 0.15, NEAR, 90, 0.75 * stone, PAVEMENT)
        if rng.random() < 0.3:  # a side street
            z, side = rng.uniform(14, 40), rng.choice([-1, 1])
            kerb = self.right if side > 0 else self.left
            self.ground(kerb - 0.2 * side, kerb + 60 * side, z, z + 7, asphalt, ROAD)
        white, yellow = (205, 205, 200), (190, 160, 70)
        middle, start = (self.left + self.right) / 2, rng.uniform(0, 6)
        for z in np.arange(NEAR + start, 80, 6):
            self.ground(middle, middle + 0.12, z, z + 2.5, white, ROAD)
        if rng.random() < 0.5:
            for x in (self.left + 0.35, self.right - 0.45):
                self.ground(x, x + 0.1, NEAR, 80, yellow, ROAD)


def _clipped(points):
    """The part of a polygon (n, 3) with a depth of at least NEAR."""
    deep = points[:, 2] - NEAR
    if (deep >= 0).all():
        return points
    kept = []
    for i in range(len(points)):
        if deep[i - 1] * deep[i] < 0:  # the edge crosses NEAR: keep that point
            share = deep[i] / (deep[i] - deep[i - 1])
            kept.append(points[i] + share * (points[i - 1] - points[i]))
        if deep[i] >= 0:
            kept.append(points[i])
    return np.array(kept)


def _side(rng, street, side):
    """The objects on one side of the road, -1 or 1: a list of (depth, paint)."""
    kerb = street.right if side > 0 else street.left
    front = kerb + side * rng.uniform(1.8, 5)  # x of the house fronts
    things = []

    def add(draw, z, *arguments):
        things.append((z, functools.partial(draw, rng, street, *arguments)))

    z, built = rng.uniform(0, 6), rng.uniform(0.3, 1)
    while z < 75:
        length = rng.uniform(5, 16)
        if rng.random() < built:
            add(_draw_house, z + length, front, side, z, length)
        else:
            for _ in range(rng.integers(1, 4)):
                spot = z + rng.uniform(0, length)
                add(_draw_tree, spot, front + side * rng.uniform(0, 8), spot)
            if rng.random() < 0.6:
                add(_draw_fence, z + length, front, z, length)
        z += length
    path = kerb + 0.4 * side, front - 0.5 * side
    for draw, most in (
        (_draw_lamp, 5),
        (_draw_sign, 4),
        (_draw_pedestrian, 6),
        (_draw_car, 4),
    ):
        for _ in range(rng.integers(0, most)):
            z = np.exp(rng.uniform(1.6, 4))
            if draw is _draw_car:  # parked
                x = kerb - 1.1 * side
            else:
                x = rng.uniform(*sorted(path))
            if draw in (_draw_lamp, _draw_sign):
                x = path[0]
            add(draw, z, x, z)
    if rng.random() < 0.3:  # a tree on the pavement
        z = rng.uniform(8, 30)
        add(_draw_tree, z, path[0], z)
    return things


def _traffic(rng, street):
    """The cars and bicycles on the road: a list of (depth, paint)."""
    things, middle = [], (street.left + street.right) / 2
    for lane in (street.left + middle, street.right + middle):
        for z in np.exp(rng.uniform(2, 4, rng.integers(0, 3))):
            paint = functools.partial(_draw_car, rng, street, lane / 2, z)
            things.append((z, paint))
    for _ in range(rng.choice(3, p=[0.5, 0.35, 0.15])):
        x = rng.choice([street.left + 0.7, street.right - 0.7, middle])
        z = np.exp(rng.uniform(1.8, 3.4))
        things.append((z, functools.partial(_draw_bicyclist, rng, street, x, z)))
    return things


def _draw_house(rng, street, x, side, z, length):
    """Paint a house: its gable faces the camera, its front the road; with windows."""
    tall, deep = rng.uniform(4, 12), side * rng.uniform(6, 10)
    brick = BRICKS[rng.integers(len(BRICKS))] * rng.uniform(0.75, 1.15)
    shade = rng.uniform(0.6, 1.0)
    roof, ridge = np.array([92, 78, 74]) * rng.uniform(0.7, 1.2), rng.uniform(0, 3)
    crest = (x + deep / 2, tall + ridge)
    eaves = [(x, tall, z), (x, tall, z + length)]
    street.face([*eaves, (*crest, z + length), (*crest, z)], roof, BUILDING)
    gable = [
        (x, 0, z),
        (x, tall, z),
        (*crest, z),
        (x + deep, tall, z),
        (x + deep, 0, z),
    ]
    street.face(gable, brick, BUILDING)
    street.wall(x, 0, tall, z, z + length, shade * brick, BUILDING)
    glass = rng.uniform(30, 90) + np.array([-6, 0, 8])
    shop = rng.random() < 0.35
    if shop:
        sign = SIGNS[rng.integers(3)] * 0.8
        street.wall(x, 0.4, 2.5, z + 0.5, z + length - 0.5, 0.8 * glass, BUILDING)
        street.wall(x, 2.6, 3.2, z + 0.3, z + length - 0.3, sign, BUILDING)
    for h in np.arange(3.6 if shop else 0.9, tall - 1.6, 2.7):
        for start in np.arange(z + 0.8, z + length - 1.2, rng.uniform(2, 3.2)):
            street.wall(x, h, h + 1.5, start, start + 1.1, glass, BUILDING)
            street.wall(x, h - 0.15, h, start - 0.1, start + 1.2, 1.2 * brick, BUILDING)


def _draw_tree(rng, street, x, z):
    """Paint a tree: a trunk, and a crown that is dark inside and light on top."""
    tall = rng.uniform(3.5, 10)
    leaves = np.array([70, 88, 52]) * rng.uniform(0.6, 1.1) + rng.uniform(-14, 14, 3)
    trunk = 0.02 * tall
    street.upright(x - trunk, x + trunk, 0, 0.6 * tall, z, (72, 62, 54), TREE)
    for i in range(28):
        up = rng.beta(1.6, 1.3)
        across = 0.3 * tall * np.sin(np.pi * (0.15 + 0.8 * up)) * rng.uniform(-1, 1)
        radius = tall * rng.uniform(0.05, 0.09) * (2 if i < 8 else 1)
        shade = (0.6 if i < 8 else 0.7) + 0.5 * up * rng.random()
        h = tall * (0.3 + 0.62 * up)
        street.disc(x + across, h, z, radius, shade * leaves, TREE)


def _draw_fence(rng, street, x, z, length):
    """Paint a fence along the road, of boards and posts."""
    tall, colour = rng.uniform(0.9, 1.9), np.array([140, 124, 100])
    colour = colour * rng.uniform(0.5, 1.2)
    street.wall(x, 0, tall, z, z + length, colour, FENCE)
    for start in np.arange(z, z + length, rng.uniform(0.6, 1.4)):
        street.wall(x, 0, tall, start, start + 0.12, 0.7 * colour, FENCE)


def _draw_lamp(rng, street, x, z):
    """Paint a lamp post with its arm over the road."""
    tall, half = rng.uniform(5, 8), rng.uniform(0.05, 0.09)
    grey = rng.uniform(60, 150) * np.ones(3)
    arm = -np.sign(x) * rng.uniform(0.8, 1.6)
    street.upright(x - half, x + half, 0, tall, z, grey, POLE)
    street.upright(x, x + arm, tall - 0.12, tall, z, grey, POLE)


def _draw_sign(rng, street, x, z):
    """Paint a post with a road sign or a traffic light on it."""
    h, half = rng.uniform(2, 2.8), rng.uniform(0.25, 0.45)
    colour = SIGNS[rng.integers(len(SIGNS))]
    street.upright(x - 0.05, x + 0.05, 0, h, z, (110, 112, 114), POLE)
    if colour.max() < 30:  # a traffic light
        street.upright(x - 0.2, x + 0.2, h, h + 1, z, colour, SIGN)
        lit = rng.integers(3)
        for i, lamp in enumerate([(60, 220, 130), (240, 180, 40), (240, 60, 40)]):
            shown = lamp if i == lit else (50, 50, 50)
            street.disc(x, h + 0.2 + 0.3 * i, z, 0.11, shown, SIGN)
    elif rng.random() < 0.5:
        street.disc(x, h + half, z, half, colour, SIGN)
        street.disc(x, h + half, z, 0.7 * half, (226, 224, 220), SIGN)
    else:
        top = h + rng.uniform(0.5, 1.2)
        street.upright(x - half, x + half, h, top, z, colour, SIGN)


def _draw_pedestrian(rng, street, x, z, label=PEDESTRIAN, ground=0.0):
    """Paint a person: legs, coat, arms and head."""
    tall = rng.uniform(1.55, 1.85)
    coat, legs = CLOTHES[rng.integers(len(CLOTHES), size=2)]
    stride = rng.uniform(0.02, 0.22)
    hip, shoulder = ground + 0.75, ground + tall - 0.28
    for foot in (x - stride, x + stride):
        top = x + 0.4 * (foot - x)
        leg = [
            (foot - 0.08, 0),
            (top - 0.09, 0.85),
            (top + 0.09, 0.85),
            (foot + 0.08, 0),
        ]
        street.face([(a, ground + h, z) for a, h in leg], legs, label)
    body = [(-0.18, hip), (-0.23, shoulder), (0.23, shoulder), (0.18, hip)]
    street.face([(x + a, h, z) for a, h in body], coat, label)
    for arm in (x - 0.31, x + 0.21):
        street.upright(arm, arm + 0.1, hip + 0.05, shoulder, z, 0.8 * coat, label)
    skin = np.array([196, 150, 126]) * rng.uniform(0.5, 1)
    street.disc(x, ground + tall - 0.13, z, 0.13, skin, label, 0.8)


def _draw_bicyclist(rng, street, x, z):
    """Paint a cyclist, from the front or the back."""
    street.upright(x - 0.04, x + 0.04, 0, 0.7, z, (24, 24, 26), BICYCLIST)
    street.upright(x - 0.28, x + 0.28, 0.98, 1.04, z, (40, 40, 44), BICYCLIST)
    _draw_pedestrian(rng, street, x, z, BICYCLIST, ground=0.18)


def _draw_car(rng, street, x, z):
    """Paint a car: shadow, wheels, body, cabin, windows, lamps and plate."""
    half, length = rng.uniform(0.8, 0.95), rng.uniform(3.6, 4.8)
    tall = rng.uniform(1.4, 1.9)
    paint = PAINTS[rng.integers(len(PAINTS))] * rng.uniform(0.8, 1.15)
    glass = rng.uniform(30, 70) + np.array([-4, 0, 6])
    left, right, back = x - half, x + half, z + length
    waist = 0.6 * tall
    street.ground(left - 0.1, right + 0.1, z, back, (40, 41, 44), ROAD)
    for wheel in (left + 0.1, right - 0.3):
        street.upright(wheel, wheel + 0.2, 0, 0.5, z, (20, 20, 22), CAR)

    side = left if x > 0 else right  # the visible one
    street.wall(side, 0.25, waist, z, back, 0.75 * paint, CAR)
    for hub in (z + 0.2 * length, z + 0.8 * length):
        rim = [
            0 * ANGLES + side,
            0.32 + 0.32 * np.sin(ANGLES),
            hub + 0.32 * np.cos(ANGLES),
        ]
        street.face(np.stack(rim, axis=1), (24, 24, 26), CAR)
    roof = [x - 0.72 * half, x + 0.72 * half]
    slope = roof[0] if x > 0 else roof[1]
    front, rear = z + 0.1 * length, back - 0.1 * length  # of the cabin
    start, stop = z + 0.25 * length, back - 0.3 * length  # of its roof
    windows = [(side, waist, front), (slope, tall, start)]
    windows += [(slope, tall, stop), (side, waist, rear)]
    street.face(windows, 0.85 * paint, CAR)
    street.face(_shrunk(windows, 0.8), glass, CAR)

    hood = [(left, waist, z), (left, waist, front), (right, waist, front)]
    street.face([*hood, (right, waist, z)], 1.15 * paint, CAR)
    pane = [(left, waist, front), (roof[0], tall, start)]
    pane += [(roof[1], tall, start), (right, waist, front)]
    street.face(pane, paint, CAR)
    street.face(_shrunk(pane, 0.82), glass, CAR)
    street.upright(left, right, 0.25, waist, z, paint, CAR)
    comes = x > (street.left + street.right) / 2  # cars drive on the left
    lamp = (225, 222, 205) if comes else (170, 28, 28)
    for edge in (left + 0.05, right - 0.35):
        street.upright(edge, edge + 0.3, 0.7 * waist, 0.9 * waist, z, lamp, CAR)
    street.upright(x - 0.26, x + 0.26, 0.4, 0.52, z, (226, 210, 130), CAR)
    street.upright(left, right, 0.25, 0.34, z, 0.4 * paint, CAR)


def _shrunk(points, share):
    """A polygon scaled by the factor `share` about its centre."""
    middle = np.mean(points, axis=0)
    return middle + share * (np.array(points) - middle)


def _finished(rng, street):
    """The image at half the size, with blur, texture by class, and sensor noise."""
    image = street.canvas.reduce(2)
    if rng.random() < 0.6:
        image = image.filter(ImageFilter.BoxBlur(rng.uniform(0.2, 0.6)))
    picture = np.array(image, np.float32)
    rough = np.array([0, 0.05, 0, 0.03, 0.04, 0.16, 0, 0.1, 0, 0, 0])  # by class
    fine = rng.standard_normal(picture.shape[:2], np.float32)
    picture *= (1 + rough[np.array(street.mask)] * fine)[..., None]
    picture += rng.normal(0, rng.uniform(1, 4), picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)
