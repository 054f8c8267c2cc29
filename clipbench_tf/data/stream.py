"""Records of a reader as tf.data: one pass in order, or endless, shuffled, from any position on."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from clipbench_tf.data.epoch_order import BLOCK, EpochOrder, cut
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.reader import Reader

Told = Callable[[Exception], None]


def records(
    reader: Reader,
    *,
    start: int = 0,
    failed: Told = lambda error: None,
    stopped: Callable[[], bool] = lambda: False,
) -> tf.data.Dataset:
    """One pass over the serialised records of `reader`, in the order of its parts.

    Args:
        start: the record to begin with; those before it are not read.
        failed: see `shuffled_stream`.
        stopped: is asked before each block is read; once it is true, the pass ends after what has
            been read (see `iterated`).
    """
    counts = np.asarray(reader.counts, np.int64)
    firsts = np.clip(start - (np.cumsum(counts) - counts), 0, counts)
    blocks = cut(np.arange(len(counts)), firsts, counts - firsts, BLOCK)
    return _read(reader, tf.data.Dataset.from_tensor_slices(blocks), failed, stopped)


@contextlib.contextmanager
def iterated(batches: tf.data.Dataset, stop: threading.Event) -> Iterator[Iterator]:
    """Yields an iterator over `batches`, made of `records`; it may be given up by an exception.

    It may be read while other threads run operations: see `_to_the_end`.

    Until it is at its end then, nothing can free it: Python would wait for the readers, and these
    for Python. So `stop` is set, and what is left is read.

    Args:
        batches: to iterate over.
        stop: whose `is_set` is the `stopped` of `records`.
    """
    iterator = iter(batches)
    try:
        yield _to_the_end(iterator)
    except BaseException:
        stop.set()
        with contextlib.suppress(tf.errors.OpError):
            deque(_to_the_end(iterator), maxlen=0)
        raise


def _to_the_end(iterator: tf.data.Iterator) -> Iterator:
    """The elements that are left, without the error by which TensorFlow tells itself of the end.

    An operation that another thread runs on another device may fail with that error, "End of
    sequence", in TensorFlow 2.21: about once in 500 passes over six batches on two threads.
    """
    while (element := iterator.get_next_as_optional()).has_value():
        yield element.get_value()


@contextlib.contextmanager
def explained(name: str) -> Iterator[Told]:
    """Within, tf.data's error is replaced by that of the reader; yields what to pass as `failed`.

    Args:
        name: of the data set.

    Raises:
        DatasetError: in place of the error of an operation, if the reader has told one.
    """
    told: list[Exception] = []
    try:
        yield told.append
    except tf.errors.OpError as error:
        if not told:
            raise
        raise DatasetError(f"Data set {name} cannot be read: {told[0]}") from error


def shuffled_stream(
    reader: Reader,
    *,
    seed: int,
    start: int = 0,
    worker: int = 0,
    workers: int = 1,
    buffer: int = 16384,
    failed: Told = lambda error: None,
) -> tf.data.Dataset:
    """Endless stream of (position int64, serialised record), reshuffled each epoch.

    Position p is one of epoch p // examples; the order depends on `seed` and the epoch alone, so
    that a stream started at `start` equals the rest of one started at 0, and starts as soon
    (`epoch_order`). Each of several workers has its `share` of the records, with its own order and
    positions. Together they read every record once an epoch.

    Args:
        buffer: number of records in memory: half of them are shuffled together, a quarter is
            shuffled and waits, so that what reads this need not wait for the next half.
        failed: is told of the error of `reader` that ends the stream: tf.data passes on only its
            text, inside an error of its own.

    Raises:
        DatasetError: if the files do not hold what their description says, or too few records for
            this worker to have one.
    """
    window = max(1, buffer // 2)
    order = EpochOrder(tuple(reader.counts), seed, worker, workers, window)
    if not order.examples:
        raise DatasetError(f"{sum(reader.counts)} records are too few for {workers} workers.")
    first, behind = order.place(start)

    def plan(number: np.int64) -> tuple[np.ndarray, np.ndarray]:
        return order.blocks(int(number)), order.seeds(int(number))

    @tf.autograph.experimental.do_not_convert
    def window_of(number: tf.Tensor) -> tf.data.Dataset:
        blocks, seeds = tf.numpy_function(plan, [number], [tf.int64, tf.int64])
        blocks = tf.data.Dataset.from_tensor_slices(tf.ensure_shape(blocks, [None, 3]))
        return _shuffled(_read(reader, blocks, failed), order.window + BLOCK, seeds)

    stream = tf.data.Dataset.range(first, tf.int64.max).flat_map(window_of).skip(behind)
    positions = tf.data.Dataset.range(start, tf.int64.max)
    return tf.data.Dataset.zip(positions, stream.prefetch(max(1, buffer // 4)))


def _read(
    reader: Reader,
    blocks: tf.data.Dataset,
    failed: Told,
    stopped: Callable[[], bool] = lambda: False,
) -> tf.data.Dataset:
    """The records of `blocks`, rows (part, first, count), in order."""

    def read(block: np.ndarray) -> np.ndarray:
        part, first, count = block.tolist()
        if stopped():
            return np.zeros([0], object)
        try:
            return np.array(reader.read(part, first, count), object)
        except (DatasetError, OSError) as error:
            failed(error)
            raise

    @tf.autograph.experimental.do_not_convert
    def of(block: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(read, [block], tf.string), [None])

    return blocks.map(of, num_parallel_calls=8, deterministic=True).unbatch()


def _shuffled(strings: tf.data.Dataset, buffer: int, seeds: tf.Tensor) -> tf.data.Dataset:
    """`strings.shuffle` with two seeds given as a tensor, int64 [2].

    The method itself mixes in TensorFlow's global seed, and fails where that is 0.
    """
    shuffled = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(strings),
        buffer_size=buffer,
        seed=seeds[0],
        seed2=seeds[1],
        output_types=[tf.string],
        output_shapes=[[]],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(shuffled, strings.element_spec)
