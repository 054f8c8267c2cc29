"""The length to which a batch of captions can be trimmed."""

import tensorflow as tf

from clipbench_tf.data.text.vocabulary import END_ID


def longest(ids: tf.Tensor, multiple: int = 1, end: int = END_ID) -> tf.Tensor:
    """int32 scalar: the length of the longest row of `ids` [..., L] without its padding.

    Trimming changes no result, unless FILIP counts padding: TextTransformer is causal and pooled at
    the end token, HubText masks what follows that token or pads again. It saves half of the work
    on captions of natural length.

    Args:
        ids: int32 [..., L], start, pieces, end, padding.
        multiple: rounds the length up to a multiple of it, at most L: fewer lengths to compile.
        end: id of the end token.
    """
    ends = tf.where(ids == end)[:, -1]
    length = tf.cast(tf.reduce_max(tf.concat([ends, [0]], axis=0)), tf.int32) + 1
    return tf.minimum(-(-length // multiple) * multiple, tf.shape(ids)[-1])
