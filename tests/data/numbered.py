"""Shards whose records are their own numbers, and the numbers that a stream of them gives."""

from pathlib import Path

import tensorflow as tf

from clipbench_tf.data.readers.reader import Reader
from clipbench_tf.data.readers.tfrecords import TFRecordReader
from clipbench_tf.data.stream import shuffled_stream


def shards(folder: Path, *counts: int) -> TFRecordReader:
    """Files of `counts` records."""
    files, number = [], 0
    for index, count in enumerate(counts):
        files.append(str(folder / f"{index}.tfrecord"))
        with tf.io.TFRecordWriter(files[-1]) as writer:
            for _ in range(count):
                writer.write(str(number))
                number += 1
    return TFRecordReader(files, number)


def stream(reader: Reader, count: int, **arguments) -> list[tuple[int, int]]:
    """The first `count` (position, record)."""
    data = shuffled_stream(reader, **{"seed": 0, **arguments}).take(count)
    return [(int(position), int(record)) for position, record in data.as_numpy_iterator()]


def numbers(pairs: list[tuple[int, int]]) -> list[int]:
    return [record for _, record in pairs]
