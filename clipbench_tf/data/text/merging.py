"""Byte-pair encoding in graph, for words that are not in the table of common words."""

import numpy as np
import tensorflow as tf

from clipbench_tf.data.text import bpe

_LONGEST_WORD = 4096  # bytes: the rest lies far beyond 75 pieces, and merging is quadratic


class Merging(tf.Module):
    """Maps words to their pieces: string [U] -> uint16 [U, K], as id + 1, 0 where there is none.

    K is the largest number of pieces of a word. The symbols of all words are in one vector, [S],
    each with the index of its word. In each round every word merges its first pair of the lowest
    rank, until no word has a pair left that is a merge.
    """

    def __init__(self, known: bpe.Bpe) -> None:
        """Args: known: the merges."""
        super().__init__(name="merging")
        with tf.init_scope():
            self._byte_ids = tf.constant(known.byte_ids)
            self._ranks = table(known.pairs, np.arange(len(known.pairs)), default=len(known.pairs))

    def __call__(self, words: tf.Tensor) -> tf.Tensor:
        """Words [U], none of them empty -> [U, K]."""
        words = tf.strings.substr(words, 0, _LONGEST_WORD)
        lengths = tf.strings.length(words)
        symbols = tf.RaggedTensor.from_tensor(
            tf.io.decode_raw(words, tf.uint8, fixed_length=tf.reduce_max(lengths)), lengths=lengths
        )
        owners = symbols.value_rowids()
        ids = tf.gather(self._byte_ids, tf.cast(symbols.flat_values, tf.int32))
        ids += 256 * tf.cast(owners != tf.concat([owners[1:], [-1]], 0), tf.int64)
        count = tf.size(words, tf.int64)
        none = self._ranks.default_value

        def merge_once(ids: tf.Tensor, owners: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, ...]:
            ranks = self._ranks.lookup(ids[:-1] * 65_536 + ids[1:])
            ranks = tf.where(owners[:-1] == owners[1:], ranks, none)
            best = tf.math.unsorted_segment_min(ranks, owners[:-1], count)
            merged = tf.concat(
                [(ranks < none) & (ranks == tf.gather(best, owners[:-1])), [False]], 0
            )
            # Of pairs that overlap ("aaa") the first is merged now, the others in later rounds.
            merged &= ~tf.concat([[False], merged[:-1]], 0)
            ids = tf.where(merged, 512 + tf.concat([ranks, [0]], 0), ids)
            kept = tf.where(~tf.concat([[False], merged[:-1]], 0))[:, 0]
            return tf.gather(ids, kept), tf.gather(owners, kept), tf.reduce_any(merged)

        ids, owners, _ = tf.while_loop(
            lambda ids, owners, going: going,
            merge_once,
            [ids, owners, tf.constant(True)],
            shape_invariants=[tf.TensorShape([None]), tf.TensorShape([None]), tf.TensorShape([])],
        )
        pieces = tf.RaggedTensor.from_value_rowids(ids + 1, owners, nrows=count, validate=False)
        return tf.cast(pieces.to_tensor(), tf.uint16)


def table(
    keys: list[bytes] | np.ndarray, values: np.ndarray, *, default: int
) -> tf.lookup.StaticHashTable:
    """A lookup table with int64 values."""
    content = tf.lookup.KeyValueTensorInitializer(tf.constant(keys), tf.constant(values, tf.int64))
    return tf.lookup.StaticHashTable(content, default)
