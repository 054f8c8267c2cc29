"""Masking of tokens: what is never touched, the shares, and independence of the batch."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.text.masking import mask_tokens

START, END, MASK = 49_406, 49_407, 49_408
BATCH, LENGTH = 2000, 77


@pytest.fixture(scope="module")
def ids() -> np.ndarray:
    """Captions of 0 to 75 pieces, some of them the piece of id 0."""
    draw = np.random.default_rng(1)
    rows = np.zeros([BATCH, LENGTH], np.int32)
    for row in rows:
        count = draw.integers(0, 76)
        pieces = draw.integers(0, START, count) * (draw.random(count) > 0.02)
        row[: count + 2] = [START, *pieces, END]
    return rows


@pytest.fixture(scope="module")
def seeds() -> np.ndarray:
    return np.random.default_rng(2).integers(-(2**31), 2**31, [BATCH, 2], np.int32)


def masked(ids: np.ndarray, seeds: np.ndarray, probability: float = 0.15) -> list[np.ndarray]:
    outputs = mask_tokens(tf.constant(ids), tf.constant(seeds), probability)
    assert [output.dtype for output in outputs] == [tf.int32, tf.int32]
    return [output.numpy() for output in outputs]


def inside(ids: np.ndarray) -> np.ndarray:
    """True for the pieces of the captions."""
    ends = (ids == END).argmax(axis=1)[:, np.newaxis]
    return (np.arange(LENGTH) > 0) & (np.arange(LENGTH) < ends)


def test_shares(ids: np.ndarray, seeds: np.ndarray) -> None:
    hidden, labels = masked(ids, seeds)
    selected = labels != -100
    pieces = inside(ids)
    count, chosen = pieces.sum(), selected.sum()

    def assert_share(share: float, expected: float, draws: int) -> None:
        assert abs(share - expected) < 4.5 * (expected * (1 - expected) / draws) ** 0.5

    assert_share(chosen / count, 0.15, count)
    assert_share((hidden[selected] == MASK).mean(), 0.8, chosen)
    same = hidden[selected] == ids[selected]
    assert_share(same.mean(), 0.1, chosen)
    replaced = hidden[selected & (hidden != MASK) & (hidden != ids)]
    assert_share(len(replaced) / chosen, 0.1, chosen)
    assert replaced.max() < START
    assert abs(replaced.mean() / START - 0.5) < 4.5 / (12 * len(replaced)) ** 0.5
    # Every position and both halves of the captions alike.
    by_position = selected.sum(0)[1:40] / pieces.sum(0)[1:40]
    assert np.abs(by_position - 0.15).max() < 5 * (0.15 * 0.85 / pieces.sum(0)[40]) ** 0.5


def test_only_selected_pieces_change(ids: np.ndarray, seeds: np.ndarray) -> None:
    hidden, labels = masked(ids, seeds, probability=1.0)
    pieces = inside(ids)
    np.testing.assert_array_equal(labels, np.where(pieces, ids, -100))
    np.testing.assert_array_equal(hidden[~pieces], ids[~pieces])
    hidden, labels = masked(ids, seeds)
    np.testing.assert_array_equal(hidden[labels == -100], ids[labels == -100])
    np.testing.assert_array_equal(labels[labels != -100], ids[labels != -100])


def test_probability_zero_changes_nothing(ids: np.ndarray, seeds: np.ndarray) -> None:
    hidden, labels = masked(ids, seeds, probability=0.0)
    np.testing.assert_array_equal(hidden, ids)
    assert (labels == -100).all()


def test_the_mask_depends_on_the_seed_alone(ids: np.ndarray, seeds: np.ndarray) -> None:
    hidden, labels = masked(ids, seeds)
    order = np.random.default_rng(3).permutation(BATCH)[:100]
    again, again_labels = masked(ids[order], seeds[order])
    np.testing.assert_array_equal(again, hidden[order])
    np.testing.assert_array_equal(again_labels, labels[order])
    other = masked(ids, seeds + np.int32(1))[1]
    both = ((labels != -100) & (other != -100)).sum() / (labels != -100).sum()
    assert abs(both - 0.15) < 0.02


def test_in_a_graph_of_unknown_shape(ids: np.ndarray, seeds: np.ndarray) -> None:
    data = tf.data.Dataset.from_tensor_slices((ids, seeds)).batch(300).map(mask_tokens)
    for eager, graph in zip(masked(ids[:300], seeds[:300]), next(iter(data)), strict=True):
        np.testing.assert_array_equal(eager, graph)


def test_a_mask_token_in_the_caption_stays() -> None:
    ids = tf.constant([[START, MASK, MASK, END, 0]])
    hidden, labels = mask_tokens(ids, tf.zeros([1, 2], tf.int32), 1.0)
    np.testing.assert_array_equal(hidden, ids)
    assert (labels.numpy() == -100).all()


def test_a_row_without_an_end_is_masked_to_its_last_place() -> None:
    ids = tf.constant([[START, 5, 6, 7], [START, 5, END, 0]])
    hidden, labels = mask_tokens(ids, tf.zeros([2, 2], tf.int32), 1.0)
    np.testing.assert_array_equal(labels, [[-100, 5, 6, 7], [-100, 5, -100, -100]])
    assert hidden.shape == (2, 4)


def test_an_empty_batch() -> None:
    made = mask_tokens(tf.zeros([0, LENGTH], tf.int32), tf.zeros([0, 2], tf.int32))
    assert [part.shape for part in made] == [(0, LENGTH)] * 2
