"""Draws a sheet of samples of one task as the model sees them, after the image rule, with their questions and answers.

Usage: python3 preview.py --task shapes --output sheet.png [--held-out] [--difficulty 1] [--speed]
"""

import argparse
import importlib
import random
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fonts import split_fonts
from image_rule import fit_image

CELL_PX, CAPTION_LINES = (272, 330), 12


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", required=True, help="a module of tasks/ with a function draw, such as shapes")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--difficulty", type=float, default=1.0)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--speed", action="store_true", help="print the milliseconds a sample and the image tokens instead")
    args = parser.parse_args()
    draw, rng, fonts = importlib.import_module(f"tasks.{args.task}").draw, random.Random(args.seed), split_fonts(args.held_out)
    if args.speed:
        draw(rng, fonts, args.difficulty, args.held_out)             # loads word lists and digits
        start = time.process_time()
        samples = [draw(rng, fonts, args.difficulty, args.held_out) for _ in range(args.count)]
        elapsed = time.process_time() - start
        sizes = [fit_image(image).shape for sample in samples for image in sample.images]
        tokens = np.mean([height * width / 64 for height, width, _ in sizes]) if sizes else 0
        print(f"{args.task:12} {1000 * elapsed / args.count:6.2f} ms a sample, {tokens:4.0f} image tokens")
        return
    samples = [draw(rng, fonts, args.difficulty, args.held_out) for _ in range(args.count)]
    columns = 5
    sheet = Image.new("RGB", (columns * CELL_PX[0], -(-len(samples) // columns) * CELL_PX[1]), (90, 90, 90))
    for i, sample in enumerate(samples):
        paint_cell(sheet, i % columns * CELL_PX[0], i // columns * CELL_PX[1], sample)
    sheet.save(args.output)


def paint_cell(sheet, left, top, sample):
    """One sample: its image at natural size after the image rule, up to 2x when small, and its turns below."""
    bottom = top + 4
    for image in sample.images:
        seen = Image.fromarray(fit_image(image))
        zoom = 2 if seen.width <= 132 and seen.height <= 110 else 1
        sheet.paste(seen.resize((seen.width * zoom, seen.height * zoom), Image.NEAREST), (left + 4, top + 4))
        bottom = top + 4 + seen.height * zoom
    lines = [line for question, answer in sample.turns for line in wrap(f"{question} -> {answer!r}", 43)]
    ImageDraw.Draw(sheet).multiline_text((left + 4, bottom + 2), "\n".join(lines[:CAPTION_LINES]).encode("latin-1", "replace").decode("latin-1"), fill=(255, 255, 255), spacing=1)


def wrap(text, width):
    return [text[i:i + width] for i in range(0, len(text), width)]


if __name__ == "__main__":
    main()
