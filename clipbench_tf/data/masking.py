"""Masked language modelling: which tokens are hidden, and what is to be said in their place."""

import tensorflow as tf

from clipbench_tf.data.counter_random import below, fraction, random_words
from clipbench_tf.data.vocabulary import END_ID, IGNORED_LABEL, MASK_ID, START_ID

_SALT = 1  # another one in each file that draws from a caption's seed


def mask_tokens(
    ids: tf.Tensor, seeds: tf.Tensor, probability: float = 0.15
) -> tuple[tf.Tensor, tf.Tensor]:
    """Selects tokens to predict and hides them (paper, section 3.1: text self-supervision).

    Each token of a caption is selected with `probability`. 80% of the selected become the mask
    token, 10% a random piece of the vocabulary, 10% stay. Start and end tokens and what follows the
    end are never selected.

    Deviates: the released code draws the random id from all 49,409, specials included; here it is
    one of the 49,406 ordinary pieces.

    Args:
      ids: int32 [B, L], as the tokenizer gives them.
      seeds: int32 [B, 2], one for each caption; the same seed gives the same mask in any batch.
      probability: of a token to be selected.

    Returns:
      masked ids, int32 [B, L], and labels, int32 [B, L]: the id to predict, or -100.
    """
    which, how, piece = random_words(seeds[:, tf.newaxis], tf.range(tf.shape(ids)[1]), salt=_SALT)
    ends = tf.cast(ids == END_ID, tf.int32)
    maskable = (tf.cumsum(ends, axis=1) == 0) & (ids != START_ID) & (ids != MASK_ID)
    selected = maskable & (fraction(which) < probability)
    how = fraction(how)
    masked = tf.where(selected & (how < 0.8), MASK_ID, ids)
    masked = tf.where(selected & (how >= 0.8) & (how < 0.9), below(piece, START_ID), masked)
    return masked, tf.where(selected, ids, IGNORED_LABEL)
