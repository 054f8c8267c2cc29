"""Random and central crops, resized with antialiasing."""

import tensorflow as tf

TRIES = 10
NUMBERS = 2 * TRIES + 2  # uniform numbers that `random_boxes` uses for each box
INTERPOLATIONS = ("bilinear", "bicubic")
SMALL = 96  # side of pictures and views, in pixels, up to which matrix products resize faster


def random_boxes(
    shape: tf.Tensor, numbers: tf.Tensor, scale: tf.Tensor, ratio: tf.Tensor
) -> tf.Tensor:
    """The boxes of torchvision's RandomResizedCrop, V of them: int32 [V, 4] (y, x, height, width).

    Each of ten tries draws a share of the area from `scale` and the logarithm of width / height
    from that of `ratio`, and the first box that fits the picture is taken. If none does, the
    largest central box within `ratio` is.

    Args:
        shape: int32 [2], height and width of the picture in pixels.
        numbers: float32 [V, NUMBERS], uniform in [0, 1).
        scale: float32 [V, 2] or [2], least and greatest share of the area.
        ratio: float32 [V, 2] or [2], least and greatest width / height.
    """
    size = tf.cast(shape, tf.float32)
    scale, log_ratio = scale[..., None], tf.math.log(ratio)[..., None]
    area = _between(numbers[:, :TRIES], scale) * size[0] * size[1]
    shear = tf.exp(0.5 * _between(numbers[:, TRIES : 2 * TRIES], log_ratio))  # sqrt(width / height)
    root = tf.sqrt(area)
    sides = tf.round(tf.stack([root / shear, root * shear], axis=-1))  # [V, tries, 2]
    widest = tf.stack([size[1] / ratio[..., 0], size[0] * ratio[..., 1]], axis=-1)
    fallback = tf.minimum(size, tf.round(widest)) + tf.zeros_like(numbers[:, :2])
    sides = tf.concat([sides, fallback[:, None]], axis=1)
    fits = tf.reduce_all((sides >= 1.0) & (sides <= size), axis=-1)
    first = tf.argmax(tf.cast(fits, tf.int32), axis=1, output_type=tf.int32)
    sides = tf.gather(sides, first, batch_dims=1)
    room = size - sides
    corner = tf.where(
        first[:, None] == TRIES,
        tf.floor(0.5 * room),
        tf.minimum(room, tf.floor(numbers[:, 2 * TRIES :] * (room + 1.0))),
    )
    return tf.cast(tf.concat([corner, sides], axis=1), tf.int32)


def _between(number: tf.Tensor, bounds: tf.Tensor) -> tf.Tensor:
    """Maps [0, 1) to [low, high), the bounds being on axis -2."""
    return bounds[..., 0, :] + number * (bounds[..., 1, :] - bounds[..., 0, :])


def halvings(boxes: tf.Tensor, size: int) -> tf.Tensor:
    """int32 in 0..3: how often a picture can be halved so that no box is smaller than `size`.

    Args:
        boxes: int32 [V, 4] (y, x, height, width), in pixels of the whole picture.
        size: width and height of the views.
    """
    least = tf.reduce_min(boxes[:, 2:])
    return tf.reduce_sum(tf.cast(least >= size * tf.constant([2, 4, 8]), tf.int32))


def resized_columns(
    picture: tf.Tensor, box: tf.Tensor, size: int, reduction: tf.Tensor | int = 1
) -> tf.Tensor:
    """Crops `picture` uint8 [H, W, 3] to `box` and resizes: columns, uint8 [size, 3, size].

    The axes of the result are x, channel and y. This order costs one transposition less
    than [y, x, channel] and keeps each channel contiguous for the colour operations; turn it
    with `tf.transpose(columns, [2, 0, 1])`. Equals PIL's bilinear resize (antialiased where it
    shrinks) to one level of 255: PIL rounds between the two passes too.

    Args:
        box: int32 [4] (y, x, height, width), in pixels of the whole picture.
        reduction: how many times smaller than the whole `picture` was decoded.
    """
    box, reduction = tf.cast(box, tf.float32), tf.cast(reduction, tf.float32)
    start, sides = box[:2] / reduction, box[2:] / reduction
    first = tf.floor(start)
    end = tf.minimum(tf.cast(tf.math.ceil(start + sides), tf.int32), tf.shape(picture)[:2])
    corner = tf.cast(first, tf.int32)
    part = tf.slice(picture, tf.pad(corner, [[0, 1]]), tf.concat([end - corner, [3]], 0))
    scale = float(size) / sides
    return _resample(part, scale, (first - start) * scale, size)


def central(
    picture: tf.Tensor, size: int, shorter_side: int, interpolation: str = "bilinear"
) -> tf.Tensor:
    """Resizes the shorter side to `shorter_side` pixels, crops the centre: uint8 [size, size, 3].

    Equals torchvision's Resize and CenterCrop of PIL pictures, to one level of 255; only the crop
    is computed.

    Args:
        interpolation: one of `INTERPOLATIONS`.

    Raises:
        ValueError: for another one.
    """
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"interpolation {interpolation!r} is none of {', '.join(INTERPOLATIONS)}.")
    shape = tf.shape(picture)[:2]
    sides = shorter_side * shape // tf.reduce_min(shape)
    offset = tf.round(tf.cast(sides - size, tf.float32) / 2.0)
    scale = tf.cast(sides, tf.float32) / tf.cast(shape, tf.float32)
    if interpolation == "bicubic":
        return _bicubic(picture, scale, -offset, size)
    return tf.transpose(_resample(picture, scale, -offset, size), [2, 0, 1])


def _bicubic(picture: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, size: int) -> tf.Tensor:
    """Resamples both axes of uint8 [H, W, 3] to uint8 [size, size, 3].

    A cubic overshoots, and PIL cuts that off after each axis; so this takes the axes in PIL's
    order, the horizontal one first.
    """
    shape = tf.shape(picture)
    columns = tf.reshape(tf.transpose(picture, [1, 0, 2]), [shape[1], -1])
    across = _levels(_resample_rows(columns, scale[1], shift[1], size, "keyscubic"))
    rows = tf.transpose(tf.reshape(across, [size, shape[0], 3]), [1, 0, 2])
    down = _resample_rows(tf.reshape(rows, [-1, 3 * size]), scale[0], shift[0], size, "keyscubic")
    return tf.cast(tf.reshape(_levels(down), [size, size, 3]), tf.uint8)


def _levels(values: tf.Tensor) -> tf.Tensor:
    """`values` rounded to whole numbers in 0..255."""
    return tf.clip_by_value(tf.floor(values + 0.5), 0.0, 255.0)


def _resample(picture: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, size: int) -> tf.Tensor:
    """Resamples both axes of uint8 [H, W, 3] to columns uint8 [size, 3, size]."""
    if size > SMALL:
        columns = _by_rows(picture, scale, shift, size)
    else:
        columns = tf.cond(
            tf.reduce_max(tf.shape(picture)) <= SMALL,
            lambda: _by_products(picture, scale, shift, size),
            lambda: _by_rows(picture, scale, shift, size),
        )
    return tf.cast(tf.reshape(columns, [size, 3, size]) + 0.5, tf.uint8)


def _by_products(picture: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, size: int) -> tf.Tensor:
    """Two matrix products without a transposition, for the same numbers as `_by_rows`.

    Most of the weights are zero, but small pictures take a third of the time.
    """
    height, width = tf.unstack(tf.shape(picture)[:2])
    rows = tf.reshape(tf.cast(picture, tf.float32), [height, -1])
    vertical = _weights(height, scale[0], shift[0], size)
    columns = tf.matmul(rows, vertical, transpose_a=True, transpose_b=True)  # [width * 3, size]
    return tf.matmul(_weights(width, scale[1], shift[1], size), tf.reshape(columns, [width, -1]))


def _weights(length: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, size: int) -> tf.Tensor:
    """[size, length]: the weight of each of `length` pixels in each new pixel.

    A triangle, two pixels of the coarser grid wide, at the places of `_resample_rows`.
    """
    places = (tf.range(size, dtype=tf.float32) + 0.5 - shift) / scale
    pixels = tf.cast(tf.range(length), tf.float32) + 0.5
    reach = tf.maximum(1.0 / scale, 1.0)
    shares = tf.maximum(1.0 - tf.abs(places[:, None] - pixels) / reach, 0.0)
    return shares / tf.reduce_sum(shares, axis=1, keepdims=True)


def _by_rows(picture: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, size: int) -> tf.Tensor:
    """Resamples one axis after the other by TensorFlow's resampling op."""
    shape = tf.shape(picture)
    rows = _resample_rows(tf.reshape(picture, [shape[0], -1]), scale[0], shift[0], size)
    columns = tf.transpose(tf.reshape(rows, [size, shape[1], 3]), [1, 2, 0])
    return _resample_rows(tf.reshape(columns, [-1, 3 * size]), scale[1], shift[1], size)


def _resample_rows(
    rows: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, size: int, kernel: str = "triangle"
) -> tf.Tensor:
    """[N, K] -> float32 [size, K]: row i is sampled at (i + 1/2 - shift) / scale.

    `tf.image.resize(antialias=True)` runs this same op over both axes at once, pixel by pixel.
    With a whole row as the channels of one pixel, and a transposition between the axes, it took
    0.56 instead of 1.42 ms from 250 x 270 to 224 x 224 pixels, for the same numbers.
    """
    return tf.raw_ops.ScaleAndTranslate(
        images=rows[None, :, None, :],
        size=[size, 1],
        scale=tf.stack([scale, 1.0]),
        translation=tf.stack([shift, 0.0]),
        kernel_type=kernel,
        antialias=True,
    )[0, :, 0]
