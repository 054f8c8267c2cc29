"""Renders drawings as 64 x 64 PNGs on white.

The bytes depend on the versions: resvg-py 0.5.0 and Pillow 13.0.0 give the shipped ones.
"""

import io
from pathlib import Path

import resvg_py
from PIL import Image

SIZE = 64
COLOURS = 48
# Vector drawings are rasterised larger and then scaled down, which keeps thin outlines.
RASTER_SIZE = 128


def render(path: Path) -> Image.Image:
    """Draws a PNG or SVG file as RGB [64, 64] on white."""
    if path.suffix == ".svg":
        raster = resvg_py.svg_to_bytes(
            svg_path=str(path), width=RASTER_SIZE, height=RASTER_SIZE, skip_system_fonts=True
        )
        drawing = Image.open(io.BytesIO(bytes(raster))).convert("RGBA")
    else:
        drawing = Image.open(path).convert("RGBA")
    picture = Image.new("RGBA", drawing.size, "white")
    picture.alpha_composite(drawing)
    picture = picture.convert("RGB")
    if picture.size != (SIZE, SIZE):
        picture = picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    return picture


def encode_png(picture: Image.Image) -> bytes:
    """Encodes an RGB picture as a PNG of at most COLOURS colours, the same bytes every time."""
    palette = picture.quantize(
        COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE
    )
    buffer = io.BytesIO()
    palette.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
