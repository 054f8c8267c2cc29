"""Turns and summaries with clocks made by hand."""

import pytest

from clipbench_tf.benchmarks.harness.measure import Unit, interleaved, summary


class Clock:
    """Repetitions with given durations, which note that they ran."""

    def __init__(self, name: str, seconds: list[float], order: list[str]) -> None:
        self.name, self.seconds, self.order = name, iter(seconds), order

    def __call__(self) -> float:
        self.order.append(self.name)
        return next(self.seconds)


def test_sides_run_in_turns_and_the_warm_up_is_not_measured():
    order: list[str] = []
    sides = {"ours": Clock("ours", [9, 1, 2], order), "peer": Clock("peer", [8, 3, 4], order)}
    assert interleaved(sides, repetitions=2, warm_ups=1) == {"ours": [1, 2], "peer": [3, 4]}
    assert order == ["ours", "peer"] * 3


def test_without_a_repetition_there_is_no_median():
    with pytest.raises(ValueError, match="at least 1"):
        interleaved({"ours": lambda: 1.0}, repetitions=0)


def test_a_rate_is_work_by_the_median_and_the_faster_has_the_ratio_above_one():
    found = summary({"ours": [1.0, 100.0, 2.0], "peer": [3.0, 6.0, 6.0]}, Unit("pairs/s", 12))
    assert (found["ours"], found["peer"], found["ratio"]) == (6.0, 2.0, 3.0)
    assert (found["unit"], found["repetitions"]) == ("pairs/s", 3)
    assert found["range"] == {"ours": [12.0, 0.12], "peer": [4.0, 2.0]}


def test_of_durations_too_the_faster_has_the_ratio_above_one():
    found = summary({"ours": [0.010], "peer": [0.005]}, Unit("ms"))
    assert (found["ours"], found["peer"], found["ratio"]) == (10.0, 5.0, 0.5)


def test_a_missing_peer_is_null():
    found = summary({"ours": [0.5], "third": [0.25]}, Unit("ms"))
    assert (found["ours"], found["peer"], found["ratio"], found["third"]) == (500, None, None, 250)
