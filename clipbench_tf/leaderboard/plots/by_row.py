"""Accuracy by row: a line for each, grouped by the last factor and coloured by the first."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clipbench_tf.leaderboard.board import Board, Estimate
from clipbench_tf.leaderboard.plots.frame import chance_and_nearness, figure, of_seeds, on_split
from clipbench_tf.leaderboard.plots.parts import Parts
from clipbench_tf.leaderboard.plots.style import FAINT, SMALL, Look, lines
from clipbench_tf.leaderboard.units import Measure

_LETTERS = 34  # of a row's name in a line


def by_row(board: Board, parts: Parts, measure: Measure) -> Figure:
    """Means over seeds from top to bottom, with intervals and the single seeds."""
    groups = parts.grouped(board, parts.group)
    headings = len(groups) if parts.group is not None else 0
    height = 0.7 + 0.27 * (len(board.rows) + headings)
    drawn = figure(board, height=height, notes=[on_split(measure), of_seeds(board)])
    axes = drawn.add_subplot()
    at, names = 0.0, dict[float, str]()
    bold = []
    for level, rows in groups.items():
        if parts.group is not None:
            bold.append(at)
            names[at] = lines(parts.told(parts.group, level), _LETTERS)
            at += 1
        for row in rows:
            estimate = row.estimate(measure.metric, measure.split)
            _line(axes, at, estimate, parts.look(row), measure)
            names[at] = lines(parts.name(row, parts.group), _LETTERS)
            at += 1
        at += 0.35
    axes.set_yticks(list(names), list(names.values()))
    axes.set_ylim(at - 0.65, -0.7)
    for place, label in zip(names, axes.get_yticklabels(), strict=True):
        label.set_fontweight("bold" if place in bold else "normal")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlabel(measure.axis)
    _limits(axes, board, measure)
    return drawn


def _line(axes: Axes, at: float, found: Estimate, look: Look, measure: Measure) -> None:
    colour, marker = look
    seeds = [measure.times * value for value in found.values]
    text = measure.text(found.mean)
    if found.low is not None and found.high is not None:
        ends = [measure.times * found.low, measure.times * found.high]
        axes.plot(ends, [at, at], color=colour, linewidth=2, solid_capstyle="butt")
        text += f"  ({measure.text(found.low)} to {measure.text(found.high)})"
        axes.plot(seeds, [at + 0.32] * len(seeds), ".", color=colour, markersize=4)
    axes.plot([measure.times * found.mean], [at], marker, color=colour, markersize=7)
    axes.text(
        1.015, at, text, transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL + 0.5
    )


def _limits(axes: Axes, board: Board, measure: Measure) -> None:
    """Shows all means and seeds, intervals as far as they are possible, and chance if near."""
    found = [row.estimate(measure.metric, measure.split) for row in board.rows]
    values = [measure.times * value for estimate in found for value in estimate.values]
    ends = [measure.times * v for e in found for v in (e.low, e.high) if v is not None]
    low, high = min(values + ends), max(values + ends)
    low, high = max(low, 0.0), min(high, measure.times)
    if told := chance_and_nearness(board, measure):
        at, near = told
        if near:
            low, high = min(low, at), max(high, at)
            axes.axvline(at, color=FAINT, linestyle="--", linewidth=1.2)
        where = "dashed" if near else "left of the axis"
        axes.set_xlabel(f"{measure.axis}; chance is {at:.2g}{measure.unit}, {where}")
    room = 0.04 * (high - low) or 0.01 * measure.times
    axes.set_xlim(low - room, high + room)
