"""Prints records of evaluations as a Markdown table.

python scripts/leaderboard.py runs/*/record.json

Without files: the committed records of the embedded data set, the README's table.
"""

import sys
from pathlib import Path

from absl import app

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a bare checkout too

from clipbench_tf.leaderboard import table


def main(argv: list[str]) -> None:
    """Reads the named records, or the committed ones, and prints them."""
    files = [Path(name) for name in argv[1:]] or sorted((table.RECORDS / "emoji").glob("*.json"))
    try:
        print(table.markdown([table.read(file) for file in files]))
    except table.RecordError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    app.run(main)
