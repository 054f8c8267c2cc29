"""Training curves against means by hand."""

import dataclasses

import numpy as np

from clipbench_tf.leaderboard.board import Board, Row
from clipbench_tf.leaderboard.plots import style
from clipbench_tf.leaderboard.plots.curves import Curve, curves, over_seeds
from clipbench_tf.leaderboard.plots.parts import Parts
from clipbench_tf.leaderboard.units import accuracy_key
from tests.leaderboard import samples

KEY = "zero_shot/validation/top1"


def with_curves(*curves_of_seeds) -> list:
    return [
        dataclasses.replace(samples.entry(seed=seed), curve=curve)
        for seed, curve in enumerate(curves_of_seeds)
    ]


def test_a_curve_is_the_mean_with_the_lowest_and_the_highest_seed():
    values = np.random.default_rng(1).uniform(size=[3, 4])
    steps = [10, 20, 30, 40]
    seeds = [
        [{"step": s, "loss": float(v)} for s, v in zip(steps, row, strict=True)] for row in values
    ]
    found = over_seeds(Row(with_curves(*seeds)), "loss")
    assert found.steps == steps
    np.testing.assert_allclose(found.mean, values.mean(axis=0))
    np.testing.assert_allclose(found.low, values.min(axis=0))
    np.testing.assert_allclose(found.high, values.max(axis=0))


def test_steps_without_a_finite_number_of_each_seed_are_left_out():
    one = [{"step": 1, "loss": 4.0}, {"step": 2, "loss": float("nan")}, {"step": 3, "loss": 2.0}]
    other = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 3.0}, {"step": 4, "loss": 1.0}]
    assert over_seeds(Row(with_curves(one, other, [])), "loss") == Curve([1], [3.0], [2.0], [4.0])
    assert over_seeds(Row(with_curves([], [])), "loss").steps == []


def test_the_accuracy_asked_for_is_drawn_or_else_top1():
    point = {"step": 1, "loss": 1.0, "zero_shot/validation/top5": 0.5, KEY: 0.2}
    board = Board(with_curves([point]))
    assert accuracy_key(board, "top5") == "zero_shot/validation/top5"
    assert accuracy_key(board, "mean_reciprocal_rank") == KEY
    assert accuracy_key(Board(with_curves([{"step": 1, "loss": 1.0}])), "top1") is None


def test_panels_of_one_quantity_share_their_axis_and_lines_are_in_percent():
    board = Board(samples.entries())
    with style.settings():
        drawn = curves(board, Parts(board), "top1")
    panels = [axes for axes in drawn.axes if axes.lines]
    assert [axes.get_title(loc="left") for axes in panels] == ["ResNet50", "ViT-B/32", "", ""]
    assert panels[0].get_ylim() == panels[1].get_ylim()
    assert panels[2].get_ylim() == panels[3].get_ylim() != panels[0].get_ylim()
    first = panels[0].lines[0].get_ydata()
    finals = np.array([0.1 + 0.004 * ((seed * 7) % 5 - 2) for seed in range(3)])
    np.testing.assert_allclose(first, [100 * finals.mean() / 2, 100 * finals.mean()])
