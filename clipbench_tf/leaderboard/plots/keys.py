"""The key of a plot's lines, above it."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clipbench_tf.leaderboard.plots.style import Look, lines

_LETTERS = 24  # of a name in a line


def key_above(
    drawn: Figure, looks: Mapping[str, Look], styles: Mapping[str, str] | None = None
) -> None:
    """Draws it.

    Args:
        looks: colour and marker by name.
        styles: of lines, by name, where they mean something as well.
    """
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, markersize=6, label=name)
        for name, look in looks.items()
    ]
    handles += [
        Line2D([], [], color="black", linestyle=style, label=name)
        for name, style in (styles or {}).items()
    ]
    names = [lines(str(handle.get_label()), _LETTERS) for handle in handles]
    longest = max(len(line) for name in names for line in name.split("\n"))
    drawn.legend(
        handles,
        names,
        loc="outside upper left",
        ncols=max(1, min(len(names), 110 // (longest + 6))),
    )
