"""From encoded bytes to pixels: the one place where training, evaluation and exports read pictures.

| format | what is read |
| --- | --- |
| JPEG | baseline and progressive, grey, CMYK; turned by its EXIF orientation (1) |
| PNG | all colour types; the high byte of 16 bits; of an animation the default image |
| WebP | lossy and lossless; of an animation the first frame |
| JPEG XL | still pictures, colour and grey, as 8 bits |
| GIF | the first frame; transparent parts are black |
| BMP | 24 bits a pixel, or 32, without their alpha; not compressed |

(1) If that block comes first, as cameras write it, or directly after a JFIF block of 18 bytes, as
editors do; a later one is ignored.

Transparent parts of PNG, WebP and JPEG XL are composited on white. Colour profiles are ignored, as
are EXIF blocks in other formats than JPEG, and the single colour that an RGB or grey PNG may call
transparent. No other format is read: no TIFF, HEIC, AVIF or SVG.

Deviates: torchvision's loader drops alpha, which shows the colour beneath, often black, and ignores
EXIF blocks, which leaves portraits on their side.
"""

import functools

import tensorflow as tf

from clipbench_tf.data.images.orientation import orientation, upright

FORMATS = "JPEG, PNG, WebP, JPEG XL, GIF or BMP"

# Files that tf.io.decode_image decodes otherwise than the table says. \C is any byte.
_BEHIND_JFIF = r"\C{24}Exif\x00\x00\C*"
_EXIF = r"\C{6}Exif\x00\x00\C*|" + _BEHIND_JFIF
_ALPHA = (
    r"\CPNG\C{21}[\x04\x06]\C*",  # for each pixel
    r"\CPNG\C{21}\x03\C*tRNS\C*",  # for each colour of a palette
    r"RIFF\C*",  # WebP
    r"\C\n\C*|\C{4}JXL \C*",  # JPEG XL, which may also be grey
)
_FLAGGED_WEBP = r"RIFF\C{4}WEBPVP8X\C{5}\C*"
_SMALL_BMP = r"BM\C{26}[\x00-\x17]\C*"  # palette indices, which would be decoded as grey


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a picture of one of `FORMATS` to uint8 [H, W, 3]; see the docstring of this file.

    Errors: the op raises InvalidArgumentError if the bytes are empty, truncated or not a picture.
    """
    # Few branches, as tf.data optimises the function of each for every iterator.
    picture = tf.cond(
        _is(encoded, _EXIF, *_ALPHA, _SMALL_BMP),
        lambda: tf.cond(
            _is(encoded, _EXIF), lambda: _photograph(encoded), lambda: _on_white(encoded)
        ),
        lambda: tf.io.decode_image(encoded, channels=3, expand_animations=False),
    )
    picture.set_shape([None, None, 3])
    return picture


def stated_shape(encoded: tf.Tensor) -> tf.Tensor:
    """int32 [2]: height and width in the header of a JPEG as it is stored; 0 for another format.

    Errors: the op raises InvalidArgumentError for a damaged header.
    """
    return tf.cond(
        tf.equal(tf.strings.substr(encoded, 0, 2), b"\xff\xd8"),
        lambda: tf.io.extract_jpeg_shape(encoded)[:2],
        lambda: tf.zeros([2], tf.int32),
    )


def decode_smaller(encoded: tf.Tensor, halvings: tf.Tensor, exif: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG at 1, 1/2, 1/4 or 1/8 of its size, rounded up: uint8 [h, w, 3].

    Its cosines of high frequency are left out, which takes less time than to decode all of it.

    Args:
        encoded: as in `decode`, of a JPEG.
        halvings: int32 in 0..3.
        exif: int32 in 1..8, its orientation (see `held`).

    Errors: as in `decode`.
    """
    picture = tf.switch_case(
        halvings,
        [functools.partial(tf.io.decode_jpeg, encoded, 3, ratio=2**n) for n in range(4)],
    )
    picture = tf.cond(exif > 1, lambda: upright(picture, exif), lambda: picture)
    picture.set_shape([None, None, 3])
    return picture


def held(encoded: tf.Tensor) -> tf.Tensor:
    """int32 in 1..8: the EXIF orientation of a JPEG; 1, upright, of one without."""
    return tf.cond(_is(encoded, _EXIF), lambda: _in_block(encoded), lambda: 1)


def _in_block(encoded: tf.Tensor) -> tf.Tensor:
    """The orientation in the EXIF block of a JPEG that has one."""
    block = tf.where(_is(encoded, _BEHIND_JFIF), 30, 12)
    return orientation(tf.strings.substr(encoded, block, 1 << 16))


def _is(encoded: tf.Tensor, *patterns: str) -> tf.Tensor:
    return tf.strings.regex_full_match(encoded, "|".join(patterns))


def _photograph(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG with an EXIF block, upright."""
    picture = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return upright(picture, _in_block(encoded))


def _on_white(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a picture of 1 to 4 channels, grey or RGB, and composites its alpha on white."""
    known = tf.where(_is(encoded, _SMALL_BMP), b"", _with_alpha_flag(encoded))
    picture = tf.io.decode_image(known, expand_animations=False)
    picture.set_shape([None, None, None])
    height, width, channels = tf.unstack(tf.shape(picture))
    opaque = tf.cast(tf.where(channels % 2 == 0, 0, 255), tf.uint8)
    alpha = tf.cast(tf.bitwise.bitwise_or(picture[..., -1:], opaque), tf.float32) / 255.0
    colour = tf.cast(picture[..., : channels - 1 + channels % 2], tf.float32)
    mixed = tf.cast(255.0 + (colour - 255.0) * alpha + 0.5, tf.uint8)
    return tf.broadcast_to(mixed, [height, width, 3])


def _with_alpha_flag(encoded: tf.Tensor) -> tf.Tensor:
    """`encoded`, with the alpha flag set in the header of an animated WebP.

    Without it TensorFlow 2.21 writes frames of four channels into a buffer for three, which
    crashes the process.
    """
    length = tf.strings.length(encoded)
    at = tf.minimum([0, 20, 21], length)
    before, flags, after = tf.unstack(tf.strings.substr([encoded] * 3, at, [20, 1, length]))
    bits = tf.io.decode_raw(flags, tf.uint8, fixed_length=1)[0]
    animated = _is(encoded, _FLAGGED_WEBP) & (tf.bitwise.bitwise_and(bits, 2) > 0)
    return tf.where(animated, tf.strings.join([before, b"\x12", after]), encoded)
