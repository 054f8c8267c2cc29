"""Pairs as training reads them: in batches, as bare records, and the first one after a start."""

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import tensorflow as tf

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.data import sources
from clipbench_tf.data.images.image_views import ImageViews, View
from clipbench_tf.data.pipeline import Pipeline
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.reader import Reader
from clipbench_tf.data.stream import shuffled_stream
from clipbench_tf.data.text import caption_ops
from clipbench_tf.data.text.tokenizer import Tokenizer

_SIZE, _RUN, _AHEAD = 224, 32, 4
_LIGHT = View(
    scale=(0.5, 1.0),
    jitter_probability=0.0,
    grayscale_probability=0.0,
    blur_probability=0.0,
    flip_probability=0.0,
)


def batches(source: str, count: int, batch: int, buffer: int) -> Job:
    """A job whose repetition is the next `count` batches as CLIP has them: a light view, and ids.

    The stream goes on from one repetition to the next, as an epoch's end would be waited for.
    """
    pipeline = Pipeline(
        dataset=source,
        tokenizer=Tokenizer(),
        image_views=ImageViews(size=_SIZE, views=(_LIGHT,)),
        caption_views=[caption_ops.plain],
        batch_size=batch,
        shuffle_buffer=buffer,
    )
    return Job(_advance(iter(pipeline.batches()), count), lambda: _digest(pipeline.split))


def records(source: str, count: int, batch: int, buffer: int) -> Job:
    """A job whose repetition is the next `count` batches of records as they are stored."""
    return Job(_advance(_records(source, batch, buffer), count), lambda: _digest(_train(source)))


def records_from(source: str, count: int, batch: int, buffer: int, start: int) -> Job:
    """As `records`, from position `start` on; its answer is the peak memory in bytes.

    It is that of the whole process, with the libraries.
    """
    run = _advance(_records(source, batch, buffer, start), count)

    def peak() -> list[float]:
        run()
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return [float(found[1]) * 1024 if found else 0.0]

    return Job(run, peak)


def first_record(source: str, start: int) -> Job:
    """A job that opens a data set and reads the record at position `start` of its stream."""

    def run() -> None:
        next(iter(shuffled_stream(_train(source), seed=0, start=start)))

    return Job(run)


def _train(source: str) -> Reader:
    return sources.load(source).split("train")


def _records(source: str, batch: int, buffer: int, start: int = 0) -> Iterator[tf.Tensor]:
    """In batches, as Python takes longer to step from record to record than these to be read."""
    stream = shuffled_stream(_train(source), seed=0, start=start, buffer=buffer)
    # A prefetch of its own, as tf.data would add one that grows to a gigabyte of batches.
    return iter(stream.batch(batch).prefetch(_AHEAD))


def _advance(stream: Iterator[tf.Tensor], count: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(count):
            next(stream)

    return run


def _digest(reader: Reader) -> str:
    """Of the pictures and captions of all records, in order."""
    digest = hashlib.sha256()
    for part, count in enumerate(reader.counts):
        for first in range(0, count, _RUN):
            for record in reader.read(part, first, min(_RUN, count - first)):
                pair = Pair.of(record)
                digest.update(pair.image + "\n".join(pair.captions).encode())
    return digest.hexdigest()
