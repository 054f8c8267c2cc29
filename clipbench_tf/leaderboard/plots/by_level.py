"""Accuracy against a factor of numbers, one line for each level of the first factor."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from clipbench_tf.leaderboard.board import Board, Row
from clipbench_tf.leaderboard.plots.frame import (
    Key,
    chance_and_nearness,
    figure,
    of_seeds,
    on_split,
)
from clipbench_tf.leaderboard.plots.parts import Parts
from clipbench_tf.leaderboard.plots.style import FAINT, lines
from clipbench_tf.leaderboard.units import Measure

_LOG_FROM = 8.0  # the ratio of the highest level to the lowest from which on the axis is one
_ASIDE, _SEEDS = 0.02, 0.008  # of the axis: from one line's points to the next's, to the seeds


def by_level(board: Board, parts: Parts, measure: Measure) -> Figure:
    """Means over seeds with intervals; a panel for each level of whatever factors remain."""
    if parts.axis is None:
        raise ValueError("The suite has no factor of numbers; use by_row.")
    panels: dict[str, list[Row]] = {}
    for row in board.rows:
        panels.setdefault(parts.name(row, parts.axis, parts.colour), []).append(row)
    across = min(len(panels), 3)
    down = math.ceil(len(panels) / across)
    key = (
        Key({str(v): look for v, look in parts.looks.items()}) if parts.colour is not None else None
    )
    notes = [on_split(measure), of_seeds(board)]
    drawn = figure(board, height=0.4 + 3.0 * down, notes=notes, key=key)
    grid = drawn.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (name, rows) in zip(grid, panels.items(), strict=False):
        axes.set_title(lines(name, 90 // across))
        _panel(axes, rows, parts, measure)
        axes.set_xlabel(parts.factors[parts.axis])
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes in grid[::across]:
        axes.set_ylabel(measure.axis)
    _axis(grid[0], [row.levels[parts.axis] for row in board.rows])
    _chance(list(grid[: len(panels)]), board, measure)
    return drawn


def _panel(axes: Axes, rows: Sequence[Row], parts: Parts, measure: Measure) -> None:
    number = {look: n for n, look in enumerate(parts.looks.values())}
    levels = [_level(row, parts) for row in rows]
    log = _is_log(levels)
    for look in number:
        mine = sorted(
            (row for row in rows if parts.look(row) == look), key=lambda r: _level(r, parts)
        )
        aside = _ASIDE * (number[look] - (len(number) - 1) / 2)
        span = math.log(max(levels) / min(levels)) if log else max(levels) - min(levels)
        at = [_aside(_level(row, parts), aside * span, log) for row in mine]
        found = [row.estimate(measure.metric, measure.split) for row in mine]
        means = [measure.times * estimate.mean for estimate in found]
        axes.plot(at, means, marker=look.marker, color=look.colour, markersize=7, linewidth=1.6)
        for x, estimate in zip(at, found, strict=True):
            if estimate.low is not None and estimate.high is not None:
                ends = [measure.times * estimate.low, measure.times * estimate.high]
                axes.plot([x, x], ends, color=look.colour, linewidth=2, alpha=0.6)
                seeds = [measure.times * value for value in estimate.values]
                beside = _aside(x, _SEEDS * span, log)
                axes.plot([beside] * len(seeds), seeds, ".", color=look.colour, markersize=4)
    axes.grid(axis="y")


def _aside(level: float, by: float, log: bool) -> float:
    return level * math.exp(by) if log else level + by


def _level(row: Row, parts: Parts) -> float:
    assert parts.axis is not None
    return float(row.levels[parts.axis])


def _is_log(levels: Sequence[float]) -> bool:
    return min(levels) > 0 and max(levels) / min(levels) >= _LOG_FROM


def _axis(axes: Axes, levels: Sequence[object]) -> None:
    """Ticks at the levels that there are; the panels share it."""
    names = {float(str(level)): str(level) for level in levels}
    if _is_log(list(names)):
        axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(names)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(list(names), list(names.values()))


def _chance(panels: Sequence[Axes], board: Board, measure: Measure) -> None:
    """A dashed line where it is not so far below that it would press the lines together."""
    told = chance_and_nearness(board, measure)
    if told is None:
        return
    at, near = told
    text = f"chance {at:.2g}{measure.unit}"
    for axes in panels:
        if near:
            axes.axhline(at, color=FAINT, linestyle="--", linewidth=1.2)
        text_at = (0.99, at) if near else (0.99, 0.01)
        transform = axes.get_yaxis_transform() if near else axes.transAxes
        axes.text(
            *text_at,
            text if near else f"{text}, below the axis",
            transform=transform,
            ha="right",
            va="bottom",
            color=FAINT,
        )
        axes.set_ylim(bottom=max(axes.get_ylim()[0], -0.02 * measure.times))
