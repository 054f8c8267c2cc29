"""Decodes pictures in graph to the pixels a tower is evaluated on, and finds corrupt ones."""

import tensorflow as tf

from clipbench_tf.data.images import dimensions
from clipbench_tf.data.images.image_views import evaluation_view


def decode(
    encoded: tf.Tensor,
    size: int,
    resize: float,
    interpolation: str = "bilinear",
    *,
    largest: int | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes `encoded`, string [B], in graph to `evaluation_view`s.

    Args:
        encoded: any bytes.
        size, resize, interpolation: see `evaluation_view`.
        largest: most pixels; what its header says to have more is no image. By default data is
            trusted, as reading the header takes its time.

    Returns:
        uint8 [B, size, size, 3], black where the bytes are no image, and bool [B]: true where
        they are one.
    """

    def view(one: tf.Tensor) -> tf.Tensor:
        if largest is not None:
            one = dimensions.refused(one, largest)
        return evaluation_view(one, size, resize, interpolation)

    count = tf.size(encoded, tf.int64)
    with tf.device("/CPU:0"):
        # A failing op ends a whole graph; with ignore_errors, tf.data drops only its element.
        pictures = (
            tf.data.Dataset.from_tensor_slices(encoded)
            .enumerate()
            .map(
                lambda row, one: (row, view(one)),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            .ignore_errors()
        )
        # One more element, because tf.data yields no empty batch.
        last = (tf.constant(-1, tf.int64), tf.zeros([size, size, 3], tf.uint8))
        pictures = pictures.concatenate(tf.data.Dataset.from_tensors(last))
        rows, pixels = pictures.batch(count + 1).get_single_element()
    rows, pixels = rows[:-1, tf.newaxis], pixels[:-1]
    valid = tf.scatter_nd(rows, tf.ones_like(rows[:, 0]), [count]) > 0
    black = tf.zeros(tf.stack([count, size, size, 3]), tf.uint8)
    pixels = tf.tensor_scatter_nd_update(black, rows, pixels)
    return tf.ensure_shape(pixels, [None, size, size, 3]), valid
