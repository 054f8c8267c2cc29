"""Random numbers by (seed, counter): against the hash in NumPy, and their statistics."""

import numpy as np
import tensorflow as tf

from clipbench_tf.counter_random import below, fraction, random_words

SEEDS = np.random.default_rng(0).integers(-(2**31), 2**31, [64, 2], np.int32)


def pcg3d(x: int, y: int, z: int) -> tuple[int, int, int]:
    """The hash on Python's integers."""
    bits = 0xFFFFFFFF
    x, y, z = ((v * 1664525 + 1013904223) & bits for v in (x, y, z))
    for _ in range(2):
        x = (x + y * z) & bits
        y = (y + z * x) & bits
        z = (z + x * y) & bits
        last = x, y, z
        x, y, z = (v ^ v >> 16 for v in last)
    return last


def test_it_is_the_published_hash() -> None:
    words = [
        word.numpy() for word in random_words(tf.constant(SEEDS[:8, None]), tf.range(5), salt=3)
    ]
    for b, n in np.ndindex(8, 5):
        first, second = (int(s) & 0xFFFFFFFF for s in SEEDS[b])
        assert tuple(int(w[b, n]) for w in words) == pcg3d(first, second, (3 << 20) + n)


def test_a_row_depends_on_its_own_seed_alone() -> None:
    together = random_words(tf.constant(SEEDS[:, None]), tf.range(9), salt=0)
    alone = random_words(tf.constant(SEEDS[40:41, None]), tf.range(9), salt=0)
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a[40:41], b)


def test_small_seeds_and_counters_look_random() -> None:
    """Neighbouring seeds, salts and counters: uniform in every bit, and uncorrelated."""
    seeds = tf.constant([[[a, b]] for a in range(16) for b in range(16)], tf.int32)
    streams = [w for salt in (0, 1) for w in random_words(seeds, tf.range(256), salt=salt)]
    values = np.stack([fraction(stream).numpy() for stream in streams])
    assert values.min() >= 0
    assert values.max() < 1
    for stream in streams:
        bits = np.unpackbits(stream.numpy().view(np.uint8)).reshape(-1, 32)
        assert np.abs(bits.mean(0) - 0.5).max() < 5 * 0.5 / 256  # 65,536 draws, 5 sigma
    flat = values.reshape(len(streams), -1)
    shifted = [values[:, :, 1:].reshape(6, -1), values[:, 1:, :].reshape(6, -1)]
    base = [values[:, :, :-1].reshape(6, -1), values[:, :-1, :].reshape(6, -1)]
    for a, b in [(flat, flat), *zip(base, shifted, strict=True)]:
        correlation = np.corrcoef(a, b)[:6, 6:]
        if a is b:
            np.fill_diagonal(correlation, 0)
        assert np.abs(correlation).max() < 5 / 250


def test_integers_below_a_bound() -> None:
    words = random_words(tf.constant(SEEDS[:, None]), tf.range(1000), salt=7)[0]
    drawn = below(words, 10).numpy()
    counts = np.bincount(drawn.ravel(), minlength=10)
    assert len(counts) == 10
    assert ((counts - 6400) ** 2 / 6400).sum() < 30  # chi-square, 9 degrees of freedom
    bounds = tf.constant(np.arange(64)[:, np.newaxis])
    each = below(words, bounds).numpy()
    assert (each[0] == 0).all()
    assert (each[1:] < np.arange(1, 64)[:, np.newaxis]).all()
    assert below(tf.constant([0xFFFFFFFF], tf.uint32), 2**31 - 1).numpy() == 2**31 - 2


def test_one_number_for_each_seed() -> None:
    one = random_words(tf.constant(SEEDS), 5, salt=2)[1]
    several = random_words(tf.constant(SEEDS[:, None]), tf.range(9), salt=2)[1]
    np.testing.assert_array_equal(one, several[:, 5])
