"""From encoded bytes to pixels."""

import tensorflow as tf


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a PNG, JPEG, GIF (its first frame) or BMP to uint8 [H, W, 3].

    Grey, palette and 16-bit PNGs and CMYK JPEGs become 8-bit RGB. An alpha channel is dropped,
    as torchvision's loader does, so that what lies under transparent pixels shows: flatten such
    pictures on a background when a data set is built. A BMP must hold 24 bits a pixel.

    Errors: the op raises InvalidArgumentError where the bytes are empty, truncated or no picture.
    """
    picture = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    picture.set_shape([None, None, 3])
    return picture
