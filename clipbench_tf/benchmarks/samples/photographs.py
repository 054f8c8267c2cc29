"""Seeded JPEGs of any size whose spectrum is that of photographs."""

import io

import numpy as np
from PIL import Image

DIFFERENT = 8  # pictures, used over and over, that both sides of a comparison read
_QUALITY = 90
_CONTRAST = 50.0  # standard deviation of the levels, of 255
TEXTURED, SMOOTH = (1.0, 8.0), (1.6, 1.0)  # exponent of the spectrum, levels of grain


def jpegs(
    count: int, size: tuple[int, int], kind: tuple[float, float], seed: int = 0
) -> list[bytes]:
    """`count` pictures of `size` (width, height).

    Amplitudes fall as a power of the frequency; 1 is that of natural scenes in focus. Three
    quarters of the light are common to the channels.

    Args:
        count: number of pictures.
        size: width and height in pixels.
        kind: TEXTURED, or SMOOTH as a sky or a portrait is.
        seed: of the noise.
    """
    random = np.random.default_rng(seed)
    exponent, grain = kind
    width, height = size
    down, across = np.fft.fftfreq(height, 1 / height), np.fft.rfftfreq(width, 1 / width)
    fall = np.maximum(np.hypot(down[:, None], across), 1.0) ** -exponent

    def layer() -> np.ndarray:
        noise = np.fft.rfft2(random.normal(size=(height, width))) * fall
        noise[0, 0] = 0.0
        levels = np.fft.irfft2(noise, (height, width))
        return _CONTRAST * levels / levels.std()

    def jpeg() -> bytes:
        light = layer()
        pixels = np.stack([128 + 0.94 * light + 0.34 * layer() for _ in range(3)], -1)
        pixels += random.normal(0.0, grain, pixels.shape)
        stream = io.BytesIO()
        levels = np.clip(pixels, 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(stream, "JPEG", quality=_QUALITY)
        return stream.getvalue()

    return [jpeg() for _ in range(count)]


def facts(encoded: list[bytes]) -> list[float]:
    """Width, height and mean level of each picture, for a comparison of two sides."""
    numbers: list[float] = []
    for one in encoded:
        with Image.open(io.BytesIO(one)) as picture:
            numbers += [*picture.size, float(np.asarray(picture).mean())]
    return numbers
