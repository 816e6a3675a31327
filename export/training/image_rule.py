"""The image rule of preprocessor_config.json: small pictures are enlarged, large ones shrunk, and what fits is padded by the edge."""

import numpy as np
from PIL import Image

PATCH = 8
MAX_PATCHES = 256
MAX_SIDE = 32               # patches
MAX_ENLARGEMENT = 1.5       # letters of 11 px are read better as letters of 16 px: fewer of them share a patch
MAX_AREA_PX = MAX_PATCHES * PATCH ** 2


def fitted_size(width, height):
    """Returns (width, height) in px after resizing, before padding: whole patches, or the size itself where a picture keeps its scale."""
    columns, rows = -(-width // PATCH), -(-height // PATCH)
    scale = min(MAX_SIDE * PATCH / width, MAX_SIDE * PATCH / height, (MAX_AREA_PX / (width * height)) ** 0.5)
    if columns <= MAX_SIDE and rows <= MAX_SIDE and columns * rows <= MAX_PATCHES:
        larger = [int(side * min(scale, MAX_ENLARGEMENT) // PATCH) * PATCH for side in (width, height)]
        return tuple(larger) if larger[0] >= width and larger[1] >= height else (width, height)
    return tuple(max(PATCH, int(side * scale // PATCH) * PATCH) for side in (width, height))


def fit_image(image):
    """uint8 [h, w, 3] -> uint8 of whole patches."""
    height, width = image.shape[:2]
    size = fitted_size(width, height)
    if size != (width, height):
        image = np.asarray(Image.fromarray(image).resize(size, Image.BILINEAR))
    height, width = image.shape[:2]
    return np.pad(image, ((0, -height % PATCH), (0, -width % PATCH), (0, 0)), mode="edge")


def to_patches(image):
    """uint8 [rows*8, columns*8, 3] -> uint8 [rows*columns, 192] in the order (row, column, channel), rows, columns."""
    rows, columns = image.shape[0] // PATCH, image.shape[1] // PATCH
    patches = image.reshape(rows, PATCH, columns, PATCH, 3).transpose(0, 2, 1, 3, 4)
    return patches.reshape(rows * columns, PATCH * PATCH * 3), rows, columns
