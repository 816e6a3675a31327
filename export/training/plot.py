"""Draws the loss and the held-out scores of a run over its samples, with Pillow only.

Usage: python3 plot.py --run runs/nano --output ../../onnx-models/nano/training.png
"""

import argparse
import json
import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 760, 340
LEFT, TOP, RIGHT, BOTTOM = 56, 34, 610, 296
COLOURS = ["#1f5fbf", "#c23b22", "#2e8b57", "#8a4fbf", "#c78a00", "#007c91", "#555555", "#b0307a", "#7fb2e5",
           "#f08a6c", "#8fcf6f", "#c9a6ea", "#7a4b12", "#4fc7c7", "#000000", "#f2a0cc", "#9a9a1f", "#2f2f8f", "#e0b000"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    records = read_log(args.run / "log.jsonl")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    draw_plot(records).quantize(64).save(args.output, optimize=True)


def read_log(path):
    """Returns the records in order; of steps that were taken twice, because a run went on from a checkpoint, the second ones."""
    records = []
    for line in reversed(path.read_text(encoding="utf-8").splitlines()):
        record = json.loads(line)
        if not records or record["samples"] <= records[-1]["samples"]:
            records.append(record)
    return records[::-1]


def draw_plot(records):
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype("DejaVuSans.ttf", 12)
    most = max(record["samples"] for record in records)

    def place(samples, value):
        return LEFT + (RIGHT - LEFT) * samples / most, BOTTOM - (BOTTOM - TOP) * value

    for tick in range(6):
        y = place(0, tick / 5)[1]
        draw.line([(LEFT, y), (RIGHT, y)], fill="#dddddd")
        draw.text((LEFT - 8, y), f"{tick / 5:.1f}", font=font, fill="black", anchor="rm")
    step = 10 ** math.floor(math.log10(most)) / (1 if most / 10 ** math.floor(math.log10(most)) >= 4 else 4)
    for tick in range(int(most / step) + 1):
        x = place(tick * step, 0)[0]
        draw.text((x, BOTTOM + 6), f"{tick * step / 1000:g}k", font=font, fill="black", anchor="ma")
    draw.text(((LEFT + RIGHT) / 2, HEIGHT - 6), "training samples", font=font, fill="black", anchor="mb")
    draw.text((LEFT, 8), "score on held-out fonts, colours and words; grey: loss per answer token / 4", font=font, fill="black")

    losses = [place(record["samples"], min(1.0, record["loss"] / 4)) for record in records if "scores" not in record]
    draw.line(losses, fill="#999999", width=2)
    scored = [record for record in records if "scores" in record]
    groups = sorted({group for record in scored for group in record["scores"]})
    row = min(18, (HEIGHT - TOP) / len(groups)) if groups else 18
    for i, (colour, group) in enumerate(zip(COLOURS * 4, groups)):
        points = [place(record["samples"], record["scores"][group]) for record in scored if group in record["scores"]]
        draw.line(points, fill=colour, width=2)
        for x, y in points:
            draw.ellipse([x - 2, y - 2, x + 2, y + 2], fill=colour)
        y = TOP + row * i
        draw.line([(RIGHT + 12, y + 7), (RIGHT + 32, y + 7)], fill=colour, width=3)
        draw.text((RIGHT + 38, y), group, font=font, fill="black")
    return image


if __name__ == "__main__":
    main()
