"""Groups pictures that look the same, so that none is both trained on and held out."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BLOCKS = 16
# Two pictures look the same if no block differs by more than this, of 255, in any channel.
TOLERANCE = 16.0


def thumbnail(picture: Image.Image) -> NDArray[np.float32]:
    """Mean colours of 16 x 16 blocks of an RGB picture, centred on a white square: [768]."""
    side = max(picture.size)
    square = Image.new("RGB", (side, side), "white")
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    blocks = square.resize((BLOCKS, BLOCKS), Image.Resampling.BOX)
    return np.asarray(blocks, np.float32).reshape(-1)


def group(thumbnails: NDArray[np.float32], tolerance: float = TOLERANCE) -> list[list[int]]:
    """Groups rows of [N, 768]: two that look the same share one, and so do their look-alikes.

    Returns:
        Every row once, in groups; rows and groups (by their first row) in rising order.
    """
    parent = list(range(len(thumbnails)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    square = (thumbnails**2).sum(1)
    width = thumbnails.shape[1]
    for row, blocks in enumerate(thumbnails):
        # No block differs by more than the tolerance, so the squared distance is bounded as well;
        # the rest is for the rounding of float32.
        distance = square[row] + square[row + 1 :] - 2 * thumbnails[row + 1 :] @ blocks
        near = np.nonzero(distance <= tolerance**2 * width + 1e-4 * square[row])[0] + row + 1
        for other in near[np.abs(thumbnails[near] - blocks).max(1) <= tolerance]:
            first, second = sorted((root(row), root(int(other))))
            parent[second] = first
    groups: dict[int, list[int]] = {}
    for row in range(len(thumbnails)):
        groups.setdefault(root(row), []).append(row)
    return list(groups.values())
