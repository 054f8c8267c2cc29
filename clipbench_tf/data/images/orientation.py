"""The EXIF orientation of a photograph."""

import numpy as np
import tensorflow as tf

_TAG = 0x0112  # of the orientation, in the directory of an EXIF block
# Whether rows, columns and channels are reversed, for each orientation.
FLIPS = [[o in (3, 4, 7, 8), o in (2, 3, 6, 7), False] for o in range(9)]


def orientation(tiff: tf.Tensor) -> tf.Tensor:
    """Reads the orientation from an EXIF block, a TIFF structure that begins with its byte order.

    Returns: int32 in 1..8; 1, upright, if the block is damaged or has no orientation.
    """
    data = tf.io.decode_raw(tf.strings.join([tiff, b"\0" * 16]), tf.uint8)
    little = data[0] == ord("I")

    def number(at: tf.Tensor | int, size: int) -> tf.Tensor:
        order = tf.where(little, tf.range(size), tf.range(size)[::-1])
        places = tf.expand_dims(tf.cast(at, tf.int64), -1) + tf.cast(order, tf.int64)
        parts = tf.gather(data, tf.minimum(places, tf.size(data, tf.int64) - 1))
        return tf.tensordot(tf.cast(parts, tf.int64), 256 ** np.arange(size), 1)

    directory = number(4, 4)
    entries = directory + 2 + 12 * tf.range(number(directory, 2))
    found = tf.boolean_mask(number(entries + 8, 2), number(entries, 2) == _TAG)
    value = tf.concat([found, [1]], 0)[0]
    return tf.cast(tf.where((value >= 1) & (value <= 8), value, 1), tf.int32)


def upright(picture: tf.Tensor, held: tf.Tensor) -> tf.Tensor:
    """Flips and turns `picture`, uint8 [H, W, C], of EXIF orientation `held`, to be upright."""
    turned = tf.transpose(picture, tf.where(held >= 5, [1, 0, 2], [0, 1, 2]))
    return tf.raw_ops.Reverse(tensor=turned, dims=tf.gather(FLIPS, held))
