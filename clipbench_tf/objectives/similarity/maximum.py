"""The highest cosine along an axis, and where it is, in the form that is fast on the device."""

import tensorflow as tf

from clipbench_tf import hardware

_GROUPS = 8  # of positions, in a maximum on a GPU

# Of floats: the integers of as many bits, and those twice as wide.
_INTEGERS = {
    tf.bfloat16: (tf.int16, tf.int32),
    tf.float16: (tf.int16, tf.int32),
    tf.float32: (tf.int32, tf.int64),
}


def maximum(cosines: tf.Tensor, axis: int) -> tuple[tf.Tensor, tf.Tensor]:
    """float32: the maximum along `axis`; int16: an index where it occurs."""
    if cosines.dtype == tf.bfloat16 or hardware.on_gpu():
        return packed_maximum(cosines, axis)
    best = tf.reduce_max(cosines, axis=axis)
    won = cosines == tf.expand_dims(best, axis)
    first = tf.reduce_min(tf.where(won, _places(cosines, axis), 2**15 - 1), axis=axis)
    return best, tf.cast(first, tf.int16)


def packed_maximum(cosines: tf.Tensor, axis: int) -> tuple[tf.Tensor, tf.Tensor]:
    """`maximum` in one pass over integers twice as wide: a cosine's bits above, its index below.

    NaN may count as the smallest number here; the gradients still show it.
    """
    narrow, wide = _INTEGERS[cosines.dtype]
    above = tf.constant(8 * narrow.size, wide)
    bits = tf.cast(_ordered(tf.bitcast(cosines, narrow)), wide)
    bits = tf.bitwise.left_shift(bits, above)
    if hardware.on_gpu():
        best = _maximum_in_groups(bits, axis)
    else:
        best = tf.reduce_max(bits + tf.cast(_places(bits, axis), wide), axis=axis)
    bits = _ordered(tf.cast(tf.bitwise.right_shift(best, above), narrow))
    index = tf.bitwise.bitwise_and(best, tf.constant(2**15 - 1, wide))
    return tf.cast(tf.bitcast(bits, cosines.dtype), tf.float32), tf.cast(index, tf.int16)


def _maximum_in_groups(bits: tf.Tensor, axis: int) -> tf.Tensor:
    """The maximum of `bits` plus their index along `axis`, of groups first and then of these.

    Before a maximum of 32 or more, XLA transposes all cosines on a GPU. It would join the two if
    the group's index were not added between them.
    """
    shape = tf.shape(bits)
    each = -(-shape[axis] // _GROUPS)
    padding = [[0, 0]] * axis + [[0, _GROUPS * each - shape[axis]]]
    padding += [[0, 0]] * (bits.shape.rank - len(padding))
    bits = tf.pad(bits, padding, constant_values=bits.dtype.min)
    groups = tf.reshape(bits, tf.concat([shape[:axis], [_GROUPS, each], shape[axis + 1 :]], 0))
    best = tf.reduce_max(groups + tf.cast(_places(groups, axis + 1), bits.dtype), axis=axis + 1)
    first = tf.cast(each * _places(best, axis), bits.dtype)
    return tf.reduce_max(best + first, axis=axis)


def _places(items: tf.Tensor, axis: int) -> tf.Tensor:
    """int32: the index along `axis` of `items`, whose other axes have size 1."""
    after = items.shape.rank - 1 - axis
    return tf.reshape(tf.range(tf.shape(items)[axis]), [-1] + [1] * after)


def _ordered(bits: tf.Tensor) -> tf.Tensor:
    """Integers: bits of floats mapped so that they compare as the floats do; its own inverse."""
    sign = tf.bitwise.right_shift(bits, tf.constant(8 * bits.dtype.size - 1, bits.dtype))
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.bitwise_and(sign, bits.dtype.max))
