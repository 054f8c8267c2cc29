"""Reads a split once and counts its captions."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from clipbench_tf.data import sources
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.statistics.caption_statistics import CaptionStatistics

_TOGETHER = 1024  # records that TensorFlow hands over at once; singly it takes five times as long


class Measured(NamedTuple):
    """What was counted: the captions of all pairs, and the records that are none, by problem."""

    statistics: CaptionStatistics
    problems: Counter[str]


def measure(
    dataset: sources.Dataset, split: str, *, progress: Callable[[int], None] = lambda done: None
) -> Measured:
    """Counts the captions of all pairs of a split. Pictures are read, but not decoded.

    Args:
        dataset: as `sources.load` returns it.
        split: its name.
        progress: called with the number of records read, after every 1024 and at the end.

    Raises:
        DatasetError: if there is no such split, or a file cannot be read.
    """
    statistics, problems, done = CaptionStatistics(), Counter[str](), 0
    records = sources.records(dataset.split(split)).batch(_TOGETHER)
    try:
        for batch in records.as_numpy_iterator():
            for record in batch:
                pair = Pair.of(record)
                if pair.problem:
                    problems[pair.problem] += 1
                else:
                    statistics.add(*pair.captions)
            done += len(batch)
            progress(done)
    except tf.errors.OpError as error:
        raise sources.DatasetError(
            f"Data set {dataset.name}, split {split}, cannot be read on after {done} records; copy "
            f"its files there again. {error.message}"
        ) from error
    return Measured(statistics, problems)
