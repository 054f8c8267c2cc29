import json
import tracemalloc

import numpy as np
import pytest
from scipy.stats import binomtest

from clipbench_tf.evaluation.comparison import paired
from clipbench_tf.evaluation.comparison.paired import compare, mcnemar

NAMES = ("A", "B")


def credits(both, first_only, second_only, neither):
    """Credits of two models with so many pictures of each kind, in mixed order."""
    pairs = [(1, 1)] * both + [(1, 0)] * first_only + [(0, 1)] * second_only + [(0, 0)] * neither
    return np.random.default_rng(0).permutation(np.array(pairs, float)).T


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (0, 6), (5, 5), (3, 14), (40, 61), (900, 1100)])
def test_the_p_value_is_that_of_an_exact_binomial_test(counts):
    total = sum(counts)
    expected = binomtest(counts[0], total).pvalue if total else 1.0
    assert mcnemar(*counts) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(*counts) == mcnemar(*counts[::-1])


def test_the_p_value_of_a_million_pictures_is_a_number():
    assert mcnemar(500_000, 500_000) == 1
    assert mcnemar(499_000, 501_000) == pytest.approx(binomtest(499_000, 10**6).pvalue, rel=1e-6)
    assert mcnemar(0, 10**6) == 0


@pytest.mark.parametrize("fractional", [False, True])
def test_the_interval_is_that_of_drawing_the_pictures_themselves(fractional):
    rng = np.random.default_rng(1)
    first, second = credits(40, 25, 10, 25)
    if fractional:
        first, second = first * rng.random(100), second * rng.integers(0, 3, size=100) / 2
    rows = rng.integers(0, 100, size=(20_000, 100))
    means = (first[rows] - second[rows]).mean(axis=1)
    found = compare(first, second, names=NAMES, resamples=20_000)
    assert found.interval == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.006)
    assert found.difference == pytest.approx(first.mean() - second.mean())
    assert found.accuracies == (first.mean(), second.mean())


def test_counts_of_whole_and_of_fractional_credits():
    found = compare(*credits(4, 3, 2, 1), names=NAMES)
    assert (found.both, found.first_only, found.second_only, found.neither) == (4, 3, 2, 1)
    first = np.array([0.5, 0.5, 0.5, 1.0, 0.2, 0.0])
    second = np.array([0.5, 0.2, 1.0, 0.5, 0.2, 0.0])
    found = compare(first, second, names=NAMES)
    assert (found.both, found.first_only, found.second_only, found.neither) == (1, 2, 1, 2)
    assert found.p == mcnemar(2, 1)


def test_exchanging_the_models_exchanges_the_answer():
    first, second = credits(50, 30, 8, 12)
    one, other = compare(first, second, names=NAMES), compare(second, first, names=("B", "A"))
    assert (one.verdict, other.verdict) == ("better", "worse")
    assert one.p == other.p
    assert one.difference == -other.difference
    assert one.interval == pytest.approx([-bound for bound in other.interval[::-1]], abs=0.01)


def test_better_needs_both_the_test_and_the_interval():
    few = compare(*credits(5, 5, 0, 0), names=NAMES)
    assert few.interval[0] > 0 and few.p > 0.05 and few.verdict == "cannot be told"
    # Most pictures are slightly better with A, but a few are much worse.
    first, second = np.full(100, 0.6), np.full(100, 0.5)
    second[:15] = 1
    mixed = compare(first, second, names=NAMES)
    assert mixed.p < 1e-9 and mixed.interval[0] < 0 and mixed.verdict == "cannot be told"
    second[:40] = 1
    contrary = compare(first, second, names=NAMES)
    assert contrary.interval[1] < 0 and contrary.first_only > contrary.second_only
    assert contrary.verdict == "cannot be told"


def test_equal_models_are_seldom_told_apart():
    rng = np.random.default_rng(2)
    told = 0
    for number in range(500):
        first, second = rng.random([2, 60]) < 0.6
        found = compare(first, second, names=NAMES, resamples=300, seed=number)
        told += found.verdict != "cannot be told"
    assert told <= 40  # 5% are 25, with a standard deviation of 5; the exact test gives fewer


def test_the_line_answers_in_words():
    line = compare(*credits(50, 30, 8, 12), names=NAMES).line()
    assert line.startswith("A is better than B: 80.0% against 58.0%, difference +22.0 points (95% ")
    assert line.endswith("of 100 pictures 50 both, 30 only A, 8 only B, 12 neither")
    assert compare(*credits(5, 0, 40, 5), names=NAMES).line().startswith("A is worse than B: 10.0%")
    same = compare(*credits(5, 0, 0, 5), names=NAMES)
    assert same.interval == (0, 0) and same.p == 1
    assert same.line().startswith("whether A is better than B cannot be told: 50.0% against 50.0%")
    assert "p < 0.0001" in compare(*credits(0, 90, 0, 0), names=NAMES).line()


def test_the_record_is_json_and_the_same_each_time():
    first = compare(*credits(50, 30, 8, 12), names=NAMES, seed=3)
    record = json.loads(json.dumps(first.record()))
    assert record["names"] == ["A", "B"] and record["verdict"] == "better"
    assert (record["pictures"], record["both"], record["resamples"]) == (100, 50, 10_000)
    assert record["interval"] == list(first.interval) and record["p"] == first.p
    assert "McNemar" in record["rule"]
    assert compare(*credits(50, 30, 8, 12), names=NAMES, seed=3) == first


def test_memory_is_bounded_with_as_many_distinct_differences_as_pictures(monkeypatch):
    monkeypatch.setattr(paired, "_DRAWN", 2**16)
    rng = np.random.default_rng(4)
    first, second = rng.random([2, 2000])
    tracemalloc.start()
    found = compare(first, second, names=NAMES, resamples=2000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20  # all at once are 32 MB
    error = (first - second).std() / np.sqrt(2000)
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * 1.96 * error, rel=0.1)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1, 0], [1], r"A has credits of shape \(2,\) and B of \(1,\)"),
        ([], [], "of at least one"),
        ([[1]], [[1]], "one for each picture"),
        ([1, 0], [1, 1.5], "B has a credit that is not within 0 to 1"),
        ([np.nan, 0], [1, 1], "A has a credit that is not within 0 to 1"),
    ],
)
def test_refuses_credits_that_cannot_be_compared(first, second, message):
    with pytest.raises(ValueError, match=message):
        compare(np.array(first), np.array(second), names=NAMES)
    with pytest.raises(ValueError, match="0 resamples"):
        compare(np.ones(2), np.ones(2), names=NAMES, resamples=0)
