"""Operations on raw captions, string [B], before they are tokens: EDA, in graph."""

import functools
import gzip
from importlib import resources
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from clipbench_tf.counter_random import below, fraction, random_words

SYNONYMS_FILE = "synonyms.txt.gz"
_SALT = 2  # and the next two; other files that draw from a caption's seed use other ones
_DELETION = 0.1  # share of words, section 4.1 by way of EDA's own default


class Synonyms(NamedTuple):
    """Words and their synonyms, as tensors."""

    index: tf.lookup.StaticHashTable  # word -> its number, or -1
    starts: tf.Tensor  # int32 [W + 1]: where the synonyms of each word begin
    words: tf.Tensor  # string [S]: the synonyms, word after word


def make_synonyms(table: dict[str, list[str]]) -> Synonyms:
    """Converts a table of lower-case words and their synonyms to tensors."""
    counts = [len(synonyms) for synonyms in table.values()]
    with tf.init_scope():
        numbers = tf.range(len(table), dtype=tf.int64)
        content = tf.lookup.KeyValueTensorInitializer(tf.constant(list(table), tf.string), numbers)
        return Synonyms(
            index=tf.lookup.StaticHashTable(content, -1),
            starts=tf.constant(np.cumsum([0, *counts]), tf.int32),
            words=tf.constant([word for row in table.values() for word in row], tf.string),
        )


@functools.cache
def wordnet_synonyms() -> Synonyms:
    """The table that ships with the package, of WordNet 3.1 (`scripts/build/synonyms.py`)."""
    packed = (resources.files(__package__) / SYNONYMS_FILE).read_bytes()
    lines = (line.split("\t") for line in gzip.decompress(packed).decode().splitlines())
    return make_synonyms({word: synonyms.split(",") for word, synonyms in lines})


def plain(captions: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    """Returns the captions as they are.

    Args:
        captions: string [B].
        seeds: int32 [B, 2], unused.
    """
    del seeds
    return captions


@tf.autograph.experimental.do_not_convert
def eda(captions: tf.Tensor, seeds: tf.Tensor, synonyms: Synonyms | None = None) -> tf.Tensor:
    """Easy data augmentation (Wei & Zou 2019; paper, section 4.1) of captions, string [B] -> [B].

    Each caption is split at whitespace and undergoes one of three operations with equal chance: a
    random word that has synonyms is replaced by one of them at all its occurrences; two random
    words swap places; or each word is deleted with probability 0.1, though never all. A caption
    without words is unchanged; one of a single word can only be replaced by a synonym.

    Args:
      captions: string [B].
      seeds: int32 [B, 2], one for each; the same seed gives the same result in any batch.
      synonyms: by default those of WordNet.
    """
    synonyms = wordnet_synonyms() if synonyms is None else synonyms
    indices, words, shape = tf.raw_ops.StringSplitV2(input=captions, sep="")
    rows, places = tf.unstack(tf.cast(indices, tf.int32), axis=1)
    batch = tf.cast(shape[0], tf.int32)
    lengths = tf.math.bincount(rows, minlength=batch, maxlength=batch)
    operation, first, second = random_words(seeds, 0, salt=_SALT)
    operation = tf.gather(below(operation, 3), rows)
    words = _replaced(words, rows, tf.where(operation == 0)[:, 0], seeds, synonyms)
    swapped = _swapped(rows, places, lengths, first, second)
    sources = tf.where(operation == 1, swapped, tf.range(tf.size(rows)))
    kept = _kept(rows, places, lengths, tf.gather(seeds, rows), first) | (operation != 2)
    kept = tf.where(kept)[:, 0]
    words, rows = tf.gather(words, tf.gather(sources, kept)), tf.gather(rows, kept)
    joined = tf.strings.unsorted_segment_join(words, rows, batch, separator=" ")
    return tf.where(lengths > 0, joined, captions)


def _replaced(
    words: tf.Tensor, rows: tf.Tensor, spots: tf.Tensor, seeds: tf.Tensor, synonyms: Synonyms
) -> tf.Tensor:
    """`words` [N] with a synonym for one word of each row that the indices `spots` [S] cover.

    Random numbers depend on the word, not on its position, so that each distinct word of a caption
    is equally likely, and all its occurrences are replaced alike.
    """
    numbers = synonyms.index.lookup(tf.strings.lower(tf.gather(words, spots)))
    known = tf.where(numbers >= 0)[:, 0]
    numbers = tf.cast(tf.gather(numbers, known), tf.int32)
    spots = tf.gather(spots, known)
    rows = tf.gather(rows, spots)
    priority, pick, _ = random_words(tf.gather(seeds, rows), numbers, salt=_SALT + 1)
    priority = tf.cast(priority, tf.int64)
    highest = tf.math.unsorted_segment_max(priority, rows, tf.shape(seeds)[0])
    chosen = tf.where(priority == tf.gather(highest, rows))[:, 0]
    numbers, pick = tf.gather(numbers, chosen), tf.gather(pick, chosen)
    start, end = tf.gather(synonyms.starts, numbers), tf.gather(synonyms.starts, numbers + 1)
    synonym = tf.gather(synonyms.words, start + below(pick, end - start))
    return tf.tensor_scatter_nd_update(words, tf.gather(spots, chosen)[:, tf.newaxis], synonym)


def _swapped(
    rows: tf.Tensor, places: tf.Tensor, lengths: tf.Tensor, first: tf.Tensor, second: tf.Tensor
) -> tf.Tensor:
    """The index that each of N words is taken from, int32 [N], if two of each row swap places."""
    one = below(first, lengths)
    other = (one + 1 + below(second, tf.maximum(lengths - 1, 0))) % tf.maximum(lengths, 1)
    one, other = tf.gather(one, rows), tf.gather(other, rows)
    sources = tf.where(places == one, other, tf.where(places == other, one, places))
    return tf.range(tf.size(places)) + sources - places


def _kept(
    rows: tf.Tensor, places: tf.Tensor, lengths: tf.Tensor, seeds: tf.Tensor, survivor: tf.Tensor
) -> tf.Tensor:
    """Which of N words are not deleted, bool [N]: one of each row's at least."""
    kept = fraction(random_words(seeds, places, salt=_SALT + 2)[0]) >= _DELETION
    left = tf.math.unsorted_segment_max(tf.cast(kept, tf.int32), rows, tf.size(lengths))
    last = (tf.gather(left, rows) != 1) & (places == tf.gather(below(survivor, lengths), rows))
    return kept | last
