"""The picture stage of data preparation."""

from clipbench_tf.benchmarks.harness.job import Job, of_each
from clipbench_tf.benchmarks.samples.photographs import DIFFERENT, facts, jpegs
from clipbench_tf.data.preparation import pictures as stage


def resized(
    pictures: int, size: tuple[int, int], kind: tuple[float, float], shorter: int, quality: int
) -> Job:
    """A job that checks `pictures` pictures and resizes each to a `shorter` side."""
    photographs = jpegs(DIFFERENT, size, kind)

    def one(encoded: bytes) -> bytes:
        kept = stage.prepare(encoded, size=shorter, quality=quality)
        if isinstance(kept, stage.Drop):
            raise ValueError(kept)
        return kept

    return of_each(one, photographs, pictures, facts)
