"""Names beside points, and the axes of cost."""

import dataclasses
import itertools

import numpy as np
import pytest
from matplotlib.text import Annotation, Text

from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.plots import style
from clipbench_tf.leaderboard.plots.cost import cost
from clipbench_tf.leaderboard.plots.parts import Parts
from clipbench_tf.leaderboard.units import measure
from tests.leaderboard import samples


def crowd(count: int) -> list:
    """Rows with long names, near each other."""
    suite = dataclasses.replace(samples.SUITE, factors=("method",), baselines={}, touches={})
    rng = np.random.default_rng(0)
    return [
        samples.entry(
            (f"a method with a long name, {n}",),
            seed,
            float(rng.uniform(0.1, 0.14)),
            suite=suite,
            place=n,
            flops=float(rng.uniform(4, 5) * 1e15),
            minutes=float(rng.uniform(400, 500)),
        )
        for n in range(count)
        for seed in range(2)
    ]


@pytest.mark.parametrize(
    "entries", [samples.entries(), samples.of_depths(), crowd(20), crowd(1)], ids=len
)
def test_no_name_covers_another_one_or_leaves_its_panel(entries):
    board = Board(entries)
    with style.settings():
        drawn = cost(board, Parts(board), measure(board))
        drawn.draw_without_rendering()
        for axes in drawn.axes:
            names = [text for text in axes.texts if isinstance(text, Annotation)]
            assert len(names) == len(board.rows)
            # The extent of the letters alone, without the line that leads there.
            boxes = [Text.get_window_extent(text) for text in names]
            for one, other in itertools.combinations(boxes, 2):
                assert not one.shrunk(0.99, 0.99).overlaps(other.shrunk(0.99, 0.99))
            frame = axes.get_window_extent()
            for box in boxes:
                assert frame.x0 - 1 <= box.x0 and box.x1 <= frame.x1 + 1
                assert frame.y0 - 1 <= box.y0 and box.y1 <= frame.y1 + 1


def test_points_stand_where_cost_and_accuracy_are():
    board = Board(samples.entries())
    with style.settings():
        drawn = cost(board, Parts(board), measure(board))
    for axes, expected in zip(drawn.axes, ([10, 20, 30, 40, 50], [1, 2, 3, 4, 5]), strict=True):
        points = [line.get_xydata()[0] for line in axes.lines if line.get_marker() != "None"]
        np.testing.assert_allclose([x for x, _ in points], expected * 2)
        means = [
            np.mean([entry.run["results"][0]["top1"] for entry in row.entries])
            for row in board.rows
        ]
        np.testing.assert_allclose([y for _, y in points], 100 * np.array(means))


def test_long_trainings_are_told_in_hours_and_large_ones_in_larger_units():
    board = Board(crowd(3))
    with style.settings():
        drawn = cost(board, Parts(board), measure(board))
    labels = [axes.get_xlabel() for axes in drawn.axes]
    assert labels == ["training compute (PFLOP)", "training time (hours)"]
