"""Accuracy against what the training cost: operations, and time on the machine."""

import statistics
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from clipbench_tf.leaderboard import units
from clipbench_tf.leaderboard.board import Board, Row
from clipbench_tf.leaderboard.plots.frame import figure, on_split
from clipbench_tf.leaderboard.plots.labels import label
from clipbench_tf.leaderboard.plots.parts import Parts
from clipbench_tf.leaderboard.plots.style import lines
from clipbench_tf.leaderboard.units import Measure

_LETTERS = 30  # of a row's name in a line
_LOG_FROM = 20.0  # the ratio of the highest cost to the lowest from which on the axis is one


def cost(board: Board, parts: Parts, measure: Measure) -> Figure:
    """Two panels that share the axis of accuracy, each row named at its point."""
    many = max(0, len(board.rows) - 8)
    notes = [on_split(measure), "means over seeds, with 95% intervals", _machine(board)]
    if len(board.rows[0].seeds) == 1:
        notes[1] = "one seed has no interval"
    drawn = figure(board, height=4.0 + 0.16 * many, notes=notes)
    panels = drawn.subplots(1, 2, sharey=True)
    flops = [statistics.mean(entry.flops for entry in row.entries) for row in board.rows]
    seconds = [
        statistics.mean(entry.run["wall_time_seconds"] for entry in row.entries)
        for row in board.rows
    ]
    of_flops, of_seconds = units.compute(flops), units.time(seconds)
    found = [row.estimate(measure.metric, measure.split) for row in board.rows]
    panels[0].set_ylabel(measure.axis)
    panels[0].set_title("by compute")
    panels[1].set_title("by wall time")
    for axes, values, unit, name in (
        (panels[0], flops, of_flops, "training compute"),
        (panels[1], seconds, of_seconds, "training time"),
    ):
        axes.set_xlabel(f"{name} ({unit.name})")
        _points(axes, board.rows, parts, measure, [value / unit.size for value in values])
    _vertical(panels[0], board, measure)
    drawn.draw_without_rendering()
    drawn.set_layout_engine("none")  # names are placed in what is now final
    names = [lines(parts.name(row), _LETTERS) for row in board.rows]
    means = [measure.times * estimate.mean for estimate in found]
    bars = [
        (measure.times * e.low, measure.times * e.high)
        for e in found
        if e.low is not None and e.high is not None
    ]
    for axes, values, unit in zip(panels, (flops, seconds), (of_flops, of_seconds), strict=True):
        points = [(value / unit.size, mean) for value, mean in zip(values, means, strict=True)]
        label(axes, points, names, bars=bars)
    return drawn


def _points(
    axes: Axes, rows: Sequence[Row], parts: Parts, measure: Measure, costs: Sequence[float]
) -> None:
    for row, x in zip(rows, costs, strict=True):
        found, look = row.estimate(measure.metric, measure.split), parts.look(row)
        if found.low is not None and found.high is not None:
            ends = [measure.times * found.low, measure.times * found.high]
            axes.plot([x, x], ends, color=look.colour, linewidth=1.6, alpha=0.45)
        axes.plot([x], [measure.times * found.mean], look.marker, color=look.colour, markersize=7)
    low, high = min(costs), max(costs)
    axes.grid()
    if low > 0 and high / low >= _LOG_FROM:
        axes.set_xscale("log")
        axes.set_xlim(low / 2, high * 3)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 200 else (1,)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: units.short(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, (1.25 * high) or 1)


def _vertical(axes: Axes, board: Board, measure: Measure) -> None:
    """Intervals are shown as far as they are possible."""
    values = [
        measure.times * value
        for row in board.rows
        for value in row.values(measure.metric, measure.split)
    ]
    low, high = axes.get_ylim()
    room = 0.08 * (high - low)
    room_of_one = 0.1 * max(values) or 0.01 * measure.times
    if max(values) == min(values):
        room = max(room, room_of_one)
    axes.set_ylim(max(low - room, -0.02 * measure.times), min(high + room, 1.02 * measure.times))


def _machine(board: Board) -> str:
    """On what the times were taken, where it was the same for all."""
    found = {units.machine(entry) for entry in board.entries}
    return "times are of different machines" if len(found) > 1 else f"times on {found.pop()}"
