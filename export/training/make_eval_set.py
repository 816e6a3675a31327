"""Renders the held-out reading set tests/data/ocr: words, numbers and codes in fonts (and of words) that training never uses.

The drawing here is its own code, on purpose: a blunder of the training renderer must not repeat itself in its test.

Usage: python3 make_eval_set.py --output ../../tests/data/ocr
"""

import argparse
import json
import random
import shutil
import string
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

import text
from fonts import split_fonts

GROUPS = {"ocr-word": 200, "ocr-number": 140, "ocr-code": 60}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=20261)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the 400 cases to render")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    fonts = [path for paths in split_fonts(held_out=True).values() for path in rng.sample(paths, min(2, len(paths)))]
    shutil.rmtree(args.output / "images", ignore_errors=True)
    (args.output / "images").mkdir(parents=True)
    cases = []
    for group, count in GROUPS.items():
        for _ in range(round(count * args.scale)):
            name = f"images/{len(cases) + 1:04}.png"
            expected, image = draw_case(rng, group, fonts)
            image.save(args.output / name, optimize=True)
            cases.append({"id": f"ocr-{len(cases) + 1:04}", "images": [name], "prompt": "What does the text say?", "expected": expected,
                          "metric": "cer", "group": group})
    lines = "".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases)
    (args.output / "cases.jsonl").write_text(lines, encoding="utf-8")


def draw_case(rng, group, fonts):
    """Returns (text, RGB image) of at most 160 x 48 px with type of 14..28 px."""
    while True:
        expected = draw_string(rng, group)
        font = ImageFont.truetype(rng.choice(fonts), rng.randint(14, 28))
        left, top, right, bottom = font.getbbox(expected)
        width, height = right - left, bottom - top
        padding = [rng.randint(2, 14) for _ in range(4)]
        size = (max(24, width + padding[0] + padding[2]), max(16, height + padding[1] + padding[3]))
        if size[0] <= 160 and size[1] <= 48:
            break
    ink, paper = draw_colours(rng)
    # Drawn at twice the size, turned, then reduced: smoother edges than the training renderer's.
    big = Image.new("RGB", (2 * size[0], 2 * size[1]), paper)
    ImageDraw.Draw(big).text((2 * (padding[0] - left), 2 * (padding[1] - top)), expected, font=font.font_variant(size=2 * font.size), fill=ink)
    if rng.random() < 0.3:
        big = big.rotate(rng.uniform(-2, 2), resample=Image.BICUBIC, fillcolor=paper)
    image = big.resize(size, Image.LANCZOS)
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.BoxBlur(0.5))
    if rng.random() < 0.3:
        speckle = Image.effect_noise(size, rng.uniform(8, 24)).convert("RGB")
        image = Image.blend(image, speckle, 0.15)
    return expected, image


def draw_string(rng, group):
    if group == "ocr-word":
        word = rng.choice([word for word in text.words(held_out=True) if 2 <= len(word) <= 13])
        return rng.choice([word, word, word.upper(), word.capitalize()])
    if group == "ocr-number":
        n = rng.randint
        return rng.choice([str(n(0, 10 ** n(1, 8))), f"{n(0, 999)}.{n(0, 99):02}", f"${n(1, 999)}.{n(0, 99):02}", f"{n(0, 23):02}:{n(0, 59):02}",
                           f"{n(1, 28):02}.{n(1, 12):02}.{n(1950, 2049)}", f"{n(1000, 999999):,}", f"{n(1, 100)}%", f"{n(200, 999)}-{n(0, 9999):04}"])
    # Codes leave out what many fonts draw alike: 0 and O, 1, I and l.
    alphabet = [c for c in string.ascii_uppercase + string.digits if c not in "0O1I"]
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(3, 8)))


def draw_colours(rng):
    """Two RGB colours: mostly dark on light or light on dark, some coloured, always at least 90 grey levels apart."""
    def grey(low, high):
        return (rng.randint(low, high),) * 3
    kind = rng.random()
    while True:
        if kind < 0.5:
            ink, paper = grey(0, 70), grey(190, 255)
        elif kind < 0.75:
            ink, paper = grey(190, 255), grey(0, 70)
        else:
            ink, paper = (tuple(rng.randint(0, 255) for _ in range(3)) for _ in range(2))
        luma = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in (ink, paper)]
        if abs(luma[0] - luma[1]) >= 90:
            return ink, paper


if __name__ == "__main__":
    main()
