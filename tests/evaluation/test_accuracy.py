from itertools import permutations

import numpy as np
import pytest

from clipbench_tf.evaluation.accuracy import (
    chance,
    chance_of_rank,
    mean_class_recall,
    reciprocal_rank,
    top_k_credit,
    wilson,
)


def credit_by_lot(scores, label, k):
    """Mean over all orders of the classes of: is the label in the top k of a stable sort?"""
    hits = [
        label in sorted(order, key=lambda c: -scores[c])[:k]
        for order in permutations(range(len(scores)))
    ]
    return np.mean(hits)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_credit_is_the_mean_over_all_ways_to_break_ties(k):
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, size=(40, 5)).astype(np.float32)
    labels = rng.integers(0, 5, size=40)
    expected = [credit_by_lot(row, label, k) for row, label in zip(scores, labels, strict=True)]
    np.testing.assert_allclose(top_k_credit(scores, labels, k), expected)


def test_reciprocal_rank_is_the_mean_over_all_ways_to_break_ties():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, size=(40, 5)).astype(np.float32)
    labels = rng.integers(0, 5, size=40)
    expected = [
        np.mean(
            [
                1 / (1 + sorted(order, key=lambda c: -row[c]).index(label))
                for order in permutations(range(5))
            ]
        )
        for row, label in zip(scores, labels, strict=True)
    ]
    np.testing.assert_allclose(reciprocal_rank(scores, labels), expected)
    constant = reciprocal_rank(np.zeros((3, 50)), np.arange(3))
    np.testing.assert_allclose(constant, chance_of_rank(50))
    assert chance_of_rank(50) == pytest.approx(sum(1 / n for n in range(1, 51)) / 50)


def test_a_model_that_outputs_constants_gets_chance():
    scores, labels = np.zeros((200, 50), np.float32), np.arange(200) % 50
    assert top_k_credit(scores, labels, 1).mean() == pytest.approx(chance(1, 50))
    assert top_k_credit(scores, labels, 5).mean() == pytest.approx(chance(5, 50))


def test_a_nan_for_any_class_is_wrong():
    nan = np.nan
    scores = np.array([[nan, 0, 0], [2, nan, 0], [nan, nan, nan], [2, 1, 0]], np.float32)
    np.testing.assert_array_equal(top_k_credit(scores, np.zeros(4, int), 3), [0, 0, 0, 1])
    np.testing.assert_array_equal(reciprocal_rank(scores, np.zeros(4, int)), [0, 0, 0, 1])


def test_chance_never_exceeds_one():
    assert chance(1, 1890) == 1 / 1890
    assert chance(5, 3) == 1


@pytest.mark.parametrize(("right", "count"), [(0, 10), (31, 100), (10, 10), (530.25, 1710)])
def test_wilson_solves_its_equation(right, count):
    z, p = 1.959964, right / count
    # (p - x)^2 = z^2 x (1 - x) / n, as a polynomial in x
    roots = np.roots([1 + z**2 / count, -2 * p - z**2 / count, p**2])
    np.testing.assert_allclose(wilson(p, count), sorted(roots), atol=1e-9)


def test_mean_recall_weighs_classes_alike_whatever_their_size():
    labels = np.array([3] * 90 + [7] * 10)
    credit = np.array([1.0] * 90 + [0.0] * 5 + [0.5] * 5)
    assert mean_class_recall(credit, labels)[0] == pytest.approx((1 + 0.25) / 2)


def test_mean_recall_of_one_class_is_its_accuracy_with_its_interval():
    credit, labels = np.arange(40) % 4 == 0, np.zeros(40, int)
    mean, interval = mean_class_recall(credit.astype(float), labels)
    assert (mean, interval) == (0.25, wilson(0.25, 40))


@pytest.mark.parametrize("right", [0, 1])
def test_mean_recall_of_all_right_or_all_wrong_has_an_interval_with_width(right):
    mean, (low, high) = mean_class_recall(np.full(30, float(right)), np.arange(30) % 3)
    assert mean == right
    assert high - low > 0.05


@pytest.mark.parametrize("counts", [(5,) * 40, (1,) * 100, (200, 100, 50, 25, 12, 6, 3)])
def test_the_interval_of_mean_recall_holds_the_truth_nineteen_times_in_twenty(counts):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    chances = rng.beta(2, 1, len(counts))  # of each class to be right
    inside = 0
    for _ in range(400):
        credit = (rng.random(len(labels)) < chances[labels]).astype(float)
        low, high = mean_class_recall(credit, labels)[1]
        inside += low <= chances.mean() <= high
    assert inside / 400 > 0.93
