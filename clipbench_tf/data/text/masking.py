"""Masked language modelling: which tokens are hidden, and the labels to predict there."""

import tensorflow as tf

from clipbench_tf.counter_random import below, fraction, random_words
from clipbench_tf.data.text.vocabulary import CLIP, IGNORED_LABEL, Vocabulary

_SALT = 1  # differs in each file that draws from a caption's seed


@tf.autograph.experimental.do_not_convert
def mask_tokens(
    ids: tf.Tensor, seeds: tf.Tensor, probability: float = 0.15, vocabulary: Vocabulary = CLIP
) -> tuple[tf.Tensor, tf.Tensor]:
    """Selects tokens to predict and hides them (paper, section 3.1: text self-supervision).

    Each token of a caption is selected with `probability`. 80% of the selected become the mask
    token, 10% a random piece of the vocabulary, 10% stay. Start and end tokens and what follows the
    end are never selected.

    Deviates: the released code draws the random id from all 49,409, specials included; here it is
    one of the ordinary pieces.

    Args:
      ids: int32 [B, L], from the tokenizer.
      seeds: int32 [B, 2], one for each caption; the same seed gives the same mask in any batch.
      probability: of a token to be selected.
      vocabulary: the tokenizer's.

    Returns:
      masked ids, int32 [B, L], and labels, int32 [B, L]: the id to predict, or -100.
    """
    shape = tf.shape(ids)
    spots, rows, places = _before_the_end(ids, vocabulary.end)
    flat = tf.reshape(ids, [-1])
    tokens = tf.gather(flat, spots)
    which, how, piece = random_words(tf.gather(seeds, rows), places, salt=_SALT)
    low, high = vocabulary.ordinary
    ordinary = (tokens >= low) & (tokens < high)
    selected = tf.where(ordinary & (fraction(which) < probability))[:, 0]
    spots, tokens = tf.gather(spots, selected)[:, tf.newaxis], tf.gather(tokens, selected)
    how, piece = fraction(tf.gather(how, selected)), tf.gather(piece, selected)
    hidden = tf.where(how < 0.9, low + below(piece, high - low), tokens)
    hidden = tf.where(how < 0.8, vocabulary.mask, hidden)
    masked = tf.tensor_scatter_nd_update(flat, spots, hidden)
    labels = tf.tensor_scatter_nd_update(tf.fill(tf.shape(flat), IGNORED_LABEL), spots, tokens)
    return tf.reshape(masked, shape), tf.reshape(labels, shape)


def _before_the_end(ids: tf.Tensor, end: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The N tokens of `ids` [B, L] before each row's end: their places in [B * L], rows, columns.

    Three int32 [N]. Most of a row is padding, for which no random numbers are then drawn.
    """
    count, length = tf.unstack(tf.shape(ids))
    ended = tf.cast(ids == end, tf.int32)
    ends = tf.where(
        tf.reduce_max(ended, axis=1) > 0, tf.argmax(ended, axis=1, output_type=tf.int32), length
    )
    starts = tf.range(count) * length
    spots = tf.raw_ops.RaggedRange(
        starts=starts, limits=starts + ends, deltas=1, Tsplits=tf.int32
    ).rt_dense_values
    rows = spots // length
    return spots, rows, spots - rows * length
