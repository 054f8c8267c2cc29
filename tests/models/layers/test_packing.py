"""Captions without padding: the same numbers, and few different shapes."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.text.vocabulary import END_ID, MASK_ID, START_ID
from clipbench_tf.models.layers.packing import Packing, rounded
from clipbench_tf.models.text_transformer import TextTransformer

LENGTH = 12


def ids(*lengths: int) -> tf.Tensor:
    """A caption of so many words for each of `lengths`; one that is too long has no end token."""
    random = np.random.default_rng(0)
    rows = np.zeros([len(lengths), LENGTH], np.int32)
    for row, length in zip(rows, lengths, strict=True):
        words = random.integers(0, 500, length)
        found = [START_ID, *words, END_ID, *random.integers(0, 500, LENGTH)]
        row[:] = found[:LENGTH]
    rows[0, 1] = MASK_ID  # a higher id than the end token's
    return tf.constant(rows)


CAPTIONS = {
    "mixed": ids(4, 0, 10, 1, 7),
    "one": ids(3),
    "full": ids(10, 10, 10),
    "without an end": ids(20, 2, 11),
    "without words": tf.constant([[START_ID, END_ID] + [0] * 10] * 3),
}


@pytest.mark.parametrize(
    ("name", "graph", "recompute"),
    [*((name, True, False) for name in CAPTIONS), ("mixed", False, False), ("mixed", True, True)],
)
def test_embeddings_words_and_gradients_are_those_with_padding(name, graph, recompute):
    tower = TextTransformer(
        context_length=LENGTH, width=16, depth=2, heads=2, embed_dim=8, recompute=recompute
    )
    tower(CAPTIONS[name])
    random = np.random.default_rng(1)
    tower.set_weights([random.normal(size=w.shape, scale=0.3) for w in tower.get_weights()])
    weights = [v.value for v in tower.trainable_variables]

    def run(packed: bool) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            found = tower(CAPTIONS[name], training=True, packed=packed)
            words = tf.where(found.mask[..., None], found.tokens, 0.0)
            loss = tf.reduce_sum(tf.sin(found.embedding)) + tf.reduce_sum(tf.sin(words))
        gradients = tape.gradient(loss, weights)
        return [found.embedding, words, found.mask, *map(tf.convert_to_tensor, gradients)]

    compiled = tf.function(run, autograph=False) if graph else run
    padded, packed = compiled(False), compiled(True)
    assert len(packed) == 3 + len(weights)
    for one, other in zip(padded, packed, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4)


def test_packed_and_unpacked_rows_are_those_of_numpy():
    needed = np.array([[1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 0]], bool)
    packing = Packing(tf.constant(needed))
    x = np.random.default_rng(0).normal(size=(15, 3)).astype(np.float32)
    packed = packing.pack(tf.constant(x)).numpy()
    np.testing.assert_array_equal(packed, x[needed.ravel()])
    np.testing.assert_array_equal(packing.columns, [0, 1, 0, 0, 1, 2, 3])
    expected = np.where(needed.ravel()[:, None], x, 0)
    np.testing.assert_array_equal(packing.unpack(packed), expected)


@pytest.mark.parametrize("forth", [True, False], ids=["pack", "unpack"])
def test_gradients_are_those_of_plain_look_ups(forth):
    random = np.random.default_rng(0)
    needed = random.random((20, 30)) < 0.4
    packing = Packing(tf.constant(needed))
    rows = 600 if forth else packing.columns.shape[0]
    x, upstream = (tf.constant(random.normal(size=(n, 3))) for n in (rows, 600 + 600))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = packing.pack(x) if forth else packing.unpack(x)
        loss = tf.reduce_sum(y * upstream[: tf.shape(y)[0]])
    found = tape.gradient(loss, x).numpy()
    step = 1e-3
    for row in range(0, rows, 37):
        moved = np.array(x)
        moved[row, 1] += step
        y = (packing.pack if forth else packing.unpack)(tf.constant(moved))
        change = tf.reduce_sum(y * upstream[: tf.shape(y)[0]]) - loss
        np.testing.assert_allclose(found[row, 1], change / step, atol=1e-6)


def test_numbers_of_rows_are_few_and_little_too_large():
    found = np.array([int(rounded(tf.constant(n))) for n in range(1, 5000)])
    counts = np.arange(1, 5000)
    assert (found >= counts).all() and (found <= counts * 17 / 16).all()
    assert len(set(found)) < 16 * 12
    assert [int(rounded(tf.constant(n))) for n in (0, 1, 544, 545, 17_400)] == [
        0,
        1,
        544,
        576,
        17_408,
    ]
