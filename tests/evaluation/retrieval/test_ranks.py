from itertools import permutations

import numpy as np
import pytest

from clipbench_tf.evaluation.retrieval.ranks import joined, ranks


def pairs_of(right: list[set[int]]) -> np.ndarray:
    return np.array([(query, item) for query, own in enumerate(right) for item in own])


def by_lot(scores, own):
    """For each order of the items: the rank of the first right one after a stable sort."""
    found = []
    for order in permutations(range(len(scores))):
        ranking = sorted(order, key=lambda item: -scores[item])
        found.append(1 + min(ranking.index(item) for item in own))
    return np.array(found)


def sample(rng, queries=30, items=5):
    scores = rng.integers(0, 3, size=(queries, items)).astype(np.float32)
    right = [set(rng.permutation(items)[: rng.integers(1, items + 1)].tolist()) for _ in scores]
    return scores, right


def test_credit_and_rank_are_the_means_over_all_ways_to_break_ties():
    scores, right = sample(np.random.default_rng(0))
    orders = [by_lot(row, own) for row, own in zip(scores, right, strict=True)]
    found = ranks(scores, pairs_of(right))
    for k in (1, 2, 3, 5, 10):
        np.testing.assert_allclose(found.credit(k), [np.mean(o <= k) for o in orders], atol=1e-12)
        assert found.recall(k) == pytest.approx(found.credit(k).mean())
    np.testing.assert_allclose(found.expected(), [np.mean(o) for o in orders])
    assert found.median() == np.median([np.mean(o) for o in orders])


def test_constant_scores_get_what_guessing_gets():
    _, right = sample(np.random.default_rng(1))
    found = ranks(np.zeros([30, 5], np.float32), pairs_of(right))
    for k in (1, 2, 5):
        guessed = [np.mean(by_lot(np.zeros(5), own) <= k) for own in right]
        np.testing.assert_allclose(found.credit(k), guessed, atol=1e-12)
        assert found.by_chance().recall(k) == found.recall(k)
    assert found.by_chance().median() == found.median()


def test_nan_is_below_all_and_never_found():
    nan, low = np.nan, -np.inf
    scores = np.array([[0, nan, 1], [nan, 0, 1], [nan] * 3, [low, low, low]], np.float32)
    found = ranks(scores, pairs_of([{0}, {0}, {0}, {0}]))
    np.testing.assert_array_equal(found.credit(2), [1, 0, 0, 0])
    np.testing.assert_array_equal(found.credit(10), [1, 0, 0, 0])
    np.testing.assert_array_equal(found.expected(), [2, 4, 4, 4])
    beside = ranks(np.array([[nan, 2, 5, 1]], np.float32), pairs_of([{0, 1}]))
    np.testing.assert_array_equal(beside.expected(), [2])


def test_one_item_is_always_found():
    found = ranks(np.zeros([2, 1], np.float32), pairs_of([{0}, {0}]))
    assert (found.recall(1), found.recall(10), found.median()) == (1, 1, 1)


def test_parts_join_to_the_whole_in_any_order():
    scores, right = sample(np.random.default_rng(2))
    whole = ranks(scores.copy(), pairs_of(right))
    halves = [ranks(scores[s].copy(), pairs_of(right[s])) for s in (np.s_[:13], np.s_[13:])]
    assert joined(halves).items == whole.items
    np.testing.assert_array_equal(joined(halves).expected(), whole.expected())
    order = np.random.default_rng(3).permutation(30)
    np.testing.assert_array_equal(whole.reordered(order).expected(), whole.expected()[order])
    np.testing.assert_array_equal(whole.reordered(order).own, whole.own[order])
