"""Draws one line of text into a small RGB image: any font, size, position, colours; light noise, blur and rotation."""

import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

# Typical RGB of each colour name that a question may ask for; drawn colours vary around these.
COLOURS = {
    "black": (10, 10, 10), "white": (248, 248, 248), "grey": (128, 128, 128), "red": (215, 30, 30), "orange": (250, 140, 0),
    "yellow": (250, 225, 30), "green": (25, 150, 50), "blue": (30, 70, 220), "purple": (135, 40, 170), "pink": (250, 130, 190),
    "brown": (120, 70, 25),
}


class Style:
    """How a text is drawn; `difficulty` 0..1 widens every range (the curriculum of training)."""

    def __init__(self, rng, fonts, difficulty=1.0):
        families = sorted(fonts)[:: max(1, round(50 * (1 - difficulty) ** 4))]
        self.font_path = rng.choice(fonts[rng.choice(families)])
        low, high = round(20 - 7 * difficulty), round(24 + 6 * difficulty)
        self.size_px = rng.randint(low, high)
        if rng.random() < 0.12 * difficulty:
            self.size_px = rng.randint(30, 38)
        self.foreground_name, self.background_name, self.foreground, self.background = _draw_colours(rng, difficulty)
        self.margin_px = rng.choice([2, 6, 14, 30]) * min(1.0, 3 * difficulty)
        self.full_canvas = rng.random() < 0.06 * difficulty
        self.angle = rng.gauss(0, 1.6) if rng.random() < 0.35 * difficulty else 0.0
        self.blur = rng.uniform(0.3, 0.8) if rng.random() < 0.25 * difficulty else 0.0
        self.noise = rng.uniform(2, 14) if rng.random() < 0.4 * difficulty else 0.0
        self.gradient = rng.uniform(-25, 25) if rng.random() < 0.2 * difficulty else 0.0


def render_line(rng, text, style, max_width=160, max_height=48):
    """Returns (image uint8 [height, width, 3], letters), or None when the text does not fit into max_width x max_height at this size.

    letters: for each character (character, x of its right edge, y of the bottom edge of the line, 0) in pixels, rotation neglected in x.
    """
    font = _font(style.font_path, style.size_px)
    left, top, right, bottom = font.getbbox(text)
    tilt = abs(np.tan(np.radians(style.angle)))
    ink_width, ink_height = right - left + round(tilt * (bottom - top)), bottom - top + round(tilt * (right - left))
    if right <= left or ink_width > max_width - 2 or ink_height > max_height - 2:
        return None
    width = min(max_width, max(24, ink_width + 2 + round(rng.uniform(0, 2 * style.margin_px))))
    height = min(max_height, max(16, ink_height + 2 + round(rng.uniform(0, style.margin_px))))
    if style.full_canvas:
        width, height = max_width, max_height
    x = rng.uniform(1, width - ink_width - 1) - left + (ink_width - right + left) / 2
    y = rng.uniform(1, height - ink_height - 1) - top + (ink_height - bottom + top) / 2

    mask = Image.new("L", (width, height), 0)
    ImageDraw.Draw(mask).text((round(x), round(y)), text, font=font, fill=255)
    if style.angle:
        mask = mask.rotate(style.angle, resample=Image.BILINEAR)
    if style.blur:
        mask = mask.filter(ImageFilter.GaussianBlur(style.blur))
    bottom = (mask.getbbox() or (0, 0, 0, height))[3]
    letters = [(text[i], round(x) + font.getlength(text[:i + 1]), bottom, 0) for i in range(len(text))]
    return _paint(rng, np.asarray(mask, np.float32) / 255, style), letters


def _paint(rng, coverage, style):
    """Blends foreground and background by coverage [h, w], then adds shading and noise."""
    foreground, background = np.array(style.foreground, np.float32), np.array(style.background, np.float32)
    image = background + coverage[:, :, None] * (foreground - background)
    if style.gradient:
        image += (style.gradient * np.linspace(-1, 1, image.shape[1], dtype=np.float32))[None, :, None]
    if style.noise:
        noise = np.random.default_rng(rng.getrandbits(32))
        image += style.noise * noise.standard_normal(image.shape, dtype=np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)


def _draw_colours(rng, difficulty):
    """Returns two colour names and their RGB; names are None when the colours were drawn without a name."""
    kind = rng.random()
    if kind < 0.45 or difficulty < 0.15:
        names = ("black", "white") if rng.random() < 0.6 else ("white", "black")
        spread = 40 * difficulty
    elif kind < 0.8:
        names, spread = tuple(rng.sample(sorted(COLOURS), 2)), 12
    else:
        names, spread = (None, None), 0
    while True:
        colours = [tuple(rng.uniform(0, 255) for _ in range(3)) if name is None else
                   tuple(min(255, max(0, channel + rng.uniform(-spread, spread))) for channel in COLOURS[name]) for name in names]
        if abs(brightness(colours[0]) - brightness(colours[1])) > 60:
            return (*names, *colours)
        if names[0]:
            names = tuple(rng.sample(sorted(COLOURS), 2))


def brightness(colour):
    """Rec. 601 luma of an RGB triple, 0..255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


@functools.lru_cache(maxsize=4096)
def _font(path, size_px):
    return ImageFont.truetype(path, size_px)
