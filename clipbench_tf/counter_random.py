"""Random numbers as a function of (seed, counter), for a whole batch of seeds at once."""

import tensorflow as tf

_PCG = (1664525, 1013904223, 16)  # multiplier, increment, shift


def random_words(
    seeds: tf.Tensor, counters: tf.Tensor | int, *, salt: int
) -> tuple[tf.Tensor, ...]:
    """Three independent uint32 [...] for every pair of a seed and a counter.

    They depend only on the pair and `salt`, not on the rest of the batch; tf.random's stateless
    functions take a single seed at a time. The hash is pcg3d of M. Jarzynski and
    M. Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.

    Args:
      seeds: int32 [..., 2].
      counters: integers in [0, 2^20), of a shape that broadcasts with that of the seeds.
      salt: in [0, 4096), a different one for each use of the same seeds.
    """
    words = tf.bitcast(seeds, tf.uint32)
    z = tf.cast(counters, tf.uint32) + tf.constant(salt << 20, tf.uint32)
    x, y = words[..., 0] + tf.zeros_like(z), words[..., 1] + tf.zeros_like(z)
    z += tf.zeros_like(x)
    multiplier, increment, sixteen = (tf.constant(n, tf.uint32) for n in _PCG)
    x, y, z = (word * multiplier + increment for word in (x, y, z))
    x, y, z = _cross(x, y, z)
    x, y, z = (
        tf.bitwise.bitwise_xor(word, tf.bitwise.right_shift(word, sixteen)) for word in (x, y, z)
    )
    return _cross(x, y, z)


def _cross(x: tf.Tensor, y: tf.Tensor, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    x += y * z
    y += z * x
    z += x * y
    return x, y, z


def below(words: tf.Tensor, bound: int | tf.Tensor) -> tf.Tensor:
    """Uniform int32 in [0, bound) from uint32 `words`; `bound` broadcasts, and 0 gives 0."""
    product = tf.cast(words, tf.int64) * tf.cast(bound, tf.int64)
    return tf.cast(tf.bitwise.right_shift(product, tf.constant(32, tf.int64)), tf.int32)


def fraction(words: tf.Tensor) -> tf.Tensor:
    """Uniform float32 in [0, 1) from uint32 `words`."""
    return tf.cast(tf.bitwise.right_shift(words, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24
