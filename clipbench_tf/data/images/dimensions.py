"""In graph: how many pixels a picture holds in memory, by what its header states.

A file of a few kilobytes can state a picture of gigabytes, and a decoder that believes it takes
them. This reads the sizes first, as `picture_headers.py` does outside of graphs.
"""

from collections.abc import Callable

import tensorflow as tf

from clipbench_tf.data.images.picture_headers import JXL_BITS, JXL_RATIOS

# Twice what is kept when data is prepared, and above the cameras of 100 million pixels. At the
# limit, decoding holds 0.4 GB for an opaque picture.
LARGEST = 1 << 27

_HEAD = 32  # bytes, in which PNG, BMP and WebP have their sizes
_BOXES = 64  # of a JPEG XL file, that are looked through
# Parts of a GIF that are passed over, in a few seconds; 33 MB of them, if they are full.
_STEPS = 1 << 17
_ENDLESS = 1 << 62  # pixels of a GIF of more parts


@tf.autograph.experimental.do_not_convert
def pixels(encoded: tf.Tensor) -> tf.Tensor:
    """How many pixels are held while `encoded`, a string, is decoded: int64, 0 if it is no picture.

    Those of a GIF are of all its frames, which are decoded though the first alone is used. What
    is damaged elsewhere than in its header has a size all the same.

    Errors: the op raises InvalidArgumentError for a damaged JPEG.
    """
    head = tf.cast(_bytes(encoded, 0, _HEAD), tf.int64)
    kinds: list[tuple[bytes, Callable[[], tf.Tensor]]] = [
        (b"\xff\xd8", lambda: _jpeg(encoded)),
        (b"\x89P", lambda: _big(head, 16, 4) * _big(head, 20, 4)),
        (b"BM", lambda: _bmp(head)),
        (b"RI", lambda: _webp(head)),
        (b"GI", lambda: _gif(encoded)),
        (b"\xff\x0a", lambda: _jxl(encoded, _int(0))),
        (b"\x00\x00", lambda: _jxl_container(encoded)),
    ]
    start = tf.strings.substr(encoded, 0, 2)
    known = tf.stack([tf.equal(start, kind) for kind, _ in kinds])
    which = tf.where(tf.reduce_any(known), tf.argmax(tf.cast(known, tf.int32)), len(kinds))
    nothing = [lambda: _int(0)]
    return tf.switch_case(tf.cast(which, tf.int32), [read for _, read in kinds] + nothing)


def refused(encoded: tf.Tensor, largest: int = LARGEST) -> tf.Tensor:
    """`encoded`, a string, or b"", which no decoder takes, where its header states too many pixels.

    Args:
        encoded: any bytes.
        largest: most pixels.

    Errors: as in `pixels`.
    """
    return tf.where(pixels(encoded) > largest, b"", encoded)


def _int(value: int) -> tf.Tensor:
    return tf.constant(value, tf.int64)


def _bytes(encoded: tf.Tensor, at: tf.Tensor | int, count: int) -> tf.Tensor:
    """`count` bytes from `at` on, zeros behind the end: uint8 [count]."""
    place = tf.minimum(tf.cast(at, tf.int32), tf.strings.length(encoded))
    return tf.io.decode_raw(tf.strings.substr(encoded, place, count), tf.uint8, fixed_length=count)


def _big(data: tf.Tensor, at: int, count: int) -> tf.Tensor:
    """A number whose first byte counts most."""
    return _little(data[at : at + count][::-1], 0, count)


def _little(data: tf.Tensor, at: int, count: int) -> tf.Tensor:
    weights = tf.constant([256**place for place in range(count)], tf.int64)
    return tf.reduce_sum(tf.cast(data[at : at + count], tf.int64) * weights)


def _jpeg(encoded: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(tf.image.extract_jpeg_shape(encoded, tf.int64)[:2])


def _bmp(head: tf.Tensor) -> tf.Tensor:
    """Sides are signed: rows from the top have a negative height."""
    sides = tf.stack([_little(head, 18, 4), _little(head, 22, 4)])
    return tf.reduce_prod(tf.minimum(sides, (1 << 32) - sides))


def _webp(head: tf.Tensor) -> tf.Tensor:
    """VP8X has a canvas, which holds all frames; VP8L and VP8 one picture."""
    kind, low = head[15], 1 << 14
    canvas = (1 + _little(head, 24, 3)) * (1 + _little(head, 27, 3))
    bits = _little(head, 21, 4)
    lossless = (1 + bits % low) * (1 + bits // low % low)
    lossy = (_little(head, 26, 2) % low) * (_little(head, 28, 2) % low)
    return tf.where(kind == ord("X"), canvas, tf.where(kind == ord("L"), lossless, lossy))


def _gif(encoded: tf.Tensor) -> tf.Tensor:
    """The largest frame times the number of frames: TensorFlow gives all of them one size.

    Walks over all blocks, and ends with what is no block, as a decoder does.
    """
    length = tf.cast(tf.strings.length(encoded), tf.int64)

    def table(flags: tf.Tensor) -> tf.Tensor:
        """Bytes of a table of colours."""
        return tf.where(flags > 127, 3 * tf.bitwise.left_shift(_int(2), flags % 8), _int(0))

    def block(
        at: tf.Tensor, sides: tf.Tensor, frames: tf.Tensor, steps: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        head = tf.cast(_bytes(encoded, at, 10), tf.int64)
        frame = head[0] == ord(",")
        found = tf.stack([_little(head, 5, 2), _little(head, 7, 2)])
        sides = tf.where(frame, tf.maximum(sides, found), sides)
        after = tf.where(frame, 11 + table(head[9]), _int(2))
        end, steps = _behind_parts(encoded, at + after, length, steps + 1)
        ended = (head[0] != ord("!")) & ~frame
        return tf.where(ended, length, end), sides, frames + tf.cast(frame, tf.int64), steps

    start = 13 + table(tf.cast(_bytes(encoded, 10, 1), tf.int64)[0])
    _, sides, frames, steps = tf.while_loop(
        lambda at, sides, frames, steps: (at < length) & (steps < _STEPS),
        block,
        (start, tf.zeros([2], tf.int64), _int(0), _int(0)),
        parallel_iterations=1,
    )
    return tf.where(steps < _STEPS, tf.reduce_prod(sides) * frames, _int(_ENDLESS))


def _behind_parts(
    encoded: tf.Tensor, at: tf.Tensor, length: tf.Tensor, steps: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """The place behind a GIF's block, with its parts of up to 255 bytes and a last 0; and `steps`.

    Each part is a step more, up to `_STEPS`.
    """

    def step(at: tf.Tensor, size: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, ...]:
        size = tf.cast(_bytes(encoded, at, 1), tf.int64)[0]
        return at + 1 + size, size, steps + 1

    at, _, steps = tf.while_loop(
        lambda at, size, steps: (size > 0) & (at < length) & (steps < _STEPS),
        step,
        (at, _int(1), steps),
        parallel_iterations=1,
    )
    return at, steps


def _jxl_container(encoded: tf.Tensor) -> tf.Tensor:
    """The stream of JPEG XL in a file of boxes, whole (jxlc) or in parts (jxlp)."""
    length = tf.cast(tf.strings.length(encoded), tf.int64)

    def box(at: tf.Tensor, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        head = _bytes(encoded, at, 16)
        size, kind = _big(head, 0, 4), tf.strings.substr(encoded, tf.cast(at, tf.int32), 8)
        long = size == 1
        body = at + tf.where(long, _int(16), _int(8))
        size = tf.where(long, _big(head, 8, 8), size)
        whole = tf.strings.regex_full_match(kind, rb"\C{4}jxlc")
        part = tf.strings.regex_full_match(kind, rb"\C{4}jxlp")
        stream = tf.where(whole, body, tf.where(part, body + 4, stream))
        return tf.where(whole | part | (size < 8), length, at + size), stream

    state = (_int(0), length)
    _, stream = tf.while_loop(
        lambda at, stream: (at >= 0) & (at < length),
        box,
        state,
        parallel_iterations=1,
        maximum_iterations=_BOXES,
    )
    return _jxl(encoded, stream)


def _jxl(encoded: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
    """The size header behind the two bytes of the signature, least significant bit first."""

    def take(start: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """A number of `count` bits, of up to 30, from the bit `start` on."""
        around = _little(_bytes(encoded, at + 2 + start // 8, 5), 0, 5)
        return tf.bitwise.right_shift(around, start % 8) % tf.bitwise.left_shift(_int(1), count)

    small = take(_int(0), _int(1)) > 0

    def side(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A side, and where its bits end."""
        count = tf.gather(tf.constant(JXL_BITS, tf.int64), take(start, _int(2)))
        length = tf.where(small, 8 * (1 + take(start, _int(5))), 1 + take(start + 2, count))
        return length, start + tf.where(small, _int(5), 2 + count)

    height, end = side(_int(1))
    ratio = take(end, _int(3))
    wide, high = tf.unstack(tf.gather(tf.constant(((1, 1), *JXL_RATIOS), tf.int64), ratio))
    width = tf.where(ratio > 0, height * wide // high, side(end + 3)[0])
    return tf.where(at < tf.cast(tf.strings.length(encoded), tf.int64), width * height, _int(0))
