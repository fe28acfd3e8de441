"""Render a synthetic image of a road with cars, and the boxes of the cars.

Coordinates are in metres: x along the road, y across it, z up. The camera is above
x = y = 0 in its own lane. Cars and other objects have positions in these coordinates,
are projected by one pinhole camera and painted from far to near, at twice the final
resolution. The height of the camera and the distances of the lanes were chosen so that
boxes are where they are in the real frames.
"""

import functools
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

EYE = 1.6  # height of the camera; cars then have the rows they have in the real frames
NEAR = 0.4  # near plane: points with a smaller depth are clipped
LANE = 3.5  # width of a lane
CORNERS = ((-1, -1), (-1, 1), (1, 1), (1, -1))

# Shapes of cars. `size` is length, width and height. `body` and `cabin` are convex
# outlines from the rear over the top to the front, (x / length, z / height); `lamps`
# are the heights of rear and front lamps, `windows` intervals along the cabin's side.
SALOON = {
    "size": (4.75, 1.84, 1.45),
    "body": [
        (-0.47, 0.15), (-0.5, 0.36), (-0.49, 0.64), (-0.3, 0.70), (0.2, 0.66),
        (0.42, 0.57), (0.49, 0.46), (0.5, 0.22), (0.47, 0.14),
    ],
    "cabin": [(-0.38, 0.68), (-0.17, 0.98), (0.05, 1.0), (0.26, 0.64)],
    "lamps": (0.56, 0.47),
    "windows": ((0.14, 0.5), (0.54, 0.9)),
}  # fmt: skip
HATCHBACK = {
    "size": (4.1, 1.76, 1.5),
    "body": [
        (-0.46, 0.15), (-0.5, 0.34), (-0.495, 0.58), (-0.4, 0.66), (0.2, 0.64),
        (0.42, 0.56), (0.49, 0.45), (0.5, 0.22), (0.47, 0.14),
    ],
    "cabin": [(-0.48, 0.62), (-0.4, 0.97), (0.02, 1.0), (0.28, 0.62)],
    "lamps": (0.54, 0.47),
    "windows": ((0.1, 0.48), (0.53, 0.92)),
}  # fmt: skip
ESTATE = {
    "size": (4.75, 1.9, 1.74),
    "body": [
        (-0.46, 0.18), (-0.5, 0.34), (-0.495, 0.58), (-0.4, 0.63), (0.2, 0.62),
        (0.43, 0.57), (0.49, 0.46), (0.5, 0.25), (0.47, 0.17),
    ],
    "cabin": [(-0.485, 0.61), (-0.43, 0.97), (0.04, 1.0), (0.24, 0.61)],
    "lamps": (0.56, 0.49),
    "windows": ((0.05, 0.3), (0.34, 0.63), (0.66, 0.93)),
}  # fmt: skip
VAN = {
    "size": (5.4, 2.0, 2.25),
    "body": [
        (-0.47, 0.13), (-0.5, 0.25), (-0.5, 0.48), (0.34, 0.48), (0.46, 0.40),
        (0.5, 0.3), (0.5, 0.17), (0.47, 0.12),
    ],
    "cabin": [(-0.5, 0.47), (-0.485, 0.98), (0.2, 1.0), (0.38, 0.46)],
    "lamps": (0.4, 0.34),
    "windows": ((0.7, 0.94),),
}  # fmt: skip
PICKUP = {
    "size": (5.6, 1.95, 1.85),
    "body": [
        (-0.48, 0.22), (-0.5, 0.34), (-0.5, 0.58), (0.2, 0.59), (0.44, 0.56),
        (0.49, 0.48), (0.5, 0.27), (0.47, 0.2),
    ],
    "cabin": [(-0.16, 0.58), (-0.12, 0.97), (0.08, 1.0), (0.24, 0.58)],
    "lamps": (0.46, 0.46),
    "windows": ((0.1, 0.42), (0.48, 0.9)),
}  # fmt: skip
SHAPES: tuple[dict[str, Any], ...] = (SALOON, HATCHBACK, ESTATE, VAN, PICKUP)

PAINTS = np.array(
    [
        (228, 230, 232), (184, 188, 192), (120, 124, 130), (62, 66, 72), (24, 25, 28),
        (150, 20, 26), (96, 16, 26), (28, 66, 150), (20, 36, 74), (34, 84, 60),
        (178, 164, 136), (40, 130, 200), (214, 172, 40), (196, 96, 36),
    ]
)  # fmt: skip
PAINT_SHARES = np.array([18, 14, 12, 12, 18, 6, 4, 5, 5, 3, 4, 2, 2, 1]) / 106


def scene(
    rng: np.random.Generator, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """One image of a road.

    Returns:
        image: (height, width, 3) uint8 RGB.
        boxes: (k, 4) float32, corners (y1, x1, y2, x2) of the visible cars, in pixels.
    """
    canvas = Canvas(rng, height, width)
    lanes, kerbs = draw_ground(rng, canvas)
    objects = _roadside(rng, canvas, kerbs)
    cars = place_cars(rng, canvas, lanes)
    objects += [(canvas.depth(car.middle), car.paint) for car in cars]
    for _, paint in sorted(objects, key=lambda one: -one[0]):
        paint()
    return _finished(rng, canvas), visible_boxes(canvas, cars)


class Canvas:
    """An image that is painted from far to near, and the camera that projects it."""

    def __init__(self, rng: np.random.Generator, height: int, width: int):
        self.height, self.width = height, width
        # The camera is directed across the road (90 degrees), along it, or between.
        across, along = rng.normal(90, 9), rng.normal(0, 5)
        yaw = rng.choice([across, along, rng.uniform(15, 70)], p=[0.68, 0.2, 0.12])
        self.across = yaw > 40
        self.ahead = np.array([np.cos(np.radians(yaw)), np.sin(np.radians(yaw))])
        self.right = np.array([self.ahead[1], -self.ahead[0]])
        self.right *= rng.choice([-1, 1])  # right-hand or left-hand traffic
        self.focal = width * rng.uniform(0.45, 0.6)
        self.horizon = height * rng.normal(0.5, 0.02)
        self.distortion = rng.uniform(0, 0.12)  # of a wide-angle lens
        warm = rng.uniform(-0.2, 0.05)  # light is blue at dusk
        self.light = rng.uniform(0.35, 1.0) * np.array([1 + warm, 1, 1 - warm])
        self.haze = rng.uniform(0, 0.003) if rng.random() < 0.93 else 0.015
        self.sky = np.array([(45, 125, 205), (130, 190, 235), (222, 234, 242)], float)
        overcast = rng.random() ** 3
        self.sky += overcast * (self.sky.mean(axis=1, keepdims=True) + 30 - self.sky)
        self.sky *= 0.6 + 0.4 * self.light.mean()
        self.paper = Image.new("RGB", (2 * width, 2 * height))  # reduced at the end
        top = (2 * width, int(2 * self.horizon) + 2)
        self.paper.paste(_sky(rng, self.sky).resize(top, Image.Resampling.BILINEAR))
        self.draw = ImageDraw.Draw(self.paper)
        self.owner = Image.new("L", (width, height))  # the visible car at each pixel
        self.draw_owner = ImageDraw.Draw(self.owner)

    def depth(self, point: np.ndarray) -> np.ndarray:
        """Distance in metres from the camera along its optical axis."""
        return point[..., :2] @ self.ahead

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixel (column, row) of each point (n, 3) with positive depth."""
        depth = self.depth(points)
        u = self.focal * (points[:, :2] @ self.right) / depth
        v = self.focal * (EYE - points[:, 2]) / depth
        v = v * (1 - self.distortion * np.minimum((2 * u / self.width) ** 2, 2))
        return np.array([u + self.width / 2, v + self.horizon]).T

    def tint(self, colour: Any, depth: float) -> Any:
        """The colour (3,) or colours (n, 3) under the light and haze of the scene."""
        clear = np.exp(-self.haze * depth)
        tinted = clear * np.multiply(colour, self.light) + (1 - clear) * self.sky[2]
        tinted = np.minimum(tinted, 255).astype(int).tolist()
        return [*map(tuple, tinted)] if np.ndim(colour) == 2 else tuple(tinted)

    def face(
        self, points: Any, colour: Any, owner: int | None = None, lit: bool = True
    ) -> None:
        """Paint a polygon of points (n, 3).

        Args:
            owner: i if the polygon belongs to car i; 0 if it hides the cars behind
                it; None if it does not change which car is visible.
            lit: False for a light source.
        """
        points = _clip_to_near_plane(np.asarray(points, float), self.depth)
        if len(points) < 3:
            return
        pixels = self.project(points)
        if lit:
            colour = self.tint(colour, self.depth(points).mean())
        self.draw.polygon((2 * pixels).ravel().tolist(), fill=tuple(colour))
        if owner is not None:
            self.draw_owner.polygon(pixels.ravel().tolist(), fill=owner)

    def ground(
        self,
        y1: float,
        y2: float,
        colour: Any,
        x1: float = -90.0,
        x2: float = 90.0,
        pieces: int = 24,
    ) -> None:
        """Paint a strip of ground along the road."""
        strip = np.zeros((2 * pieces, 3))
        strip[:pieces, 0] = np.linspace(x1, x2, pieces)
        strip[pieces:, 0] = strip[pieces - 1 :: -1, 0]
        strip[:pieces, 1], strip[pieces:, 1] = y1, y2
        self.face(strip, colour)

    def upright(
        self,
        x: float,
        y: float,
        half: float,
        z1: float,
        z2: float,
        colour: Any,
        owner: int = 0,
    ) -> None:
        """Paint a vertical rectangle of width 2 * half that faces the camera."""
        left, right = np.array([x, y]) + np.outer([-half, half], self.right)
        points = [(*left, z1), (*left, z2), (*right, z2), (*right, z1)]
        self.face(points, colour, owner)


def _clip_to_near_plane(points, depth):
    """The part of a polygon (n, 3) with a depth greater than NEAR."""
    deep = depth(points) - NEAR
    if (deep > 0).all():
        return points
    kept = []
    for i in range(len(points)):
        if deep[i - 1] * deep[i] < 0:  # the edge crosses the plane: add that point
            share = deep[i] / (deep[i] - deep[i - 1])
            kept.append(points[i] + share * (points[i - 1] - points[i]))
        if deep[i] > 0:
            kept.append(points[i])
    return np.array(kept)


def _sky(rng, colours):
    """A small image of a sky with clouds, 48 rows from the zenith to the horizon."""
    rows, stops = np.linspace(0, 1, 48), [0, rng.uniform(0.4, 0.7), 1]
    sky = np.array([np.interp(rows, stops, colour) for colour in colours.T]).T
    streaks = Image.fromarray(rng.standard_normal((12, 6), np.float32))
    clouds = np.array(streaks.resize((64, 48), Image.Resampling.BICUBIC))[..., None]
    clouds = rng.uniform(0, 0.6) * np.clip(clouds - rng.uniform(0.2, 1.2), 0, 1)
    shade = colours[2] * rng.uniform(0.75, 1.1)
    sky = sky[:, None] * (1 - clouds) + shade * clouds
    return Image.fromarray(np.clip(sky, 0, 255).astype(np.uint8))


def draw_ground(
    rng: np.random.Generator, canvas: Canvas
) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    """Paint grass, road, median and markings; return where lanes and kerbs are.

    Returns:
        lanes: (y, heading in radians) of the middle of each lane.
        kerbs: y of the far and of the near side of the road.
    """
    grass = np.array([84, 96, 62]) + rng.uniform([-20, -10, -20], [26, 20, 20])
    asphalt = rng.uniform(60, 115) + np.array([-5, 0, 6])
    concrete = rng.uniform(130, 180) + np.array([6, 0, -12])
    white, yellow = np.array([205, 205, 200]), np.array([205, 150, 50])
    # The camera's carriageway is from verge to near, the other one from far to kerb.
    near = float(rng.choice([1.8, 5.2]))
    gaps = [0.5, rng.uniform(2, 6), rng.uniform(6, 14)]
    far = near + rng.choice(gaps, p=[0.15, 0.35, 0.5])
    count = rng.integers(2, 4)
    kerb, verge = far + LANE * count + 0.4, -float(rng.choice([2.2, 5.7]))

    top = 2 * canvas.horizon
    canvas.draw.rectangle(
        [0, top, 2 * canvas.width, 2 * canvas.height], fill=canvas.tint(grass, 25)
    )
    if rng.random() < 0.2:  # a side street
        x = rng.uniform(-6, 12)
        street = [(x, kerb, 0), (x, 80, 0), (x + 7, 80, 0), (x + 7, kerb, 0)]
        canvas.face(street, asphalt)
    median = asphalt if far - near < 1 else [grass, concrete][rng.integers(2)]
    canvas.ground(verge, near, asphalt * rng.uniform(0.85, 1.1))
    canvas.ground(near, far, median)
    canvas.ground(far, kerb, asphalt)
    for y, stone in ((kerb, 0.35), (verge - 0.35, 0.35)):
        canvas.ground(y, y + stone, concrete)
    for y, colour in ((near - 0.3, yellow), (far + 0.15, yellow), (kerb - 0.5, white)):
        canvas.ground(y, y + 0.13, colour)
    dashed = [far + LANE * i for i in range(1, count)]
    dashed += [near - LANE] * (near > 5) + [verge + LANE] * (verge < -5)
    start = rng.uniform(0, 9)
    for y in dashed:
        for x in np.arange(start - 27, 60, 9):
            canvas.ground(y, y + 0.13, white, x, x + 3, pieces=2)
    if rng.random() < 0.3:  # an arrow
        x, y = rng.uniform(-2, 6), rng.choice([near, kerb]) - LANE / 2
        shaft, head = [(0, 0.1), (0, -0.1), (2, -0.1)], [(2, -0.5), (3.4, 0), (2, 0.5)]
        arrow = [*shaft, *head, (2, 0.1)]
        canvas.face([(x + a, y + b, 0) for a, b in arrow], white)
    if rng.random() < 0.15:  # a zebra crossing
        x = rng.uniform(-8, 10)
        for y in np.arange(far + 0.4, kerb - 0.6, 1):
            canvas.ground(y, y + 0.5, white, x, x + 3, pieces=2)

    lanes = [(far + LANE * (i + 0.5), np.pi) for i in range(count)]
    lanes += [(0.0, 0.0)] + [(LANE, 0.0)] * (near > 5) + [(-LANE, 0.0)] * (verge < -5)
    return lanes, (kerb, verge)


def _spot(rng, canvas, y):
    """A random visible point (x, y) on the line y, or None if it is too far or near."""
    u = rng.uniform(-0.55, 0.55) * canvas.width / canvas.focal
    ray = canvas.ahead + u * canvas.right
    if y == 0:  # the camera's own lane: any distance ahead
        return np.array([np.exp(rng.uniform(1.9, 4)), 0.0])
    distance = y / ray[1]  # also the depth, since ahead . ray = 1
    return distance * ray if 3 < distance < 110 else None


def _roadside(rng, canvas, kerbs):
    """Objects next to the road: a list of (depth, function that paints it)."""
    leaves = np.array([42, 62, 42]) + rng.uniform(-12, 14, 3)
    wood = rng.random() < 0.65
    _draw_skyline(rng, canvas, 0.75 * leaves, 60, rng.uniform(2, 14 if wood else 6))
    if wood:
        _draw_skyline(rng, canvas, 0.9 * leaves, 36, rng.uniform(7, 16))
    _draw_wires(rng, canvas)
    kinds = [
        (_draw_tree, rng.integers(6, 16) if wood else rng.integers(2, 9), (5, 22)),
        (_draw_bush, rng.integers(0, 8), (2, 9)),
        (_draw_house, 0 if wood else rng.integers(1, 5), (14, 40)),
        (_draw_fence, rng.integers(0, 2), (3, 10)),
        (_draw_pole, rng.integers(0, 4), (0.6, 5)),
        (_draw_sign, rng.integers(0, 3), (0.6, 2)),
        (_draw_bin, rng.integers(0, 3), (1, 5)),
    ]
    objects = []
    for draw, count, (nearest, farthest) in kinds:
        for _ in range(count):
            offset = rng.uniform(nearest, farthest)
            y = kerbs[0] + offset if rng.random() < 0.75 else kerbs[1] - offset
            if draw in (_draw_pole, _draw_sign) and rng.random() < 0.15:
                y = rng.uniform(5.5, 8)  # on the median, in front of the cars
            spot = _spot(rng, canvas, y)
            if spot is not None:
                paint = functools.partial(draw, rng, canvas, spot, leaves)
                objects.append((canvas.depth(spot), paint))
    return objects


def _draw_skyline(rng, canvas, leaves, depth, tall):
    """Paint a line of trees about `tall` metres high, `depth` metres away."""
    columns = np.linspace(0, 2 * canvas.width, 220)
    knots = np.linspace(0, columns[-1], rng.integers(10, 24))
    waves = np.interp(columns, knots, rng.uniform(0.5, 1, len(knots)))
    tops = (waves + rng.uniform(-0.06, 0.06, 220)) * tall * canvas.focal / depth
    floor = canvas.horizon + EYE * canvas.focal / depth
    for share in (1, 0.75, 0.5, 0.25):  # lower layers are darker
        edge = np.array([columns, 2 * (canvas.horizon - share * tops)]).T.ravel()
        edge[1::2] += rng.uniform(-1, 1, 220) * 0.05 * tops
        canvas.draw.polygon(
            [0, 2 * floor, *edge.tolist(), 2 * canvas.width, 2 * floor],
            fill=canvas.tint(leaves * (0.5 + 0.55 * share), depth),
        )


def _draw_wires(rng, canvas):
    """Paint wires across the sky."""
    for _ in range(rng.integers(0, 6)):
        left, right = rng.uniform(0.05, 0.9, 2) * canvas.horizon * 2
        canvas.draw.line(
            [0, left, canvas.width, (left + right) / 2 + 12, 2 * canvas.width, right],
            fill=canvas.tint((50, 50, 55), 20),
        )


def _draw_tree(rng, canvas, spot, leaves, tall=None):
    """Paint a tree (or bush) as random polygons of leaves, lit from above."""
    depth = canvas.depth(spot)
    ((column, row),) = 2 * canvas.project(np.array([[*spot, 0.0]]))
    tall = tall or rng.uniform(5, 14)
    metre = 2 * canvas.focal / depth
    canvas.upright(*spot, 0.012 * tall, 0, 0.6 * tall, (52, 44, 38))
    large, small = 7, 24  # dark polygons inside, then lighter ones outside
    count = large + small
    up = rng.beta(1.5, 1.2, count)  # height within the crown, 0 to 1
    breadth = tall * rng.uniform(0.16, 0.28) * (0.3 + np.sin(np.pi * up**0.8))
    side = rng.uniform(-1, 1, count) * breadth
    radii = (
        tall * rng.uniform(0.03, 0.075, (count, 1)) * rng.uniform(0.6, 1.4, (count, 9))
    )
    shades = 0.5 + 0.5 * up + rng.uniform(-0.2, 0.25, count)
    radii[:large], shades[:large] = 2.2 * radii[:large], 0.8 * shades[:large]
    angles = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    patches = np.empty((count, 9, 2))
    patches[..., 0] = column + metre * (side[:, None] + radii * np.cos(angles))
    height = tall * (0.16 + 0.78 * up[:, None])
    patches[..., 1] = row - metre * (height + radii * np.sin(angles))
    colours = canvas.tint(leaves * (shades * rng.uniform(0.75, 1.25))[:, None], depth)
    for patch, colour in zip(patches.reshape(count, 18).tolist(), colours, strict=True):
        canvas.draw.polygon(patch, fill=colour)


def _draw_bush(rng, canvas, spot, leaves):
    """Paint a bush: a tree of 1 to 2.6 metres."""
    _draw_tree(rng, canvas, spot, leaves, tall=rng.uniform(1, 2.6))


def _draw_house(rng, canvas, spot, _):
    """Paint a house front with windows, a door and a roof."""
    half, tall = rng.uniform(3, 8), rng.uniform(2.8, 6)
    walls = [(150, 90, 70), (190, 180, 160), (210, 208, 205), (120, 122, 128)]
    wall = np.array(walls[rng.integers(4)]) * rng.uniform(0.7, 1.1)
    canvas.upright(*spot, half, 0, tall, wall)
    side = canvas.right * half
    ridge = tall + rng.uniform(0.8, 2.5)
    eaves, top = 1.06 * side, rng.uniform(0.5, 1) * side
    canvas.face(
        [(*(spot - eaves), tall), (*(spot - top), ridge)]
        + [(*(spot + top), ridge), (*(spot + eaves), tall)],
        np.array([84, 76, 74]) * rng.uniform(0.7, 1.3),
    )
    glass = (48, 56, 66) if rng.random() < 0.8 else (235, 200, 120)
    for s in np.linspace(-0.75, 0.75, rng.integers(2, 6)):
        for z in np.arange(0.9, tall - 1, 2.6):
            canvas.upright(*(spot + s * side), 0.55, z, z + 1.2, glass)


def _draw_fence(rng, canvas, spot, _):
    """Paint a section of fence, wall or guard rail along the road."""
    x, y = spot
    tall, length = rng.uniform(0.5, 1.9), rng.uniform(8, 40)
    colour = np.array([[140, 112, 84], [150, 148, 142], [190, 190, 190]])
    points = [(x, y, 0), (x, y, tall), (x + length, y, tall), (x + length, y, 0)]
    canvas.face(points, colour[rng.integers(3)] * rng.uniform(0.6, 1))


def _draw_pole(rng, canvas, spot, _):
    """Paint a pole, alone or with an arm that carries traffic lights."""
    tall, colour = rng.uniform(5, 9), np.array([112, 104, 98]) * rng.uniform(0.6, 1.3)
    canvas.upright(*spot, rng.uniform(0.07, 0.16), 0, tall, colour)
    reach = rng.uniform(1.5, 7) * rng.choice([-1, 1]) * canvas.right
    if rng.random() < 0.5:
        return
    arm = [(*spot, tall), (*spot, tall - 0.15), (*(spot + reach), tall - 0.15)]
    canvas.face([*arm, (*(spot + reach), tall)], colour, 0)
    for share in (0.5, 0.95):
        case = spot + share * reach
        canvas.upright(*case, 0.2, tall - 1, tall, (190, 140, 40))
        canvas.upright(*case, 0.12, tall - 0.4, tall - 0.15, (220, 60, 40))


def _draw_sign(rng, canvas, spot, _):
    """Paint a road sign on its post."""
    colours = [(220, 200, 40), (225, 225, 225), (40, 80, 160), (40, 120, 80)]
    colour = colours[rng.integers(4)]
    z, half = rng.uniform(1.6, 2.4), rng.uniform(0.25, 0.5)
    canvas.upright(*spot, 0.04, 0, z, (130, 130, 130))
    canvas.upright(*spot, half, z, z + rng.uniform(0.5, 1), colour)


def _draw_bin(rng, canvas, spot, _):
    """Paint a bin, box or shelter: a dark object that is not a car."""
    half, tall = rng.uniform(0.3, 1.6), rng.uniform(0.7, 2.2)
    shade = rng.uniform(30, 110) + rng.uniform(-20, 20, 3)
    canvas.upright(*spot, half, 0, tall, shade)
    canvas.upright(*spot, 0.8 * half, 0.3 * tall, 0.85 * tall, 0.7 * shade)


class Car:
    """One car; points are in its own axes: forward, to the left, up, in metres."""

    def __init__(
        self,
        rng: np.random.Generator,
        canvas: Canvas,
        middle: np.ndarray,
        heading: float,
    ):
        self.canvas, self.middle = canvas, middle
        self.shape = SHAPES[rng.choice(5, p=[0.3, 0.2, 0.3, 0.1, 0.1])]
        self.size = np.array(self.shape["size"]) * rng.uniform(0.94, 1.06, 3)
        self.colour = PAINTS[rng.choice(14, p=PAINT_SHARES)] * rng.uniform(0.85, 1.1)
        self.glass = rng.uniform(20, 62) + np.array([-3, 0, 6])
        self.rims = rng.uniform(60, 180) * np.ones(3)
        self.on = rng.random() < 0.3
        forward = np.array([np.cos(heading), np.sin(heading)])
        self.axes = np.stack([forward, [-forward[1], forward[0]]])  # car to world
        self.eye = np.append(self.axes @ -middle, EYE)
        sun = rng.normal(size=3) + [0, 0, 1.5]
        self.sun = sun / np.linalg.norm(sun)
        self.tyre = rng.uniform(0.31, 0.37)
        length, width, _ = self.size
        self.reach = np.abs(self.axes.T) @ [length / 2, width / 2]  # along x and y
        self.number = 0  # in `canvas.owner`, from 1
        self.painted = np.empty((2, 0), int)  # its pixels before others hide it

    def world(self, points: Any) -> np.ndarray:
        """Points (n, 3) of the car in the axes of the road."""
        points = np.asarray(points, float)
        return np.hstack([points[:, :2] @ self.axes + self.middle, points[:, 2:]])

    def prism(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Left and right outline (n, 3) of the body or the cabin."""
        length, width, tall = self.size
        outline = np.array(self.shape[part])
        if part == "body":  # narrower at both ends
            half = np.where(np.abs(outline[:, 0]) > 0.465, 0.43, 0.5)
        else:
            half = np.where(outline[:, 1] > 0.8, 0.38, 0.47)
        left = np.stack(
            [outline[:, 0] * length, half * width, outline[:, 1] * tall], axis=1
        )
        return left, left * [1, -1, 1]

    def wheel(self, front: int, side: int, share: float = 1.0) -> np.ndarray:
        """A polygon (14, 3) around a wheel's centre, with `share` of its radius."""
        angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        length, width, _ = self.size
        return np.stack(
            [
                (0.31 if front else -0.3) * length + share * self.tyre * np.cos(angles),
                np.full(14, side * 0.5 * width),
                self.tyre * (1 + share * np.sin(angles)),
            ],
            axis=1,
        )

    def touches(self, other: "Car") -> bool:
        """Whether another car is so close that both would overlap."""
        apart = np.abs(self.middle - other.middle)
        return (apart < self.reach + other.reach + 0.3).all()

    def extent(self) -> np.ndarray:
        """The box (y1, x1, y2, x2) of the whole car in pixels, not clipped."""
        wheels = [self.wheel(front, side) for front in (0, 1) for side in (-1, 1)]
        hull = np.concatenate([*self.prism("body"), *self.prism("cabin"), *wheels])
        pixels = self.canvas.project(self.world(hull))[:, ::-1]
        return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])

    def face(
        self, points: Any, colour: Any, outline: bool = False, lit: bool = True
    ) -> None:
        """Paint a polygon of points of the car.

        Args:
            outline: whether the polygon is part of the car's outline.
            lit: False for a light source.
        """
        owner = self.number if outline else None
        self.canvas.face(self.world(points), colour, owner, lit)

    def shade(self, normal: np.ndarray) -> float:
        """Brightness of a surface with this normal in the car's axes, 0.6 to 1.1."""
        normal = normal / np.linalg.norm(normal)
        turned = np.append(normal[:2] @ self.axes, normal[2])
        facing_sun, facing_sky = float(turned @ self.sun), float(normal[2])
        return 0.6 + 0.35 * max(0, facing_sun) + 0.2 * max(0, facing_sky)

    def paint(self) -> None:
        """Paint shadow, wheels on the far side, body, cabin and details, in order."""
        length, width, tall = self.size
        side = np.sign(self.eye[1]) if abs(self.eye[1]) > width / 2 else 0
        floor = [(a * 0.53 * length, b * 0.56 * width, 0) for a, b in CORNERS]
        self.face(floor, (26, 27, 30))
        for front in (0, 1):
            for hidden in (-1, 1):
                self.face(self.wheel(front, hidden), (18, 18, 19), outline=True)
        belly = [(a * 0.42 * length, b * 0.4 * width, 0.25) for a, b in CORNERS]
        self.face(belly, (14, 14, 15))

        self.paint_prism("body", side)
        if side:
            self.paint_side(side)
        self.paint_prism("cabin", side)
        self.paint_glass(side)
        for end in (-1, 1):
            if end * self.eye[0] > length / 2:
                self.paint_end(end)
        self.painted = self.pixels()

    def paint_prism(self, part: str, side: int) -> None:
        """Paint the faces of a convex part that are directed towards the camera."""
        left, right = self.prism(part)
        for i in range(len(left) - (part == "cabin")):
            j = (i + 1) % len(left)
            along, _, up = left[j] - left[i]
            normal = np.array([-up, 0, along])
            if (self.eye - left[i]) @ normal > 0:
                colour = self.colour * self.shade(normal)
                self.face([left[i], left[j], right[j], right[i]], colour, outline=True)
        if side:
            colour = self.colour * self.shade(np.array([0, side, 0.25]))
            self.face(left if side > 0 else right, colour, outline=True)

    def paint_side(self, side: int) -> None:
        """Paint sill, doors, lamps and wheels on the visible side."""
        length, width, tall = self.size
        y = 0.5 * side * width
        base = self.colour * self.shade(np.array([0, side, 0]))

        def strip(x1, x2, z1, z2, colour, out=1.0):
            y1 = y * out
            x1, x2, z1, z2 = x1 * length, x2 * length, z1 * tall, z2 * tall
            self.face([(x1, y1, z1), (x1, y1, z2), (x2, y1, z2), (x2, y1, z1)], colour)

        strip(-0.46, 0.46, 0.15, 0.23, 0.45 * base)
        strip(-0.47, 0.47, 0.5, 0.535, 1.18 * base)
        for seam in (-0.13, 0.04, 0.2):
            strip(seam, seam + 0.006, 0.24, 0.6, 0.6 * base)
        rear, front = self.shape["lamps"]
        strip(-0.49, -0.45, rear - 0.03, rear + 0.06, (130, 20, 20), 0.9)
        strip(0.43, 0.48, front - 0.02, front + 0.05, (205, 208, 205), 0.9)
        for end in (0, 1):
            self.face(self.wheel(end, side, 1.18), (20, 20, 22))
            self.face(self.wheel(end, side), (26, 26, 28), outline=True)
            self.face(self.wheel(end, side, 0.66), self.rims)
            self.face(self.wheel(end, side, 0.22), 0.5 * self.rims)

    def paint_glass(self, side: int) -> None:
        """Paint windscreen, rear window and the windows on the visible side."""
        left, right = self.prism("cabin")
        for low, high in ((0, 1), (3, 2)):
            pane = np.array([left[low], left[high], right[high], right[low]])
            along, _, up = left[high] - left[low]
            normal = np.array([-up, 0, along]) * (1 if low == 0 else -1)
            if (self.eye - left[low]) @ normal > 0:
                middle = pane.mean(axis=0)
                sheen = 1 + 1.2 * max(0, normal[2]) / np.linalg.norm(normal)
                self.face(middle + 0.84 * (pane - middle), self.glass * sheen)
        if side:
            outline = left if side > 0 else right

            def at(along, up):
                low = outline[0] + along * (outline[3] - outline[0])
                high = outline[1] + along * (outline[2] - outline[1])
                return low + up * (high - low)

            for start, stop in self.shape["windows"]:
                top = [at(start, 0.86), at(stop, 0.86)]
                for sill, shine in ((0.1, 1), (0.6, 1.3)):  # the sky is reflected above
                    corners = [at(start, sill), *top, at(stop, sill)]
                    self.face(corners, shine * self.glass)

    def paint_end(self, end: int) -> None:
        """Paint lamps, plate and grille of the front (1) or the rear (-1)."""
        length, width, tall = self.size
        x = 0.497 * end * length
        lamp = self.shape["lamps"][end > 0]

        def plate(y1, y2, z1, z2, colour, lit=True):
            y1, y2, z1, z2 = y1 * width, y2 * width, z1 * tall, z2 * tall
            points = [(x, y1, z1), (x, y1, z2), (x, y2, z2), (x, y2, z1)]
            self.face(points, colour, lit=lit)

        if end > 0:
            glow = (255, 250, 225) if self.on else (205, 205, 205)
        else:
            glow = (225, 40, 35) if self.on else (140, 22, 22)
        for y in (-0.42, 0.28):
            plate(y, y + 0.14, lamp - 0.05, lamp + 0.04, glow, not self.on)
        if end > 0:
            plate(-0.24, 0.24, lamp - 0.06, lamp + 0.02, (24, 24, 26))
        plate(-0.4, 0.4, 0.17, 0.25, (34, 34, 36))
        plate(-0.13, 0.13, 0.28, 0.35, (215, 215, 205))

    def pixels(self) -> np.ndarray:
        """Rows and columns (2, n) of the pixels where the car is visible so far."""
        x, y = np.maximum(self.extent()[[1, 0]].astype(int) - 2, 0)
        window = self.canvas.owner.crop((x, y, self.canvas.width, self.canvas.height))
        return np.array(np.nonzero(np.asarray(window) == self.number)) + [[y], [x]]


def place_cars(
    rng: np.random.Generator, canvas: Canvas, lanes: list[tuple[float, float]]
) -> list[Car]:
    """Up to four cars in the lanes that do not overlap and have realistic sizes."""
    cars: list[Car] = []
    for _ in range(rng.choice(5, p=[0.12, 0.4, 0.24, 0.14, 0.1])):
        for _ in range(20):  # tries
            lane, heading = lanes[rng.integers(len(lanes))]
            middle = _spot(rng, canvas, lane)
            if middle is None:
                continue
            if rng.random() < 0.12:  # turning, or about to cross
                heading = rng.uniform(0, 2 * np.pi)
            elif canvas.across and rng.random() < 0.3:
                heading += np.pi
            car = Car(rng, canvas, middle, heading + rng.normal(0, 0.05))
            if _fits(canvas, car) and not any(map(car.touches, cars)):
                cars.append(car)
                car.number = len(cars)
                break
    return cars


def _fits(canvas, car):
    """Whether a car is neither too near nor too far nor outside the image."""
    if canvas.depth(car.middle) < 4.5:
        return False
    y1, x1, y2, x2 = car.extent()
    broad = 0.012 * canvas.width < x2 - x1 < 0.4 * canvas.width
    return broad and min(x2, canvas.width) - max(x1, 0) > 0.2 * (x2 - x1)


def visible_boxes(canvas: Canvas, cars: list[Car]) -> np.ndarray:
    """The boxes (k, 4) of the cars of which at least a fifth is visible."""
    boxes = []
    for car in cars:
        whole, painted = car.extent(), car.painted
        if painted.size == 0:
            continue
        # At the border of the image the pixels limit the box, inside it the corners.
        box = np.concatenate(
            [
                np.maximum(whole[:2], painted.min(axis=1)),
                np.minimum(whole[2:], painted.max(axis=1) + 1),
            ]
        )
        inside = np.prod(box[2:] - box[:2]) / np.prod(whole[2:] - whole[:2])
        if inside * car.pixels().shape[1] > painted.shape[1] / 5:
            boxes.append(box)
    return np.array(boxes, np.float32).reshape(-1, 4)


def _finished(rng, canvas):
    """The final image: half the resolution, blur, texture of leaves, sensor noise."""
    image = canvas.paper.reduce(2)
    if rng.random() < 0.7:
        image = image.filter(ImageFilter.BoxBlur(rng.uniform(0.2, 0.9)))
    picture = np.array(image, np.float32)
    height, width, _ = picture.shape
    fine = rng.standard_normal((height, width), np.float32)
    coarse = Image.fromarray(fine[: height // 4, : width // 4])
    coarse = np.asarray(coarse.resize((width, height), Image.Resampling.BILINEAR))
    # Leaves and grass are where green is the largest channel.
    red, green, blue = np.moveaxis(picture, 2, 0)
    rough = (green - np.maximum(red, blue)) / (green + 10)
    rough = np.clip(7 * rough, 0, 0.5, out=rough)
    rough[int(canvas.horizon) :] *= 0.3
    rough[np.asarray(canvas.owner) > 0] = 0
    picture *= (1 + rough * (0.5 * fine + 0.8 * coarse))[..., None]
    picture += (rng.uniform(0.2, 2.5) * fine[::-1])[..., None]
    return np.clip(picture, 0, 255, out=picture).astype(np.uint8)
