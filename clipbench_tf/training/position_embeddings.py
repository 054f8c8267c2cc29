"""Position embeddings of other sizes, interpolated."""

import math

import numpy as np
import tensorflow as tf


def grid(embedding: np.ndarray, positions: int) -> np.ndarray:
    """An image tower's embedding for another image size.

    The grid is interpolated bicubically with Keys's kernel (a = -0.5), widened by the scale where
    the grid shrinks, as in Pillow and open_clip; the first position (class token, or mean) is kept.

    Args:
        embedding: float32 [1 + g * g, D].
        positions: the wanted 1 + h * h.

    Returns:
        float32 [positions, D]; `embedding` itself if it has this shape.

    Raises:
        ValueError: if one of the two is no class position and a square.
    """
    if len(embedding) == positions:
        return embedding
    before, after = side(len(embedding)), side(positions)
    pixels = embedding[1:].reshape(before, before, -1)
    resized = tf.image.resize(pixels, (after, after), "bicubic", antialias=True).numpy()
    return np.concatenate([embedding[:1], resized.reshape(after * after, -1)])


def side(positions: int) -> int:
    """The g of 1 + g * g `positions`.

    Raises:
        ValueError: if there is none.
    """
    found = math.isqrt(max(positions - 1, 0))
    if 1 + found * found != positions:
        raise ValueError(f"{positions} positions are no square of patches and one more.")
    return found


def line(embedding: np.ndarray, positions: int) -> np.ndarray:
    """A text tower's embedding for another context length.

    A shorter one is cut off, so that captions which fit are read as before; a longer one is
    interpolated linearly between the centres of positions, as open_clip does for both.

    Args:
        embedding: float32 [L, D].
        positions: the wanted length.

    Returns:
        float32 [positions, D]; `embedding` itself if it has this shape.
    """
    length = len(embedding)
    if positions <= length:
        return embedding[:positions]
    places = (np.arange(positions) + 0.5) * (length / positions) - 0.5
    columns = [np.interp(places, np.arange(length), column) for column in embedding.T]
    return np.stack(columns, axis=1).astype(embedding.dtype)
