"""Writes golden cases of a Hugging Face folder: inputs, patches, logits and greedy tokens by reference.py (float64 on the bf16 weights).

Also compares the PyTorch model with the reference and fails when any logit differs by more than 1e-4.

Usage: python3 make_goldens.py --model ../../onnx-models/nano/hf --output ../../tests/data/nano-goldens
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from data import MEAN, STD, Encoder
from evaluate import to_tensors
from export_hf import load_model, write_json
from fonts import split_fonts
from reference import Reference
from samples import Sample

NEW_TOKENS = 8


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    model, tokenizer = load_model(args.model)
    encoder, reference = Encoder(tokenizer), Reference(args.model)
    # Sides: no multiples of the patch; one image that must shrink (too many columns).
    cases = {
        "text_only": Sample("golden", [("What is 7 + 5?", "")], system="Answer briefly."),
        "one_image": Sample("golden", [("What does the text say?", "")], [draw("Paris", 61, 27)]),
        "two_images": Sample("golden", [("Read the text.", "")], [draw("Total 42", 310, 23), draw("7", 9, 13)]),
    }
    for name, sample in cases.items():
        write_case(args.output / "cases" / name, sample, encoder, model, reference)


def draw(text, width, height):
    """Black on white, in a held-out font, filling the image."""
    image = Image.new("RGB", (width, height), (250, 248, 240))
    path = split_fonts(held_out=True)["Cabin"][0]
    size = min(height - 6, int(1.6 * width / len(text)))
    ImageDraw.Draw(image).text((width // 2, height // 2), text, font=ImageFont.truetype(path, size), fill=(20, 20, 40), anchor="mm")
    return np.asarray(image)


def write_case(folder, sample, encoder, model, reference):
    ids, _, images, _ = encoder.encode(sample, with_answer=False)
    grids = [(rows, columns) for _, rows, columns in images]
    pixels = np.concatenate([patches for patches, _, _ in images]) if images else np.zeros((0, 192), np.uint8)
    patches = (pixels.astype(np.float64) / 255 - MEAN) / STD
    logits = reference.logits(ids, patches, grids)
    tokens, rows = reference.generate(ids, patches, grids, NEW_TOKENS)

    batch = to_tensors(encoder.collate([(ids, [True] * len(ids), images, [])]))
    with torch.no_grad():
        ours = model(batch["ids"], batch["patches"], batch["patch_at"], batch["patch_rows"], batch["patch_columns"], torch.arange(len(ids)))
    difference = float(np.abs(ours.numpy() - logits).max())
    assert difference <= 1e-4, f"{folder.name}: PyTorch and the reference differ by {difference}"

    folder.mkdir(parents=True, exist_ok=True)
    for k, image in enumerate(sample.images):
        Image.fromarray(image).save(folder / f"image_{k}.png", optimize=True)
    np.save(folder / "input_ids.npy", np.array(ids, np.int64))
    np.save(folder / "patches.npy", patches.astype(np.float32))
    np.save(folder / "logits.npy", logits.astype(np.float32))
    np.save(folder / "tokens.npy", tokens)
    np.save(folder / "logits_gen.npy", rows.astype(np.float32))
    top = np.sort(rows, -1)
    write_json(folder / "case.json", {
        "family": "unified_decoder", "system": sample.system, "prompt": sample.turns[0][0], "seq_len": len(ids), "num_images": len(images),
        "image_sizes_wh": [[image.shape[1], image.shape[0]] for image in sample.images], "grid_rows_cols": [list(grid) for grid in grids],
        "greedy_tokens": tokens.tolist(), "greedy_text": encoder.tokenizer.decode(tokens.tolist()),
        "greedy_min_margin": float((top[:, -1] - top[:, -2]).min()), "torch_vs_reference_max_abs_diff": difference,
        "logits_absmax": float(np.abs(logits).max())})
    print(f"{folder.name}: {len(ids)} tokens, PyTorch differs by {difference:.1e}, answers {encoder.tokenizer.decode(tokens.tolist())!r}")


if __name__ == "__main__":
    main()
