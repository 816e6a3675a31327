"""A canvas for scenes: antialiased shapes, text whose letters are recorded, and at last shading, blur and noise.

Scenes are laid out in units that are pixels of a small image. A canvas may draw them larger, up to more than twice; the image rule
then fits the picture to the patches that the model takes, as it does with a user's larger or smaller picture.
"""

import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from image_rule import MAX_AREA_PX, PATCH, fitted_size

# RGB of the colours that questions name; training and evaluation use different ones and vary around them.
TRAINING_COLOURS = {
    "red": [(215, 30, 30), (255, 0, 0), (180, 20, 40), (230, 60, 60)],
    "orange": [(250, 140, 0), (255, 165, 0), (240, 120, 30), (255, 127, 14)],
    "yellow": [(250, 225, 30), (255, 255, 0), (240, 210, 60)],
    "green": [(25, 150, 50), (0, 128, 0), (0, 200, 0), (60, 180, 75), (0, 255, 0)],
    "blue": [(30, 70, 220), (0, 0, 255), (40, 90, 200), (70, 120, 230)],
    "purple": [(135, 40, 170), (128, 0, 128), (150, 60, 200), (160, 32, 240)],
}
HELD_OUT_COLOURS = {
    "red": [(200, 25, 55), (229, 57, 53), (220, 20, 60)],
    "orange": [(245, 130, 48), (251, 140, 0)],
    "yellow": [(253, 216, 53), (255, 235, 25)],
    "green": [(46, 125, 50), (67, 160, 71), (34, 139, 34)],
    "blue": [(30, 110, 229), (67, 99, 216), (65, 105, 225)],
    "purple": [(142, 36, 170), (145, 30, 180), (106, 27, 154)],
}
COLOUR_NAMES = sorted(TRAINING_COLOURS)
NUMBER_WORDS = [" zero", " one", " two", " three", " four", " five", " six", " seven", " eight", " nine", " ten"]     # names of marks


def draw_colour(rng, name, held_out):
    """Returns the RGB of a named colour, a little varied."""
    spread = 5 if held_out else 14
    return tuple(min(255, max(0, channel + rng.randint(-spread, spread))) for channel in rng.choice((HELD_OUT_COLOURS if held_out else TRAINING_COLOURS)[name]))


def draw_background(rng, difficulty, avoid=()):
    """Returns an RGB that differs from each of `avoid` by at least 75 in one channel: mostly near white, some dark, some tinted."""
    while True:
        kind = rng.random()
        if kind < 0.6 or difficulty < 0.2:
            colour = (rng.randint(228, 255),) * 3
        elif kind < 0.8:
            colour = tuple(rng.randint(0, 45) for _ in range(3))
        else:
            colour = tuple(rng.randint(170, 255) for _ in range(3))
        if all(max(abs(a - b) for a, b in zip(colour, other)) >= 75 for other in avoid):
            return colour


def draw_ink(rng, background):
    """Returns a grey or coloured RGB for lines and letters that is well apart from the background in brightness."""
    light = sum(background) > 380
    if rng.random() < 0.7:
        return (rng.randint(0, 60) if light else rng.randint(195, 255),) * 3
    return tuple(rng.randint(0, 120) if light else rng.randint(150, 255) for _ in range(3))


def draw_font(rng, fonts, difficulty):
    """Returns a font file; few families at first, all of them at difficulty 1."""
    return rng.choice(fonts[rng.choice(sorted(fonts)[:: max(1, round(50 * (1 - difficulty) ** 4))])])


class Canvas:
    """A picture of width x height units. letters: as in Sample, in pixels of the finished image."""

    def __init__(self, rng, width, height, background, difficulty=1.0, enlarge=True):
        self.rng, self.width, self.height, self.difficulty = rng, width, height, difficulty
        self.zoom = rng.uniform(1.0, 2.4) if enlarge and rng.random() < 0.3 * difficulty else 1.0
        if self.zoom > 1 and rng.random() < 0.5:                    # fill the patches that the image rule allows, no more
            self.zoom = max(1.0, min(self.zoom, 0.97 * (MAX_AREA_PX / (width * height)) ** 0.5))
        self.smooth = 2 if self.zoom < 1.6 and rng.random() < 0.7 else 1
        self.scale = self.zoom * self.smooth
        self.size = round(width * self.zoom), round(height * self.zoom)
        self.image = Image.new("RGB", (self.size[0] * self.smooth, self.size[1] * self.smooth), background)
        self.draw = ImageDraw.Draw(self.image)
        self.letters = []

    def mark(self, name, x, y, shift=0):
        """Records what has been seen once the place (x, y) is reached; the first token of `name` counts. shift: so many patches to the right of it."""
        self.letters.append((name, x * self.zoom, y * self.zoom, shift))

    def patch_of(self, x, y):
        """Returns (column, row) of the patch that shows (x, y)."""
        return tuple(int(at * self.zoom * fitted / side - 1) // PATCH for at, fitted, side in zip((x, y), fitted_size(*self.size), self.size))

    def circle(self, x, y, radius, fill=None, outline=None, width=1):
        s = self.scale
        self.draw.ellipse([(x - radius) * s, (y - radius) * s, (x + radius) * s, (y + radius) * s], fill=fill, outline=outline, width=self._line(width))

    def ellipse(self, box, outline, width=1):
        self.draw.ellipse([v * self.scale for v in box], outline=outline, width=self._line(width))

    def rectangle(self, box, fill=None, outline=None, width=1):
        self.draw.rectangle([v * self.scale for v in box], fill=fill, outline=outline, width=self._line(width))

    def polygon(self, points, fill=None, outline=None, width=1):
        points = [(x * self.scale, y * self.scale) for x, y in points]
        if fill:
            self.draw.polygon(points, fill=fill)
        if outline:
            self.draw.line([*points, points[0], points[1]], fill=outline, width=self._line(width), joint="curve")

    def line(self, points, fill, width=1):
        self.draw.line([(x * self.scale, y * self.scale) for x, y in points], fill=fill, width=self._line(width), joint="curve")

    def text(self, x, y, text, font_path, size, fill, anchor="ls", mark=True):
        """Draws text whose baseline is y; anchor "ls", "ms" or "rs" says whether x is its left end, middle or right end."""
        font = load_font(font_path, max(6, round(size * self.scale)))
        self.draw.text((x * self.scale, y * self.scale), text, font=font, fill=fill, anchor=anchor)
        if mark:
            start = x * self.scale - font.getlength(text) * {"l": 0, "m": 0.5, "r": 1}[anchor[0]]
            bottom = y * self.scale + font.getbbox(text, anchor="ls")[3]
            self.letters += [(letter, (start + font.getlength(text[:i + 1])) / self.smooth, bottom / self.smooth, 0)
                             for i, letter in enumerate(text) if letter != " "]

    def finish(self):
        """Returns the picture as uint8 [height, width, 3]."""
        rng, d = self.rng, self.difficulty
        image = self.image.reduce(self.smooth) if self.smooth > 1 else self.image
        if rng.random() < 0.12 * d:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.7) * self.zoom))
        pixels = np.asarray(image)
        shade, noise = rng.random() < 0.12 * d, rng.random() < 0.25 * d
        if not shade and not noise:
            return pixels
        pixels = pixels.astype(np.float32)
        if shade:
            pixels += (rng.uniform(-20, 20) * np.linspace(-1, 1, pixels.shape[1], dtype=np.float32))[None, :, None]
        if noise:
            start = rng.randrange(len(_noise()) - pixels.size)
            pixels += rng.uniform(2, 12) * _noise()[start:start + pixels.size].reshape(pixels.shape)
        return np.clip(pixels, 0, 255).astype(np.uint8)

    def _line(self, width):
        return max(1, round(width * self.scale))


def text_width(font_path, size, text):
    """Returns the advance width of text in units."""
    return load_font(font_path, size).getlength(text)


@functools.lru_cache(maxsize=8192)
def load_font(path, size_px):
    return ImageFont.truetype(path, size_px)


@functools.lru_cache(maxsize=1)
def _noise():
    """Normal noise; each picture takes a part of it, which is faster than new noise."""
    return np.random.default_rng(5).standard_normal(3_000_000, dtype=np.float32)
