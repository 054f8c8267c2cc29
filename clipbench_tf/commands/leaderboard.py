"""Prints records of evaluations as a Markdown table.

clipbench-leaderboard runs/*/record.json

Without files: the committed records of the embedded data set, the README's table. With the one
word openclipart: the committed records of two versions of the data, as in the paper's Table 3.
"""

import sys
from pathlib import Path

from clipbench_tf.commands import command_line
from clipbench_tf.leaderboard import table


def main(argv: list[str]) -> None:
    """Reads the named records, or the committed ones, and prints them."""
    form = table.markdown
    files = [_record(Path(name)) for name in argv[1:]] or table.committed("emoji")
    if argv[1:] == ["openclipart"] and not Path("openclipart").exists():
        form, files = table.versions, table.committed("openclipart")
    try:
        print(form([table.read(file) for file in files]))
    except table.RecordError as error:
        sys.exit(f"Error: {error}")


def _record(path: Path) -> Path:
    """`path`, or the record in it if it is a run folder."""
    return path / "record.json" if path.is_dir() else path


def run() -> None:
    """Starts the command."""
    command_line.run(main)
