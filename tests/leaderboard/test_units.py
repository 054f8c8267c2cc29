"""Units that people read."""

import pytest

from clipbench_tf.leaderboard import units
from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.entry import RecordError
from tests.leaderboard import samples

BOARD = Board(samples.entries(1))


@pytest.mark.parametrize(
    ("flops", "name"),
    [([3.0], "GFLOP"), ([2e12, 9e11], "TFLOP"), ([1e15], "PFLOP"), ([5e23, 1], "ZFLOP")],
)
def test_the_largest_is_at_least_one_of_its_unit(flops, name):
    unit = units.compute(flops)
    assert unit.name == name
    assert name == "GFLOP" or 1 <= max(flops) / unit.size < 1000


def test_time_is_told_in_minutes_up_to_five_hours():
    assert units.time([60, 299 * 60]) == ("minutes", 60)
    assert units.time([60, 300 * 60]) == ("hours", 3600)


@pytest.mark.parametrize(
    ("metric", "axis", "text", "chance"),
    [
        ("top1", "top-1 accuracy (%)", "12.3", 1 / 1891),
        ("top5", "top-5 accuracy (%)", "12.3", 5 / 1891),
        ("mean_reciprocal_rank", "mean reciprocal rank", "0.123", 0.004),
        ("mean_per_class_recall", "mean per-class recall (%)", "12.3", None),
    ],
)
def test_measures_have_names_for_people(metric, axis, text, chance):
    measure = units.measure(BOARD, metric)
    assert (measure.split, measure.axis, measure.text(0.1234)) == ("test", axis, text)
    assert measure.chance(BOARD) == chance


@pytest.mark.parametrize(
    ("metric", "heading"),
    [("top1", "test top-1 (%)"), ("mean_reciprocal_rank", "test MRR")],
)
def test_columns_have_short_headings(metric, heading):
    assert units.measure(BOARD, metric).heading == heading


def test_the_accelerators_belong_to_a_machine():
    entry = samples.entry()
    assert units.machine(entry) == "2 cores of AMD EPYC (avx2, avx512_bf16)"
    entry.run["hardware"].update(cores=1, accelerators=["A100"] * 2, instructions=[])
    assert units.machine(entry) == "2 A100 and 1 core of AMD EPYC"


@pytest.mark.parametrize(
    ("count", "text"), [(2.5e9, "2.5 GFLOP"), (6.4e14, "640 TFLOP"), (3e22, "30 ZFLOP")]
)
def test_operations_have_a_unit(count, text):
    assert units.operations(count) == text


def test_an_unknown_split_is_refused():
    with pytest.raises(RecordError, match=r"no split 'x'.*'test', 'zero_shot'"):
        units.measure(BOARD, split="x")


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123456, "0.0123"), (1.5, "1.5"), (12.34, "12.3"), (12345.6, "12346")]
)
def test_short_numbers_have_no_exponent(value, text):
    assert units.short(value) == text
