"""What is around a plot: the suite's title, the key, and where the numbers are from."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.plots.style import DPI, FAINT, SMALL, WIDTH, Look, lines
from clipbench_tf.leaderboard.units import Measure

LineStyle = Literal["-", "--", ":", "-."]
_EDGE = 0.08  # inches around all
_TITLE, _FOOT, _KEY = 0.22, 0.17, 0.2  # inches that a line of each takes
_LETTERS = 24  # of a name in the key, in a line
_ACROSS = 112  # letters of the key beside each other
_NEAR = 2.0  # chance is shown where it is no further off than so many times the spread of seeds


class Key:
    """The names of what is drawn.

    Args:
        looks: colour and marker by name.
        styles: of lines, by name, where they mean something as well.
    """

    def __init__(
        self, looks: Mapping[str, Look], styles: Mapping[str, LineStyle] | None = None
    ) -> None:
        self.handles = [
            Line2D([], [], color=look.colour, marker=look.marker, markersize=6)
            for look in looks.values()
        ]
        styles = styles or {}
        self.handles += [Line2D([], [], color="black", linestyle=s) for s in styles.values()]
        self.names = [lines(name, _LETTERS) for name in (*looks, *styles)]
        longest = max(len(line) for name in self.names for line in name.split("\n"))
        self.columns = max(1, min(len(self.names), _ACROSS // (longest + 7)))
        high = 1 + max(name.count("\n") for name in self.names)
        self.height = _KEY * high * math.ceil(len(self.names) / self.columns) + 0.1


def figure(board: Board, *, height: float, notes: Sequence[str], key: Key | None = None) -> Figure:
    """An empty figure with the suite's title, a key, and with where its numbers are from.

    Args:
        board: whose numbers they are.
        height: in inches, of what is drawn, without title, key and foot.
        notes: how it is to be read.
        key: drawn below the title.
    """
    steps = sorted({int(entry.run["steps"]) for entry in board.entries})
    seeds = len(board.rows[0].seeds)
    facts = [
        f"Suite {board.suite.name}, scale {board.suite.scale}",
        "1 seed" if seeds == 1 else f"{seeds} seeds",
        f"{steps[0]} steps" if len(steps) == 1 else f"{steps[0]} to {steps[-1]} steps",
        *notes,
    ]
    title, foot = textwrap.wrap(board.suite.title, 80), textwrap.wrap("; ".join(facts) + ".", 146)
    top, below = _TITLE * len(title) + _EDGE, _FOOT * len(foot) + _EDGE
    above = top + (key.height if key else 0)
    height += above + below
    made = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(made)
    free = (0, below / height, 1, 1 - (above + below) / height)
    made.set_layout_engine("constrained", rect=free)
    left = _EDGE / WIDTH
    made.text(left, 1 - _EDGE / height, "\n".join(title), va="top", size=12, weight="bold")
    made.text(left, _EDGE / height, "\n".join(foot), va="bottom", size=SMALL, color=FAINT)
    if key:
        legend = made.legend(
            key.handles,
            key.names,
            ncols=key.columns,
            loc="upper left",
            bbox_to_anchor=(0, 1 - top / height),
            borderaxespad=0,
        )
        legend.set_in_layout(False)
    return made


def of_seeds(board: Board) -> str:
    """What lines and small points around a mean are."""
    if len(board.rows[0].seeds) == 1:
        return "one seed has no interval"
    return "lines: 95% interval of the mean over seeds; small points: the seeds"


def on_split(measure: Measure) -> str:
    """What has been measured on."""
    return f"{measure.name} on split {measure.split}"


def chance_and_nearness(board: Board, measure: Measure) -> tuple[float, bool] | None:
    """Chance in the units of the axis, and whether showing it leaves room for what differs."""
    chance = measure.chance(board)
    if chance is None:
        return None
    seeds = [v for row in board.rows for v in row.values(measure.metric, measure.split)]
    spread = max(max(seeds) - min(seeds), 0.02 * max(seeds))
    return measure.times * chance, min(seeds) - chance <= _NEAR * spread
