"""The picture stage of data preparation."""

import itertools

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.samples.photographs import facts, jpegs
from clipbench_tf.data.preparation import pictures as stage

_DIFFERENT = 8


def resized(
    pictures: int, size: tuple[int, int], kind: tuple[float, float], shorter: int, quality: int
) -> Job:
    """A job that checks `pictures` pictures and resizes each to a `shorter` side."""
    photographs = jpegs(_DIFFERENT, size, kind)

    def one(encoded: bytes) -> bytes:
        kept = stage.prepare(encoded, size=shorter, quality=quality)
        if isinstance(kept, stage.Drop):
            raise ValueError(kept)
        return kept

    def run() -> None:
        for encoded in itertools.islice(itertools.cycle(photographs), pictures):
            one(encoded)

    return Job(run, lambda: facts([one(encoded) for encoded in photographs]))
