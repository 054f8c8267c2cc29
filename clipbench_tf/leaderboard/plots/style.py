"""How all plots look: sizes, colours and markers for all kinds of colour vision; their files."""

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.figure import Figure

# Okabe and Ito's, without their yellow, which is too light for lines on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK, FAINT, RULE = "#1b1f24", "#57606a", "#d5dbe1"
WIDTH, DPI = 9.0, 150  # inches; a README shows a picture at about two thirds of its dots
SMALL = 8.5  # points, of the smallest letters
_FORMATS = ("png", "svg")
_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # the first is matplotlib's own
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold dollars
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "clipbench_tf",
}


class Look(NamedTuple):
    """Of what belongs to one level of a factor, in all plots."""

    colour: str
    marker: str


def look(number: int) -> Look:
    """That of the level `number`, from 0; colours come again with other markers."""
    return Look(COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)])


@contextmanager
def settings() -> Iterator[None]:
    """Draw and save within it: matplotlib's own defaults, and ours above them."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def lines(text: str, width: int) -> str:
    """A name in at most two lines of about `width` letters; what does not fit is cut off."""
    wrapped = textwrap.wrap(text, width, break_on_hyphens=False) or [""]
    if len(wrapped) > 2:
        wrapped = [wrapped[0], wrapped[1][: width - 1] + "…"]
    return "\n".join(wrapped)


def save(drawn: Figure, folder: Path, stem: str, description: str) -> list[Path]:
    """Writes a figure as PNG and SVG, which has a description; the same gives the same bytes."""
    files = [folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', stem)}.{kind}" for kind in _FORMATS]
    png, svg = files
    drawn.savefig(png, dpi=DPI, metadata={"Software": None})
    drawn.savefig(svg, metadata={"Date": None, "Description": description})
    return files
