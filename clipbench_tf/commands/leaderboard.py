"""Makes tables, plots and a page of the records that run_suite leaves.

clipbench-leaderboard runs/suites/records --html=leaderboard.html --plots=plots

Prints a Markdown table for each suite in the records, files or folders; by default those that are
shipped, the README's. Records of single training runs (runs/*/record.json) make one plain table.
With the word check before them, it only says which records make no leaderboard, and why.
"""

import json
import sys
from pathlib import Path

from absl import app, flags

from clipbench_tf.commands.shared import command_line
from clipbench_tf.leaderboard import checks, runs, table
from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.entry import RECORDS, Entry, RecordError, read_all
from clipbench_tf.leaderboard.page.page import write as write_page
from clipbench_tf.leaderboard.plots.draw import draw

_SUITE = flags.DEFINE_string("suite", None, "Of all suites in the records, this one alone.")
_CSV = flags.DEFINE_string("csv", None, "A folder for a CSV file of each suite.")
_PLOTS = flags.DEFINE_string("plots", None, "A folder for plots of each suite, PNG and SVG.")
_HTML = flags.DEFINE_string("html", None, "A file for one static page of all suites.")


def main(argv: list[str]) -> None:
    """Reads the records, and prints and writes what is asked for."""
    names = argv[1:]
    checking = names[:1] == ["check"] and not Path("check").exists()
    places = [_place(Path(name)) for name in (names[1:] if checking else names)] or [RECORDS]
    try:
        if not checking and _are_runs(places):
            print(runs.markdown([runs.read(place) for place in places]))
            return
        suites = read_all(places)
        if _SUITE.value:
            suites = {name: some for name, some in suites.items() if name == _SUITE.value}
        if not suites:
            raise RecordError(f"There are no records of suite {_SUITE.value!r}.")
        if checking:
            _check(suites)
        else:
            write({name: Board(some) for name, some in suites.items()})
    except RecordError as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        sys.exit(f"Error: {error.filename}: {error.strerror}. Choose another place.")


def write(boards: dict[str, Board]) -> None:
    """Prints the tables, and writes what the flags ask for."""
    for board in boards.values():
        print(f"\n{table.section(board)}")
    for name, board in boards.items():
        if _CSV.value:
            folder = Path(_CSV.value)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.csv").write_text(table.comma_separated(board), encoding="utf-8")
        if _PLOTS.value:
            draw(board, Path(_PLOTS.value))
    if _HTML.value:
        write_page(list(boards.values()), Path(_HTML.value))


def _check(suites: dict[str, list[Entry]]) -> None:
    bad = {name: checks.complaints(some) for name, some in suites.items()}
    for name, entries in suites.items():
        print(f"{name}: {len(entries)} records, {len(bad[name]) or 'no'} complaints")
        for line in bad[name]:
            print(f"  {line}")
    if any(bad.values()):
        sys.exit(1)


def _are_runs(places: list[Path]) -> bool:
    """Whether these are the records of training runs rather than of suites."""
    if not all(place.is_file() for place in places):
        return False
    try:
        return all("suite" not in json.loads(place.read_text("utf-8")) for place in places)
    except (OSError, ValueError):
        return False


def _place(path: Path) -> Path:
    """`path`, or the record in it if it is a run folder.

    Raises:
        UsageError: if it does not exist.
    """
    if not path.exists():
        raise app.UsageError(f"There is no {path}.")
    record = path / "record.json"
    return record if record.is_file() else path


def run() -> None:
    """Starts the command."""
    command_line.run(main)
