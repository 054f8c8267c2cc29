"""Padding that no caption of a batch needs is not computed."""

import tensorflow as tf

from clipbench_tf.data.text.vocabulary import END_ID


def longest(ids: tf.Tensor, multiple: int = 1, end: int = END_ID) -> tf.Tensor:
    """int32 scalar: the length up to which some row of `ids` [..., L] is no padding.

    Our text tower is causal and pooled at the end token, and those of KerasHub mask what is
    behind it or have it put back, so that it changes no result (only a FILIP that counts padding
    sees it), and half of the work is saved on captions of natural length.

    Args:
        ids: int32 [..., L], start, pieces, end, padding.
        multiple: of which the result is one, if L allows: a few lengths compile better than all.
        end: id of the end token.
    """
    ends = tf.where(ids == end)[:, -1]
    length = tf.cast(tf.reduce_max(tf.concat([ends, [0]], axis=0)), tf.int32) + 1
    return tf.minimum(-(-length // multiple) * multiple, tf.shape(ids)[-1])
