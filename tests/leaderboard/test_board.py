"""Means over seeds, their intervals, and gains, against numbers by hand."""

import dataclasses
import math

import numpy as np
import pytest

from clipbench_tf.leaderboard.board import Board, over_seeds
from clipbench_tf.leaderboard.entry import RecordError
from tests.leaderboard.samples import ROWS, entries, entry, of_depths

# Two-sided 95% quantiles of Student's t with 1, 2 and 4 degrees of freedom, from printed tables.
T = {2: 12.706, 3: 4.303, 5: 2.776}


@pytest.mark.parametrize("values", [[0.2, 0.3], [0.21, 0.2, 0.25], [5.0, 1.0, 2.0, 2.5, 7.0]])
def test_the_interval_is_students(values):
    found = over_seeds(values)
    half = T[len(values)] * np.std(values, ddof=1) / math.sqrt(len(values))
    assert found.mean == pytest.approx(np.mean(values))
    assert (found.low, found.high) == pytest.approx(
        (found.mean - half, found.mean + half), rel=3e-3
    )


def test_one_seed_has_no_interval():
    assert over_seeds([0.3])[:3] == (0.3, None, None)


def test_a_gain_is_taken_seed_by_seed():
    made = [entry(ROWS[0], seed, value) for seed, value in enumerate((0.10, 0.20, 0.30))]
    made += [entry(ROWS[1], seed, v, place=1) for seed, v in enumerate((0.12, 0.21, 0.33))]
    board = Board(made[::-1])
    clip, slip = board.rows
    assert board.gain(clip, "method", "top1", "test") is None
    gain = board.gain(slip, "method", "top1", "test")
    assert gain.values == pytest.approx((0.02, 0.01, 0.03))
    assert gain.high - gain.mean == pytest.approx(4.303 * 0.01 / math.sqrt(3), rel=1e-3)
    # The rows themselves are known ten times worse than their difference.
    apart = slip.estimate("top1", "test")
    assert apart.high - apart.mean > 9 * (gain.high - gain.mean)


def test_the_base_of_a_row_differs_in_one_factor():
    board = Board(of_depths())
    rows = {row.levels: row for row in board.rows}
    assert board.base(rows["DeFILIP", 3], "method") is rows["CLIP", 3]
    assert board.base(rows["DeFILIP", 3], "text layers") is rows["DeFILIP", 12]
    assert board.base(rows["CLIP", 12], "text layers") is None
    without = Board([e for e in of_depths() if e.row != ("DeFILIP", 12)])
    assert without.base(without.rows[5], "text layers") is None
    assert without.gain(without.rows[5], "text layers", "top1", "test") is None


def test_rows_keep_the_order_of_the_suite():
    assert [row.levels for row in Board(entries()[::-1]).rows] == ROWS


def test_records_that_do_not_fit_together_are_refused():
    some = entries()
    with pytest.raises(RecordError, match="two records of CLIP, ResNet50, seed 0"):
        Board([*some, some[0]])
    with pytest.raises(RecordError, match=r"SLIP, ResNet50 has seeds \[0, 1\], the first row has"):
        Board([e for e in some if (e.row, e.seed) != (ROWS[1], 2)])
    with pytest.raises(RecordError, match="of suite table5"):
        Board([*some, of_depths()[0]])
    other = dataclasses.replace(some[-1], run={**some[-1].run, "results": []})
    with pytest.raises(RecordError, match="DeFILIP, ViT-B/32, seed 2 has other splits"):
        Board([*some[:-1], other])
    with pytest.raises(RecordError, match="There are no records"):
        Board([])
