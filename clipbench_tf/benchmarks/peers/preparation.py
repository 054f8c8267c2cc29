"""Resizing in Python with Pillow: decode in full, resize by Lanczos' filter, encode."""

import io

from PIL import Image

from clipbench_tf.benchmarks.harness.job import Job, of_each
from clipbench_tf.benchmarks.samples.photographs import DIFFERENT, facts, jpegs


def resized(
    pictures: int, size: tuple[int, int], kind: tuple[float, float], shorter: int, quality: int
) -> Job:
    """A job that resizes each of `pictures` pictures to a `shorter` side."""
    photographs = jpegs(DIFFERENT, size, kind)

    def one(encoded: bytes) -> bytes:
        picture = Image.open(io.BytesIO(encoded)).convert("RGB")
        scale = shorter / min(picture.size)
        target = (round(picture.width * scale), round(picture.height * scale))
        stream = io.BytesIO()
        picture.resize(target, Image.Resampling.LANCZOS).save(stream, "JPEG", quality=quality)
        return stream.getvalue()

    return of_each(one, photographs, pictures, facts)
