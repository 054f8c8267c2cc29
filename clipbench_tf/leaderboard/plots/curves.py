"""Training curves: validation accuracy and loss by step."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clipbench_tf.leaderboard.board import Board, Row
from clipbench_tf.leaderboard.plots.frame import Key, LineStyle, figure
from clipbench_tf.leaderboard.plots.parts import Parts
from clipbench_tf.leaderboard.plots.style import Look, lines
from clipbench_tf.leaderboard.units import Measure, accuracy_key, measure

_STYLES: tuple[LineStyle, ...] = ("-", "--", ":", "-.")
_ACROSS = 4  # groups beside each other


class Curve(NamedTuple):
    """What seeds of a row did by step."""

    steps: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]


def over_seeds(row: Row, key: str) -> Curve:
    """`key` of a row's curves, at the steps at which each seed that has it has a finite number."""
    seeds = []
    for entry in row.entries:
        points = {int(point["step"]): point.get(key) for point in entry.curve}
        known = {n: float(v) for n, v in points.items() if v is not None and math.isfinite(v)}
        if known:
            seeds.append(known)
    steps = sorted(set.intersection(*map(set, seeds))) if seeds else []
    at = [[seed[step] for seed in seeds] for step in steps]
    return Curve(
        steps, [statistics.mean(v) for v in at], [min(v) for v in at], [max(v) for v in at]
    )


def curves(board: Board, parts: Parts, metric: str) -> Figure | None:
    """Means over seeds by step, a column for each group of rows; None where there are no curves."""
    key = accuracy_key(board, metric)
    wanted = [name for name in (key, "loss") if name and _any(board, name)]
    if not wanted:
        return None
    groups = parts.grouped(board, parts.group)
    notes = ["losses of different methods are sums of different terms"]
    if len(board.rows[0].seeds) > 1:
        notes.insert(0, "lines: means over seeds; bands: lowest to highest seed")
    alone = len(groups) == 1
    across = len(wanted) if alone else min(len(groups), _ACROSS)
    down = 1 if alone else len(wanted) * math.ceil(len(groups) / across)
    drawn = figure(board, height=0.5 + 2.2 * down, notes=notes, key=_key(board, parts))
    grid = drawn.subplots(down, across, sharex=True, squeeze=False)
    for number, (level, rows) in enumerate(groups.items()):
        for n, name in enumerate(wanted):
            block, column = divmod(number, across)
            axes = grid[0, n] if alone else grid[len(wanted) * block + n, column]
            _panel(axes, rows, name, board, parts)
            if alone or column == 0:
                axes.set_ylabel(_heading(name, board))
            if n == 0 and parts.group is not None:
                axes.set_title(lines(parts.told(parts.group, level), 100 // across))
            if alone or n == len(wanted) - 1:
                axes.set_xlabel("step")
                axes.tick_params(labelbottom=True)
    for n in range(len(wanted)):
        _share([grid[0, n]] if alone else list(grid[n :: len(wanted)].ravel()))
    return drawn


def _panel(axes: Axes, rows: Sequence[Row], name: str, board: Board, parts: Parts) -> None:
    styles = _styles(board, parts)
    times = 1.0 if name == "loss" else _measure(name, board).times
    for row in rows:
        style = styles[parts.name(row, parts.colour, parts.group)]
        _draw(axes, over_seeds(row, name), parts.look(row), style, times)
    axes.grid()


def _key(board: Board, parts: Parts) -> Key | None:
    styles = {name: style for name, style in _styles(board, parts).items() if name}
    looks = {} if parts.colour is None else {str(v): look for v, look in parts.looks.items()}
    return Key(looks, styles) if len(looks) + len(styles) > 1 else None


def _any(board: Board, key: str) -> bool:
    return any(over_seeds(row, key).steps for row in board.rows)


def _measure(key: str, board: Board) -> Measure:
    return measure(board, key.rpartition("/")[2])


def _heading(key: str, board: Board) -> str:
    if key == "loss":
        return "training loss"
    return f"{key.split('/')[1]} {_measure(key, board).axis}"


def _styles(board: Board, parts: Parts) -> dict[str, LineStyle]:
    """Of lines, by the levels of the factors that neither colour nor panel tell."""
    names = dict.fromkeys(parts.name(row, parts.colour, parts.group) for row in board.rows)
    return {name: _STYLES[n % len(_STYLES)] for n, name in enumerate(names)}


def _draw(axes: Axes, curve: Curve, look: Look, style: LineStyle, times: float) -> None:
    if not curve.steps:
        return
    mean, low, high = ([times * v for v in some] for some in curve[1:])
    axes.fill_between(curve.steps, low, high, color=look.colour, alpha=0.18, linewidth=0)
    axes.plot(
        curve.steps,
        mean,
        color=look.colour,
        linestyle=style,
        linewidth=1.6,
        marker=look.marker,
        markersize=5,
        markevery=max(1, len(mean) // 8),
    )


def _share(panels: Sequence[Axes]) -> None:
    """Gives panels of one quantity one axis of it, and removes those of no group."""
    used = [axes for axes in panels if axes.lines]
    limits = [axes.get_ylim() for axes in used]
    for axes in panels:
        if axes in used:
            axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        elif not axes.get_ylabel() and not axes.get_title() and not axes.get_xlabel():
            axes.remove()
