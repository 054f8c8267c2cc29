"""Skips records that cannot be decoded, and counts and logs their keys."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from clipbench_tf.data.images.decoding import FORMATS
from clipbench_tf.data.readers.dataset import DatasetError

Element = dict[str, tf.Tensor]


class CorruptDataError(RuntimeError):
    """Too many records cannot be decoded; the message names the data and the remedy."""


class CorruptTally:
    """Counts the records of `source` that were skipped, and raises when they are too many.

    Args:
        source: name of the data in messages.
        max_fraction: largest fraction of the records read that may be corrupt.
        after: how many records are read before the fraction is checked.

    `keys[key]` is how often a record was skipped. `error` is what ended the data set, a
    CorruptDataError or a DatasetError, or None: tf.data passes on only its text, inside an error of
    its own.
    """

    def __init__(self, source: str, *, max_fraction: float = 0.01, after: int = 100) -> None:
        self.source, self.max_fraction, self.after = source, max_fraction, after
        self.keys: Counter[str] = Counter()
        self.error: CorruptDataError | DatasetError | None = None

    def unreadable(self, error: Exception) -> None:
        """Takes note that records cannot be read at all, which ends the data set."""
        if self.error is None:
            self.error = DatasetError(
                f"Reading {self.source} failed: {str(error).rstrip('.')}. Repair it, and start the "
                f"same command again; a run goes on from its last checkpoint."
            )

    def report(self, keys: np.ndarray, skipped: int, seen: int) -> None:
        """Counts the skipped byte strings `keys` [N]; this pass has skipped `skipped` of `seen`.

        Raises:
            CorruptDataError: if more than `max_fraction` of at least `after` were corrupt.
        """
        if self.error:  # tf.data reads ahead and can report again
            raise self.error
        for key in (key.decode("utf-8", "backslashreplace") for key in keys):
            if key not in self.keys:
                logging.warning(
                    "Skipped %s of %s: no caption with a picture as %s.", key, self.source, FORMATS
                )
            self.keys[key] += 1
        if seen >= self.after and skipped > self.max_fraction * seen:
            named = ", ".join(list(self.keys)[:10])
            self.error = CorruptDataError(
                f"{skipped} of the first {seen} records of {self.source} cannot be decoded "
                f"({named}, ...), more than max_fraction = {self.max_fraction:g}. Repair or "
                f"rebuild the data as {FORMATS}, or bind a larger fraction if so many may be "
                f"skipped."
            )
            raise self.error


def skip_corrupt(
    dataset: tf.data.Dataset,
    fn: Callable[[Element], Any],
    tally: CorruptTally,
    *,
    window: int = 32,
) -> tf.data.Dataset:
    """`dataset.map(fn)` in parallel and in order, without the elements for which `fn` fails.

    An inner data set that ignores errors maps `window` elements at a time, which share the cost of
    making it. The elements whose index is missing from its output are reported to `tally`.

    Args:
        dataset: of dicts with a string `key`; the shape of every tensor is known.
        fn: element -> tensors of known shapes. An error in any of its ops drops the element.
        tally: receives the key of every dropped element, and may end the data set with an error.
    """

    @tf.autograph.experimental.do_not_convert
    def attempt(number: tf.Tensor, elements: Element) -> tuple[tf.Tensor, tf.Tensor, Any]:
        count = tf.shape(elements["key"])[0]
        inner = tf.data.Dataset.from_tensor_slices((tf.range(count), elements))
        inner = inner.map(lambda index, element: (index, fn(element))).ignore_errors()
        # One element that never fails, so that a window without a sound one has a batch too.
        last = tf.nest.map_structure(lambda s: tf.zeros(s.shape, s.dtype), inner.element_spec)
        inner = inner.concatenate(tf.data.Dataset.from_tensors(last)).batch(window + 1)
        indices, results = tf.nest.map_structure(lambda t: t[:-1], inner.get_single_element())
        failed = tf.tensor_scatter_nd_update(
            tf.fill([count], True), indices[:, None], tf.fill([tf.size(indices)], False)
        )
        seen = number * window + tf.cast(count, tf.int64)
        return seen, tf.boolean_mask(elements["key"], failed), results

    @tf.autograph.experimental.do_not_convert
    def report(skipped: tf.Tensor, attempted: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, Any]:
        seen, failed, results = attempted
        skipped += tf.size(failed, tf.int64)

        def call() -> tf.Tensor:
            arguments = [failed, skipped, seen]
            with tf.control_dependencies([tf.numpy_function(_report, arguments, [])]):
                return tf.identity(seen)

        with tf.control_dependencies([tf.cond(tf.size(failed) > 0, call, lambda: seen)]):
            return skipped, tf.nest.map_structure(tf.identity, results)

    def _report(keys: np.ndarray, skipped: np.int64, seen: np.int64) -> None:
        tally.report(keys, int(skipped), int(seen))

    windows = dataset.batch(window).enumerate()
    attempts = windows.map(attempt, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    # Each iterator starts with 0 skipped, as it does with 0 seen.
    return attempts.scan(tf.constant(0, tf.int64), report).unbatch()
