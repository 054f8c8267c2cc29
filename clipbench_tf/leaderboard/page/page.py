"""Writes the page: one HTML file that needs no other, and no network."""

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.page.columns import PAPER, Bar, Cell, Column, columns
from clipbench_tf.leaderboard.page.details import details

_FOLDER = Path(__file__).parent
_SCRIPTS = ("curves.js", "details.js", "table.js")


def write(boards: Sequence[Board], path: Path) -> None:
    """Writes the page of some suites; the same records give the same bytes.

    Args:
        boards: a table each.
        path: of the HTML file; its folder is made if it is not there.

    Raises:
        RecordError: if records lack a result.
    """
    style = _file("page.css")
    script = "\n".join(_file(name) for name in _SCRIPTS)
    data = [[details(board, row) for row in board.rows] for board in boards]
    names = ", ".join(board.suite.name for board in boards)
    content = Template(_file("page.html")).substitute(
        # What is in the file is all that a browser may run or load.
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        f"img-src data:; base-uri 'none'; form-action 'none'",
        title=escape(f"Leaderboard: {names}"),
        style=style,
        script=script,
        data=_json(data),
        contents=_contents(boards),
        suites="\n".join(_suite(board, number) for number, board in enumerate(boards)),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8"))


def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(data: object) -> str:
    """For a script element, which ends at the first "</script" whatever is around it."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def _contents(boards: Sequence[Board]) -> str:
    """Links to the suites, where there are several."""
    if len(boards) < 2:
        return ""
    links = [
        f'<li><a href="#suite-{n}">{escape(_name(board))}</a></li>'
        for n, board in enumerate(boards)
    ]
    return f'<nav aria-label="Suites"><ul>{"".join(links)}</ul></nav>'


def _name(board: Board) -> str:
    return f"{board.suite.name}: {board.suite.title}"


def _suite(board: Board, number: int) -> str:
    made = columns(board)
    seeds = ", ".join(map(str, board.rows[0].seeds))
    heads = "".join(
        f'<th scope="col" title="{escape(column.about)}"{_kind(column)}>{escape(column.name)}</th>'
        for column in made
    )
    rows = "\n".join(_row(made, n) for n in range(len(board.rows)))
    name, factors = escape(_name(board)), len(board.suite.factors)
    about = f"Scale {board.suite.scale}, seeds {seeds}."
    if any(column.about == PAPER for column in made):
        about += f" Column paper: {PAPER}; compare orders with it, never values."
    return f"""<section id="suite-{number}" data-suite="{number}" data-factors="{factors}">
<h2>{name}</h2>
<p class="about">{escape(about)}</p>
<div class="wide" role="region" tabindex="0" aria-label="{name}">
<table><thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody></table></div></section>"""


def _row(made: Sequence[Column], row: int) -> str:
    cells = "".join(_cell(column, row, first=n == 0) for n, column in enumerate(made))
    return f'<tr data-row="{row}">{cells}</tr>'


def _kind(column: Column) -> str:
    return ' class="number"' if column.numeric else ""


def _cell(column: Column, row: int, *, first: bool) -> str:
    cell = column.cells[row]
    value = "" if cell.value is None else f' data-value="{escape(str(cell.value))}"'
    classes = ["number"] * column.numeric + ["clear"] * cell.clear
    names = f' class="{" ".join(classes)}"' if classes else ""
    tag, scope = ("th", ' scope="row"') if first else ("td", "")
    return f"<{tag}{scope}{names}{value}>{_content(cell, numeric=column.numeric)}</{tag}>"


def _content(cell: Cell, *, numeric: bool) -> str:
    """A text, or a number with its interval in small letters and the bar."""
    number, between, interval = escape(cell.text).partition(" (")
    if not numeric or not between:
        return escape(cell.text) + (_drawn(cell.bar) if cell.bar else "")
    return f"{number} <small>({interval}</small>{_drawn(cell.bar) if cell.bar else ''}"


def _drawn(bar: Bar) -> str:
    """The mean as a bar, its interval as a line over it."""
    line = ""
    if bar.low is not None and bar.high is not None:
        line = f'<rect class="interval" x="{100 * bar.low:.2f}" y="3" height="2" '
        line += f'width="{100 * (bar.high - bar.low):.2f}"/>'
    return (
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="mean" y="1" height="6" width="{100 * bar.mean:.2f}"/>{line}</svg>'
    )
