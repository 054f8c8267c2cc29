from itertools import permutations

import numpy as np
import pytest

from clipbench_tf.evaluation.accuracy import chance, top_k_credit, wilson


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


def test_a_model_that_outputs_constants_gets_chance():
    scores, labels = np.zeros((200, 50), np.float32), np.arange(200) % 50
    assert top_k_credit(scores, labels, 1).mean() == pytest.approx(chance(1, 50))
    assert top_k_credit(scores, labels, 5).mean() == pytest.approx(chance(5, 50))


def test_a_nan_for_any_class_is_wrong():
    nan = np.nan
    scores = np.array([[nan, 0, 0], [2, nan, 0], [nan, nan, nan], [2, 1, 0]], np.float32)
    np.testing.assert_array_equal(top_k_credit(scores, np.zeros(4, int), 3), [0, 0, 0, 1])


def test_chance_never_exceeds_one():
    assert chance(1, 1890) == 1 / 1890
    assert chance(5, 3) == 1


@pytest.mark.parametrize(("right", "count"), [(0, 10), (31, 100), (10, 10), (530.25, 1710)])
def test_wilson_solves_its_equation(right, count):
    z, p = 1.959964, right / count
    # (p - x)^2 = z^2 x (1 - x) / n, as a polynomial in x
    roots = np.roots([1 + z**2 / count, -2 * p - z**2 / count, p**2])
    np.testing.assert_allclose(wilson(p, count), sorted(roots), atol=1e-9)
