"""Renders drawings on white, without the empty page around them.

The pixels depend on the versions: resvg-py 0.5.0 and Pillow 13.0.0 give those that were measured.
"""

import io
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

# A drawing that is smaller than its page is rasterised again, larger, up to this size.
LARGEST_RASTER = 2048
# It is, where it fills less than this part of it.
_FULL = 0.9
# Only what is this opaque counts as drawn, of 255; shadows fade out over many pixels.
_VISIBLE = 8
# A picture whose darkest value is this, of 255, shows nothing.
_BLANK = 250


def render(svg: Path, *, size: int, fonts: Path) -> Image.Image | None:
    """Draws the file `svg` as RGB, its longer side `size`; None where nothing would be seen.

    `fonts` is a folder with DejaVu, in which all lettering is set.

    Raises:
        ValueError: for a file that resvg cannot draw.
    """
    raster = _rasterise(svg, size, fonts)
    box = _drawn(raster)
    if box is None:
        return None
    longest = max(box[2] - box[0], box[3] - box[1])
    if longest < _FULL * size:
        # The pixels at both ends may be drawn in part, so that the longer side is over-estimated.
        enough = size * size // max(longest - 2, 1) + 1
        raster = _rasterise(svg, min(enough, LARGEST_RASTER), fonts)
        box = _drawn(raster)
    drawing = raster.crop(box)
    picture = Image.new("RGBA", drawing.size, "white")
    picture.alpha_composite(drawing)
    picture = picture.convert("RGB")
    if np.asarray(picture).min() >= _BLANK:
        return None
    scale = size / max(picture.size)
    sides = [max(1, round(side * scale)) for side in picture.size]
    return picture.resize((sides[0], sides[1]), Image.Resampling.LANCZOS)


def _rasterise(svg: Path, size: int, fonts: Path) -> Image.Image:
    """RGBA of the whole page, as large as fits into `size` x `size`."""
    # Both sides, always: with one of them the other may take more memory than there is.
    data = resvg_py.svg_to_bytes(
        svg_path=str(svg),
        width=size,
        height=size,
        dpi=96,
        skip_system_fonts=True,
        font_dirs=[str(fonts)],
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
        serif_family="DejaVu Serif",
        monospace_family="DejaVu Sans Mono",
        cursive_family="DejaVu Serif",
        fantasy_family="DejaVu Sans",
    )
    return Image.open(io.BytesIO(bytes(data))).convert("RGBA")


def _drawn(raster: Image.Image) -> tuple[int, int, int, int] | None:
    """The box (left, top, right, bottom) around what is drawn, or None."""
    rows, columns = np.nonzero(np.asarray(raster)[:, :, 3] >= _VISIBLE)
    if not rows.size:
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
