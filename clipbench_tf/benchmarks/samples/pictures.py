"""Seeded JPEGs that take about as long to decode as photographs."""

import io

import numpy as np
from PIL import Image, ImageDraw

from clipbench_tf.benchmarks.samples import photographs

_DIFFERENT = 64  # pictures, used over and over
_LARGE = (1600, 1200)
_QUALITY = 90
_GRAIN = 8.0  # standard deviation of the finest noise, of 255


def different(large: bool) -> list[bytes]:
    """The pictures that both sides of a comparison read."""
    if large:
        return photographs.jpegs(photographs.DIFFERENT, _LARGE, photographs.TEXTURED)
    return jpegs(_DIFFERENT)


def jpegs(count: int, seed: int = 0) -> list[bytes]:
    """`count` pictures of about 500 x 375 pixels, landscape or portrait."""
    random = np.random.default_rng(seed)
    return [_jpeg(random) for _ in range(count)]


def _jpeg(random: np.random.Generator) -> bytes:
    long, short = int(random.integers(480, 521)), int(random.integers(333, 391))
    size = (long, short) if random.random() < 0.75 else (short, long)
    picture = Image.fromarray(_noise(random, size))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(3, 12))):
        x, y = (int(random.integers(0, side)) for side in size)
        width, height = (int(random.integers(10, side // 2)) for side in size)
        color = tuple(int(c) for c in random.integers(0, 256, 3))
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape([x, y, x + width, y + height], fill=color, outline=(0, 0, 0))
    grain = random.normal(0.0, _GRAIN, (size[1], size[0], 3))
    pixels = np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def _noise(random: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """uint8 [H, W, 3]: noise of all scales, coarse strongest, as natural pictures have it."""
    total = np.zeros((size[1], size[0], 3), np.float32)
    for cells in (2, 4, 8, 16, 32, 64, 128):
        coarse = random.integers(0, 256, (cells, cells, 3)).astype(np.uint8)
        fine = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        total += (np.asarray(fine, np.float32) - 128.0) / cells**0.8
    return np.clip(128.0 + total, 0, 255).astype(np.uint8)
