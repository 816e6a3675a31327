"""Finds the usable Latin fonts of this machine and splits their families into training and held-out ones.

A font is usable when fontconfig says that it covers all of printable ASCII, when it is upright or italic text (no symbols, no
small capitals posing as lower case), and when its letters have a sensible size. The held-out families are named below, so that
nobody has to guess what the model has seen. Training also has the Fontsource families that install.sh unpacks into runs/fonts.
"""

import functools
import subprocess
from pathlib import Path

import numpy as np
from PIL import ImageFont

# Evaluation only: about 15 % of the families, chosen to span serif, sans, slab, mono and informal designs.
HELD_OUT_FAMILIES = {
    "B612", "B612 Mono", "Cabin", "Cantarell", "Clear Sans", "Clear Sans Light", "Clear Sans Medium", "Clear Sans Thin",
    "Courier Prime", "Courier Prime Code", "Courier Prime Sans", "EB Garamond", "Fantasque Sans Mono", "Gentium", "GentiumAlt",
    "Gillius ADF", "Gillius ADF No2", "Go", "Go Medium", "Go Mono", "Jura", "Karla", "Karmilla", "League Mono", "Manrope",
    "Noto Serif Display", "Old Standard TT", "Oxygen Mono", "Oxygen-Sans", "Quattrocento", "Quicksand", "Quicksand Light",
    "Quicksand Medium", "Rasa", "Roboto Slab", "STIX", "STIXGeneral", "Tuffy", "Vollkorn", "Yrsa",
}

# Noto's other-script families repeat Noto Sans for Latin; one copy is enough.
NOTO_FAMILIES = {"Noto Sans", "Noto Serif", "Noto Mono", "Noto Sans Mono", "Noto Sans Display", "Noto Serif Display"}

FONTSOURCE = Path(__file__).parent / "runs" / "fonts"               # FAMILY-latin-WEIGHT-STYLE.woff

# Symbols, blank letters and small capitals that the checks below miss.
EXCLUDED_FAMILIES = {"D050000L", "Irianis ADF Style Std", "Latin Modern Mono Caps", "STIX Math"}


@functools.lru_cache(maxsize=1)
def find_fonts():
    """Returns {family: [path of each usable style]}, sorted by name."""
    listing = subprocess.run(
        ["fc-list", "--format", "%{file}|%{index}|%{family[0]}|%{charset}\n"], capture_output=True, text=True, check=True).stdout
    families = {}
    for line in sorted(set(listing.splitlines())):
        path, index, family, charset = line.split("|")
        if index != "0" or not path.lower().endswith((".ttf", ".otf")) or family in EXCLUDED_FAMILIES:
            continue
        if family.startswith("Noto") and family not in NOTO_FAMILIES:
            continue
        if _covers_ascii(charset) and _looks_like_text(path):
            families.setdefault(family, []).append(path)
    for path in sorted(FONTSOURCE.glob("*.woff")):
        if _looks_like_text(str(path)):
            families.setdefault(path.name.split("-latin-")[0], []).append(str(path))
    return families


def split_fonts(held_out):
    """Returns {family: paths} of the held-out families, or of all others."""
    return {family: paths for family, paths in find_fonts().items() if (family in HELD_OUT_FAMILIES) == held_out}


def _covers_ascii(charset):
    """charset is fontconfig's list of hexadecimal code points and ranges, such as "20-7e a0-17f"."""
    points = set()
    for part in charset.split():
        first, _, last = part.partition("-")
        if int(first, 16) <= 0x7E:
            points.update(range(int(first, 16), int(last or first, 16) + 1))
    return points.issuperset(range(0x21, 0x7F))


def _looks_like_text(path):
    try:
        font = ImageFont.truetype(path, 40)
    except OSError:
        return False
    glyphs = {c: font.getmask(c) for c in "aAeEgGrRxX0l.ob"}
    heights = {c: (glyph.getbbox() or (0, 0, 0, 0))[3] - (glyph.getbbox() or (0, 0, 0, 0))[1] for c, glyph in glyphs.items()}
    if not (14 <= heights["x"] < heights["X"] <= 45):                   # small x-height of 40 px type, or all capitals
        return False
    small = [_shape(glyphs[c]) for c in "aegr"]
    large = [_shape(glyphs[c]) for c in "AEGR"]
    if sum(np.abs(s - l).mean() < 0.1 for s, l in zip(small, large)) >= 2:   # small capitals
        return False
    return np.abs(_shape(glyphs["o"]) - _shape(glyphs["b"])).mean() > 0.05   # distinct glyphs, no boxes


def _shape(mask):
    """A glyph's ink, cropped and sampled on a 16 x 16 grid of 0..1."""
    ink = np.array(mask, np.float32).reshape(mask.size[1], mask.size[0]) / 255
    left, top, right, bottom = mask.getbbox()
    ink = ink[top:bottom, left:right]
    rows = np.linspace(0, ink.shape[0] - 1, 16).round().astype(int)
    columns = np.linspace(0, ink.shape[1] - 1, 16).round().astype(int)
    return ink[rows][:, columns]
