"""Synthetic faces: any number of people, any number of images of each.

The permanent features of a person (shape of the head, skin, hair, eyebrows, eyes, nose,
lips, beard, glasses) depend only on the number `identity`; pose, gaze, expression,
clothes, light, background and position also depend on `seed`. A head is an ellipsoid,
in units of half its height. Features are on its surface: they rotate with it and are
shaded by its slope.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from dls_keras.core.errors import InputError

SCALE = 4  # faces are rendered at this scale, then reduced (antialiasing)
DEPTH = 0.8  # from the centre of a head to the front of its surface

SKINS = np.array(
    [
        (255, 219, 196), (247, 203, 172), (236, 186, 150), (222, 168, 128),
        (202, 144, 104), (172, 116, 80), (136, 88, 60), (102, 66, 46),
    ]
)  # fmt: skip
HAIRS = np.array(
    [
        (28, 24, 24), (48, 34, 28), (76, 50, 34), (112, 72, 42), (148, 100, 56),
        (204, 164, 98), (228, 200, 140), (160, 74, 36), (128, 124, 120),
        (208, 206, 202),
    ]
)  # fmt: skip
EYES = np.array(
    [(62, 40, 26), (96, 62, 34), (110, 96, 50), (84, 118, 78), (84, 120, 158)]
    + [(120, 146, 168)]
)
STYLES = ("bald", "crop", "parted", "fringe", "curls", "long", "bob", "bun", "receding")
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
GLASSES = ("none", "round", "square", "narrow")


def face(
    identity: int, *, size: int = 96, smile: float | None = None, seed: int = 0
) -> np.ndarray:
    """One synthetic image of the person `identity`.

    Args:
        identity: which person, an integer from 0.
        size: height and width in pixels, at least 16.
        smile: from -1 (a scowl) to 1 (a laugh); None samples it with `seed`.
        seed: which image of this person, an integer from 0.

    Returns:
        (size, size, 3) uint8 RGB.

    Raises:
        InputError: if an argument is outside its range.
    """
    for name, value in (("identity", identity), ("seed", seed)):
        if not isinstance(value, int | np.integer) or value < 0:
            raise InputError(
                f"`{name}` must be an integer of at least 0, received {value!r}."
            )
    if size < 16:
        raise InputError(
            f"`size` must be at least 16 pixels, received {size}. Generate a larger "
            "face and reduce it."
        )
    if smile is not None and not -1 <= smile <= 1:
        raise InputError(
            f"`smile` must be between -1 (a scowl) and 1 (a laugh), received {smile}."
        )
    return _Portrait(_Person(identity), size, smile, seed).paint()


class _Person:
    """The permanent features of one identity, sampled with its number as seed."""

    def __init__(self, identity):
        self.identity = identity
        rng = np.random.default_rng([identity, 1])
        tone = rng.integers(len(SKINS))
        self.skin = SKINS[tone] * rng.uniform(0.94, 1.04) + rng.uniform(-5, 5, 3)
        dark = tone > 4
        self.hair = HAIRS[rng.integers(2 if dark else len(HAIRS))]
        self.hair = self.hair * rng.uniform(0.85, 1.15)
        self.eye = EYES[rng.integers(2 if dark else len(EYES))]
        woman = rng.random() < 0.5
        chances = [0, 0, 1, 2, 2, 4, 3, 2, 0] if woman else [2, 4, 3, 1, 1, 1, 0, 0, 2]
        self.style = rng.choice(STYLES, p=np.array(chances) / sum(chances))
        chances = [1, 0, 0, 0, 0] if woman else [4, 2, 1, 1, 2]
        self.beard = rng.choice(BEARDS, p=np.array(chances) / sum(chances))
        self.glasses = rng.choice(GLASSES, p=[0.64, 0.12, 0.16, 0.08])
        self.frame = rng.choice([25, 60, 120]) + rng.uniform(0, 60, 3) * rng.integers(2)
        self.lips = 0.35 if woman else 0.16  # 0: the colour of the skin, 1: red

        def near(low, high):  # more often in the middle than at the limits
            return low + (high - low) * rng.beta(1.4, 1.4)

        self.width = near(0.66, 0.84)
        self.jaw = near(0.62, 0.95)  # its width, relative to that of the head
        self.chin = near(0.12, 0.26)
        self.brow_height, self.brow_thick = near(0.2, 0.3), near(0.025, 0.075)
        self.brow_arch = near(-0.02, 0.08)
        self.eye_apart, self.eye_wide = near(0.25, 0.38), near(0.1, 0.16)
        self.eye_tall, self.eye_tilt = near(0.4, 0.75), near(-0.03, 0.03)
        self.nose_long, self.nose_wide = near(0.3, 0.46), near(0.08, 0.2)
        self.mouth_wide, self.mouth_low = near(0.17, 0.32), near(0.52, 0.64)
        self.lip_upper, self.lip_lower = near(0.02, 0.07), near(0.04, 0.1)
        self.ear = near(0.12, 0.24)
        self.forehead = near(0.44, 0.66)  # height of the hairline
        self.volume = near(0.06, 0.2)  # of the hair
        self.side = rng.choice([-1, 1])  # of the parting
        self.curl = near(0.08, 0.2)
        self.lines = rng.random() < (0.85 if self.hair.min() > 110 else 0.15)  # of age
        self.freckles = tone < 3 and rng.random() < 0.2
        self.mole = rng.uniform(-0.5, 0.5, 2) if rng.random() < 0.2 else None
        self.lashes = woman


class _Portrait:
    """One image of a person: its pose, its canvas and the drawing functions."""

    def __init__(self, person, size, smile, seed):
        self.person, self.size = person, size
        self.rng = rng = np.random.default_rng([person.identity, seed, 2])
        sampled = rng.uniform(-1, 1)
        self.smile = sampled if smile is None else smile
        self.yaw, self.pitch = rng.normal(0, 0.2), rng.normal(0, 0.1)
        self.roll = rng.normal(0, 0.08)
        self.unit = size * SCALE * rng.uniform(0.3, 0.38)  # half a head, in pixels
        middle = np.array([0.5, 0.48]) + rng.uniform(-0.05, 0.05, 2)
        self.middle = middle * size * SCALE
        self.gaze = rng.normal(0, 0.25, 2)
        self.paper = Image.new("RGB", (size * SCALE, size * SCALE))
        self.lit = Image.new("L", self.paper.size)  # mask: where shading applies
        self.pen, self.lit_pen = ImageDraw.Draw(self.paper), ImageDraw.Draw(self.lit)

    def paint(self):
        """Render the parts from back to front; return the finished image."""
        self.background()
        self.back_hair()
        self.body()
        self.ears()
        self.head()
        self.nose()
        self.eyes()
        self.beard()
        self.mouth()
        self.hair()
        self.eyebrows()
        self.glasses()
        return self.shaded()

    # From the axes of the head (x to the right of the image, y down) to pixels.

    def flat(self, points):
        """Pixels of points (n, 2) of the outline, which yaw and pitch do not move."""
        points = np.asarray(points, float)
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        turned = points @ [[cos, sin], [-sin, cos]]
        return self.middle + self.unit * turned

    def on(self, points, out=0.0):
        """Pixels of points (n, 2) of the front surface, raised by `out`."""
        x, y = np.asarray(points, float).T
        squares = 1 - (x / (1.06 * self.person.width)) ** 2 - (y / 1.15) ** 2
        z = DEPTH * np.sqrt(np.maximum(squares, 0)) + out
        x, z = (
            x * np.cos(self.yaw) + z * np.sin(self.yaw),
            z * np.cos(self.yaw) - x * np.sin(self.yaw),
        )
        y = y * np.cos(self.pitch) + z * np.sin(self.pitch)
        return self.flat(np.stack([x, y], axis=1))

    def fill(self, pixels, colour):
        """Fill the polygon (n, 2), in pixels."""
        outline = np.ravel(pixels).tolist()
        self.pen.polygon(outline, fill=_rgb(colour))
        self.lit_pen.polygon(outline, fill=255)

    def dot(self, pixel, radius, colour, tall=1.0):
        """Fill a disc, `radius` in units of the head."""
        (x, y), r = pixel, radius * self.unit
        box = (x - r, y - r * tall, x + r, y + r * tall)
        self.pen.ellipse(box, fill=_rgb(colour))
        self.lit_pen.ellipse(box, fill=255)

    def stroke(self, pixels, thick, colour):
        """Draw a line with round ends, `thick` in units of the head."""
        width = max(1, round(thick * self.unit))
        self.pen.line(
            np.ravel(pixels).tolist(), fill=_rgb(colour), width=width, joint="curve"
        )
        for x, y in (pixels[0], pixels[-1]):
            r = width / 2
            self.pen.ellipse((x - r, y - r, x + r, y + r), fill=_rgb(colour))

    def soft(self, pixels, radius, colour, strength):
        """Tint a blurred disc around each pixel, `radius` in units of the head."""
        side = np.linspace(-1.8, 1.8, 24)
        disc = 1 / (1 + (side**2 + side[:, None] ** 2) ** 2) - 0.09
        disc = Image.fromarray((255 * strength * disc.clip(0)).astype("uint8"))
        half = max(1, int(1.8 * radius * self.unit))
        disc = disc.resize((2 * half, 2 * half), Image.Resampling.BILINEAR)
        for x, y in np.asarray(pixels, int):
            self.paper.paste(_rgb(colour), (x - half, y - half), disc)

    # The parts.

    def background(self):
        """A blurred background that resembles a wall, a room or trees."""
        rng, side = self.rng, self.paper.width
        base = rng.uniform(60, 235) + rng.uniform(-35, 35, 3)
        rows = np.linspace(rng.uniform(0.8, 1.1), rng.uniform(0.7, 1.1), 16)
        wall = np.clip(base * rows[:, None, None] * np.ones((1, 16, 1)), 0, 255)
        wall = Image.fromarray(wall.astype("uint8"))
        blobs = Image.new("RGB", (64, 64))
        blobs.paste(wall.resize((64, 64), Image.Resampling.BILINEAR))
        pen = ImageDraw.Draw(blobs)
        for _ in range(rng.choice([0, 3, 12])):
            (x, y), r = rng.uniform(0, 64, 2), rng.uniform(4, 14)
            tint = base * rng.uniform(0.5, 1.3) + rng.uniform(-30, 30, 3)
            if rng.random() < 0.5:
                pen.ellipse((x - r, y - r, x + r, y + r), fill=_rgb(tint))
            else:
                pen.rectangle((x - r, y - 2 * r, x + r, y + 2 * r), fill=_rgb(tint))
        blobs = blobs.filter(ImageFilter.GaussianBlur(rng.uniform(1, 4)))
        self.paper.paste(blobs.resize((side, side), Image.Resampling.BICUBIC))

    def body(self):
        """Neck, shoulders and clothes."""
        rng, person = self.rng, self.person
        cloth = rng.uniform(25, 225) + rng.uniform(-50, 50, 3)
        neck = 0.56 * person.width * (0.85 if person.lashes else 1.02)
        x, low = 0.35 * np.sin(self.yaw), 1.3
        broad = rng.uniform(1.5, 1.8) * (0.92 if person.lashes else 1.05)
        right = [(neck * 0.98, 1.22), (0.85 * broad, 1.5), (broad, 1.75), (broad, 3.6)]
        shoulders = _smooth([(-a, b) for a, b in right[::-1]] + right, closed=False)
        self.fill(self.flat(shoulders), cloth)
        skin = 0.8 * person.skin
        throat = [(x - neck, 0.5), (x + neck, 0.5), (neck, low), (0, low + 0.35)]
        self.fill(self.flat(_smooth([*throat, (-neck, low)])), skin)
        if rng.random() < 0.5:  # a collar
            for side in (-1, 1):
                flap = [(side * neck, 1.15), (0, 1.66), (side * 0.5, 1.8)]
                flap += [(side * 1.2 * neck, 1.4)]
                self.fill(self.flat(flap), 0.8 * cloth + 40)

    def ears(self):
        """Two ears; a turned face hides the farther one."""
        person = self.person
        for side in (-1, 1):
            x = side * 0.99 * person.width * np.cos(self.yaw) - 0.25 * np.sin(self.yaw)
            y = 0.1 * np.sin(self.pitch)
            rim = [(0, -0.16), (0.6, -0.2), (1, -0.08), (0.7, 0.1), (0.25, 0.24)]
            rim = [(x + side * a * person.ear, y + b) for a, b in rim]
            self.fill(self.flat(_smooth([*rim, (x, 0.2)])), 0.9 * person.skin)
            inner = self.flat([(x + side * 0.5 * person.ear, y - 0.02)])[0]
            self.dot(inner, 0.3 * person.ear, 0.75 * person.skin, 1.8)

    def outline(self, grow=0.0):
        """The right half of the outline of the head, from the crown to the chin."""
        person, w = self.person, self.person.width
        half = np.array(
            [
                (0.0, -1.0), (0.52 * w, -0.93), (0.88 * w, -0.65), (w, -0.2),
                (0.98 * w, 0.2), ((0.3 + 0.65 * person.jaw) * w, 0.53),
                ((0.1 + 0.58 * person.jaw) * w, 0.82), (person.chin, 0.965), (0.0, 1.0),
            ]
        )  # fmt: skip
        return half * (1 + grow)

    def head(self):
        """The face, its cheeks, wrinkles, freckles and mole."""
        person, rng = self.person, np.random.default_rng([self.person.identity, 3])
        right = self.outline()
        self.fill(
            self.flat(_smooth([*right, *(right[-2:0:-1] * [-1, 1])])), person.skin
        )
        glow = person.skin * [1.0, 0.8, 0.78] + [8, 0, 0]
        cheeks = [(-0.4 * person.width / 0.75, 0.3), (0.4 * person.width / 0.75, 0.3)]
        self.soft(self.on(cheeks), 0.2, glow, 0.35 + 0.2 * max(0, self.smile))
        sockets = [(side * person.eye_apart, -0.1) for side in (-1, 1)]
        self.soft(self.on(sockets), 0.17, 0.72 * person.skin, 0.5)
        if person.lines:
            for y in (-0.42, -0.52):
                line = [
                    (x, y + 0.02 * np.cos(6 * x)) for x in np.linspace(-0.3, 0.3, 9)
                ]
                self.stroke(self.on(line), 0.015, 0.84 * person.skin)
        if person.freckles:
            for x, y in rng.normal([0, 0.18], [0.28, 0.1], (30, 2)):
                self.dot(self.on([(x, y)])[0], 0.014, 0.76 * person.skin)
        if person.mole is not None:
            x, y = person.mole
            self.dot(self.on([(x, 0.35 + 0.6 * y)])[0], 0.028, 0.42 * person.skin)

    def nose(self):
        """The bridge of the nose, its tip, wings and nostrils."""
        person, w = self.person, self.person.nose_wide
        y = -0.05 + person.nose_long
        side = 1 if self.yaw < 0 else -1  # the shaded flank
        flank = [(side * 0.05, -0.12), (side * 0.06, 0.1), (side * 0.9 * w, y - 0.04)]
        flank += [(side * 0.2 * w, y + 0.02), (side * 0.01, 0.0)]
        self.fill(self.on(_smooth(flank), 0.12), 0.88 * person.skin)
        self.soft(self.on([(0, y + 0.05)], 0.1), 0.8 * w, 0.7 * person.skin, 0.7)
        self.dot(self.on([(0, y - 0.03)], 0.2)[0], 0.62 * w, person.skin, 0.85)
        for wing in (-1, 1):
            self.dot(self.on([(wing * 0.68 * w, y)], 0.13)[0], 0.4 * w, person.skin)
            arc = [(wing * w * a, y + b) for a, b in ((0.95, -0.07), (1.08, 0.0))]
            arc += [(wing * 0.9 * w, y + 0.05)]
            self.stroke(
                self.on(_smooth(arc, closed=False), 0.1), 0.018, 0.7 * person.skin
            )
            nostril = self.on([(wing * 0.42 * w, y + 0.045)], 0.16)[0]
            self.dot(nostril, 0.18 * w, 0.35 * person.skin, 0.6)
        self.soft(self.on([(0.02, y - 0.09)], 0.22), 0.3 * w, person.skin + 45, 0.5)

    def eyes(self):
        """Eyeballs, irises and eyelids; a smile narrows the eyes."""
        person, rng = self.person, self.rng
        wide = person.eye_wide
        narrow = 1 - 0.4 * max(0, self.smile) - 0.15 * max(0, -self.smile)
        tall = wide * person.eye_tall * narrow * rng.uniform(0.85, 1.1)
        look = np.clip(self.gaze, -0.5, 0.5) * [0.7 * wide, 0.4 * tall]
        turn = np.linspace(0, np.pi, 13)
        for side in (-1, 1):
            x0, y0 = side * person.eye_apart, -0.08
            x = x0 + wide * np.cos(turn)
            y = y0 - side * person.eye_tilt * np.cos(turn)
            upper = np.stack([x, y - tall * np.sin(turn) ** 0.8], axis=1)
            lower = np.stack([x, y + 0.7 * tall * np.sin(turn)], axis=1)
            almond = self.on(np.concatenate([upper, lower[::-1]]))
            # A mask limits the iris to the area between the eyelids.
            corner = almond.min(axis=0).astype(int) - 2
            ball = Image.new("RGB", tuple(np.ptp(almond, axis=0).astype(int) + 5))
            ball.paste((236, 232, 228), (0, 0, *ball.size))
            pen = ImageDraw.Draw(ball)
            cx, cy = self.on([np.array([x0, y0]) + look])[0] - corner
            radius = 0.62 * wide * person.eye_tall**0.3 * self.unit
            inks = ((1.0, 0.55 * person.eye), (0.84, person.eye), (0.42, [12, 10, 10]))
            for share, ink in inks:
                r = share * radius
                pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=_rgb(ink))
            r, cx, cy = 0.2 * radius, cx - 0.35 * radius, cy - 0.35 * radius
            pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=(250, 250, 250))
            mask = Image.new("L", ball.size)
            outline = np.ravel(almond - corner).tolist()
            ImageDraw.Draw(mask).polygon(outline, fill=255)
            self.paper.paste(ball, tuple(corner), mask)
            dark = 0.22 * person.skin
            self.stroke(self.on(upper), 0.036 if person.lashes else 0.024, dark)
            self.stroke(self.on(lower), 0.012, 0.62 * person.skin)
            self.stroke(self.on(upper[2:-2] - [0, 0.05]), 0.014, 0.72 * person.skin)
            if person.lashes:
                x, y = x0 + side * wide, y0 - person.eye_tilt
                flick = [(x, y), (x + side * 0.04, y - 0.04)]
                self.stroke(self.on(flick), 0.024, dark)

    def eyebrows(self):
        """Eyebrows, thicker towards the nose; a scowl lowers them there."""
        person = self.person
        colour = 0.8 * np.minimum(person.hair, 0.8 * person.skin)
        raised = self.rng.uniform(-0.01, 0.03) + 0.02 * abs(self.smile)
        t = np.linspace(-1, 1, 9)
        for side in (-1, 1):
            x = side * (person.eye_apart + 0.17 * t)
            scowl = 0.07 * max(0, -self.smile) * (1 - t) / 2
            y = -0.08 - person.brow_height + scowl - raised
            y = y - person.brow_arch * (1 - (t - 0.3) ** 2) + 0.02 * (t > 0.6)
            half = person.brow_thick / 2 * (1.15 - 0.65 * (t + 1) / 2)
            upper, lower = np.stack([x, y - half]), np.stack([x, y + half])
            self.fill(
                self.on(np.concatenate([upper, lower[:, ::-1]], axis=1).T), colour
            )

    def mouth(self):
        """Lips and teeth or an open mouth; a smile raises the corners."""
        person, rng, smile = self.person, self.rng, self.smile
        laugh = max(0, smile)
        half = person.mouth_wide * (1 + 0.4 * laugh - 0.1 * max(0, -smile))
        # Sampled for any smile, so that the random numbers that follow stay the same.
        talks = rng.random() < 0.2
        word, teeth_apart = rng.uniform(0.03, [0.13, 0.2])
        gap = max(word * talks, laugh * teeth_apart * (smile > 0.3))
        t = np.linspace(-1, 1, 21)
        bow = 1 - np.abs(t) ** 1.7
        x, lift = half * t, 0.13 * smile
        upper = person.mouth_low + 0.35 * lift - lift * t**2 - 0.3 * gap * bow
        lower = upper + gap * bow
        top = upper - person.lip_upper * bow * (1 - 0.25 * np.exp(-((t / 0.12) ** 2)))
        bottom = lower + person.lip_lower * (1 - 0.35 * laugh) * (1 - t**2)

        red = np.array([186, 72, 78]) * (person.skin.mean() / 200) ** 0.5
        lips = person.skin * 0.82 + person.lips * (red - person.skin * 0.82)
        out = 0.06

        def between(first, second):
            return self.on(
                np.concatenate(
                    [np.stack([x, first], 1), np.stack([x, second], 1)[::-1]]
                ),
                out,
            )

        self.soft(self.on([(0, bottom.max() + 0.06)], out), 0.1, 0.8 * person.skin, 0.5)
        self.fill(between(top, upper + 0.01), 0.9 * lips)
        self.fill(between(lower - 0.01, bottom), lips)
        if gap > 0.01:
            self.fill(between(upper, lower), (52, 18, 20))
            teeth = 0.9 if smile > 0.2 else 0.35
            self.fill(between(upper, upper + teeth * (lower - upper)), (244, 240, 230))
            if gap > 0.12:
                self.fill(between(lower - 0.35 * (lower - upper), lower), (176, 76, 80))
        else:
            self.stroke(self.on(np.stack([x, upper], 1), out), 0.02, 0.5 * lips)
        for side in (-1, 1):  # corners, and the folds of a smile
            corner = side * half, upper[0]
            self.dot(self.on([corner], out)[0], 0.018, 0.55 * lips)
            fold = max(laugh, 0.45 * person.lines)
            if fold > 0.25:
                wing = person.nose_wide + 0.04, person.nose_long - 0.06
                arc = [
                    wing,
                    (half + 0.06, person.mouth_low - 0.16),
                    (half + 0.08, upper[0]),
                ]
                arc = _smooth([(side * a, b) for a, b in arc], closed=False)
                colour = person.skin * (1 - 0.28 * fold)
                self.stroke(self.on(arc, 0.04), 0.02, colour)

    def beard(self):
        """Stubble, a moustache, a goatee or a full beard."""
        person, kind = self.person, self.person.beard
        if kind == "none":
            return
        half = person.mouth_wide + 0.1
        lip, low = person.mouth_low, 0.06 * max(0, self.smile)
        colour = 0.9 * person.hair
        if kind == "stubble":
            colour = 0.62 * person.skin + 0.2 * person.hair
        if kind in ("stubble", "full"):
            right = self.outline(0.015 if kind == "stubble" else 0.06)
            side = [(0.99 * person.width, 0.05), *right[5:]]
            outer = [*side, *[(-x, y) for x, y in side[-2::-1]]]
            inner = [(-0.9, 0.25), (-0.72, 0.48), (-0.4, 0.42), (0, 0.37)]
            inner = [(x * person.width, y + low / 2) for x, y in inner]
            inner += [(-x, y) for x, y in inner[-2::-1]]
            edge = np.concatenate(
                [
                    self.flat(_smooth(outer, closed=False)),
                    self.on(_smooth(inner, closed=False)),
                ]
            )
            self.fill(edge, colour)
            if kind == "full":
                self.soft(self.on([(0, 0.8)]), 0.2, person.hair * 1.25 + 8, 0.4)
        if kind in ("moustache", "goatee", "full"):
            y = lip - person.lip_upper - low
            tash = [(0, y - 0.11), (0.7 * half, y - 0.05), (half, y + 0.06)]
            tash += [(0.6 * half, y + 0.03), (0, y + 0.01)]
            tash += [(-a, b) for a, b in tash[-2:0:-1]]
            self.fill(self.on(_smooth(tash), 0.06), colour)
        if kind == "goatee":
            tuft = [(-0.16, lip + 0.16), (0.16, lip + 0.16), (0.15, 0.95), (0, 1.06)]
            self.fill(self.on(_smooth([*tuft, (-0.15, 0.95)]), 0.02), colour)

    def back_hair(self):
        """The hair at the back of the head: long hair, a bun or curls."""
        person, w = self.person, self.person.width
        grow = 1 + person.volume
        colour = 0.72 * person.hair
        if person.style in ("long", "bob"):
            low = 1.75 if person.style == "long" else 0.72
            right = [(0, -1.05), (0.8 * w, -0.95), (1.08 * w, -0.4), (1.12 * w, 0.3)]
            right += [(1.16 * w, 0.8 * low), (0.9 * w, low)]
            right = np.array(right) * [grow, 1]
            self.fill(self.flat(_smooth([*right, *(right[:0:-1] * [-1, 1])])), colour)
        elif person.style == "bun":
            self.dot(self.flat([(0.1 * person.side, -1.2)])[0], 0.34, colour)
        elif person.style == "curls":
            self.tufts(colour, low=0.35 if person.lashes else -0.1)

    def hair(self):
        """The hair above the forehead."""
        person, w, style = self.person, self.person.width, self.person.style
        if style == "bald":
            return
        line, s = -person.forehead, person.side
        grow = 0.04 if style == "receding" else person.volume
        crown = self.outline(grow)[:4] * [1.0, 1.02]
        crown[:, 1] -= 0.2 * grow
        low = {"long": 0.3, "bob": 0.25, "crop": -0.2, "receding": 0.0}.get(style, -0.1)
        ends = [(1.03 * w, low)]
        outer = [*[(-x, y) for x, y in ends], *(crown[:0:-1] * [-1, 1]), *crown, *ends]
        temple = 0.88 * w
        if style in ("parted", "long", "bun"):
            inner = [
                (s * temple, 0.0),
                (s * 0.78 * w, line + 0.1),
                (s * 0.3 * w, line - 0.2),
            ]
            inner += [(-s * 0.3 * w, line + 0.02), (-s * 0.76 * w, line + 0.26)]
            inner += [(-s * temple, 0.05)]
            inner = inner if s > 0 else inner[::-1]
        elif style in ("fringe", "bob"):
            y = -0.34
            inner = [(temple, 0.0), (0.8 * w, y + 0.1), (0.4 * w, y), (0, y - 0.03)]
            inner += [(-x, y) for x, y in inner[-2::-1]]
        elif style == "receding":
            inner = [(0.97 * w, -0.05), (0.84 * w, -0.3), (0.82 * w, -0.62)]
            inner += [(0.6 * w, -0.84), (0.2 * w, -0.86), (-0.2 * w, -0.86)]
            inner += [(-x, y) for x, y in inner[3::-1]]
        else:
            inner = [(0.94 * w, -0.12), (0.84 * w, line + 0.12), (0.6 * w, line - 0.03)]
            inner += [(0, line - 0.06)]
            inner += [(-x, y) for x, y in inner[-2::-1]]
        edge = [
            self.flat(_smooth(outer, closed=False)),
            self.on(_smooth(inner, closed=False)),
        ]
        self.fill(np.concatenate(edge), person.hair)
        if style == "curls":
            self.tufts(person.hair, low=-0.5)
        rng = np.random.default_rng([person.identity, 4])
        for _ in range(0 if style in ("curls", "receding") else 9):  # strands
            x = rng.uniform(-0.8, 0.8) * w
            strand = [(x * 0.7, -0.98), (x, -0.9), (1.05 * x, line - 0.35)]
            shade = person.hair * rng.uniform(0.78, 1.3) + rng.uniform(0, 8)
            self.stroke(self.flat(_smooth(strand, closed=False)), 0.02, shade)

    def tufts(self, colour, low):
        """Round tufts of hair along the head, from the crown down to `low`."""
        person, rng = self.person, np.random.default_rng([self.person.identity, 5])
        x = person.width + 0.3 * person.volume
        path = [(-x, low), (-1.04 * x, -0.4), (-0.75 * x, -0.85), (0, -1.03)]
        path = _smooth([*path, *[(-x, y) for x, y in path[-2::-1]]], closed=False)
        for x, y in path[:: 3 if low > 0 else 2]:
            spot = self.flat([(x, y) + rng.uniform(-0.04, 0.04, 2)])[0]
            radius = person.curl * rng.uniform(0.9, 1.3)
            self.dot(spot, radius, colour * rng.uniform(0.85, 1.15))

    def glasses(self):
        """Glasses: two rims, a bridge and the temples."""
        person, kind = self.person, self.person.glasses
        if kind == "none":
            return
        turn = np.linspace(0, 2 * np.pi, 29)
        power = 1.0 if kind == "round" else 0.45
        rx = min(0.24, 0.92 * person.eye_apart)
        ry = {"round": rx, "square": 0.17, "narrow": 0.11}[kind]
        for side in (-1, 1):
            cos, sin = np.cos(turn), np.sin(turn)
            x = side * person.eye_apart + rx * np.sign(cos) * np.abs(cos) ** power
            y = -0.06 + ry * np.sign(sin) * np.abs(sin) ** power
            self.stroke(self.on(np.stack([x, y], 1), 0.12), 0.032, person.frame)
            arm = [(side * (person.eye_apart + rx), -0.1), (side * person.width, -0.12)]
            self.stroke(self.on(arm, 0.06), 0.03, person.frame)
        inner = person.eye_apart - rx
        bridge = [(-inner, -0.1), (0, -0.13), (inner, -0.1)]
        self.stroke(self.on(_smooth(bridge, closed=False), 0.14), 0.03, person.frame)

    def shaded(self):
        """The image reduced, with directional light, exposure and noise."""
        rng, size = self.rng, self.size
        picture = np.asarray(self.paper.reduce(SCALE), "float32")
        lit = np.asarray(self.lit.reduce(SCALE), "float32")[..., None] / 255
        # Lambert's law: the normal of the ellipsoid times the direction of the light.
        rows, columns = np.mgrid[:size, :size].astype("float32") + 0.5
        x = (columns - self.middle[0] / SCALE) / (self.unit / SCALE) / 0.9
        y = (rows - self.middle[1] / SCALE) / (self.unit / SCALE) / 1.2
        steep = np.minimum(x**2 + y**2, 0.98)
        normal = np.stack([x, y, np.sqrt(1 - steep)], axis=-1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        light = np.array([rng.normal(0, 0.6), rng.normal(-0.4, 0.3), 1.0])
        light /= np.linalg.norm(light)
        ambient = rng.uniform(0.35, 0.75)
        shade = ambient + (1.12 - ambient) * np.maximum(normal @ light, 0)[..., None]
        picture *= 1 + lit * (shade - 1)
        warm = rng.uniform(-0.07, 0.07)
        picture *= rng.uniform(0.72, 1.12) * np.array([1 + warm, 1, 1 - warm])
        picture += rng.normal(0, rng.uniform(0.5, 4), picture.shape)
        return np.clip(picture, 0, 255).astype("uint8")


def _smooth(points, closed=True):
    """A Catmull-Rom spline through points (n, 2), six segments between two of them."""
    points = np.asarray(points, float)
    if closed:
        before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
        second = np.roll(points, -2, axis=0)
    else:
        padded = np.concatenate([points[:1], points, points[-1:]])
        before, points, after, second = (
            padded[i : len(padded) - 3 + i] for i in range(4)
        )
    t = np.arange(6)[:, None, None] / 6
    curve = points + 0.5 * t * (
        after
        - before
        + t * (2 * before - 5 * points + 4 * after - second)
        + t**2 * (3 * (points - after) + second - before)
    )
    curve = curve.swapaxes(0, 1).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, after[-1:]])


def _rgb(colour):
    """A colour as three integers in [0, 255]."""
    return tuple(int(c) for c in np.clip(colour, 0, 255))
