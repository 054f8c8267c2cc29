"""Resizing in Python with Pillow: decode in full, resize by Lanczos' filter, encode."""

import io
import itertools

from PIL import Image

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.samples.photographs import facts, jpegs

_DIFFERENT = 8


def resized(
    pictures: int, size: tuple[int, int], kind: tuple[float, float], shorter: int, quality: int
) -> Job:
    """A job that resizes each of `pictures` pictures to a `shorter` side."""
    photographs = jpegs(_DIFFERENT, size, kind)

    def one(encoded: bytes) -> bytes:
        picture = Image.open(io.BytesIO(encoded)).convert("RGB")
        scale = shorter / min(picture.size)
        target = (round(picture.width * scale), round(picture.height * scale))
        stream = io.BytesIO()
        picture.resize(target, Image.Resampling.LANCZOS).save(stream, "JPEG", quality=quality)
        return stream.getvalue()

    def run() -> None:
        for encoded in itertools.islice(itertools.cycle(photographs), pictures):
            one(encoded)

    return Job(run, lambda: facts([one(encoded) for encoded in photographs]))
