"""Statistics of captions as in Table 2: clipbench-dataset-stats --dataset=emoji --output=stats

Prints a Markdown table with a row for each data set, and the paper's rows for YFCC15M. Writes
histograms of caption lengths and of words (lengths.png, words.png) and all numbers
(statistics.json) to the output folder, where one is given.
"""

import dataclasses
import json
import sys
import time
from pathlib import Path

from absl import flags

from clipbench_tf import tensorflow_log
from clipbench_tf.commands.shared import command_line

_DATASETS = flags.DEFINE_multi_string(
    "dataset", None, "An embedded data set, or any other that is read. Repeatable.", required=True
)
_SPLIT = flags.DEFINE_string("split", "train", "Which split of each data set.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the pictures and statistics.json.")


def main(argv: list[str]) -> None:
    """Measures what the flags say; one line and exit status 1 for what cannot be read."""
    if len(argv) > 1:
        sys.exit(f"Error: {argv[1]!r} is no flag; see --help.")
    with tensorflow_log.suppressed():
        from clipbench_tf.data import sources
        from clipbench_tf.data.statistics import histograms, table2
        from clipbench_tf.data.statistics.measure import measure

    summaries, problems = {}, {}
    try:
        for source in _DATASETS.value:
            dataset = sources.load(source)
            name = dataset.name if dataset.name not in summaries else source
            progress = _Progress(name, dataset.split(_SPLIT.value).examples)
            measured = measure(dataset, _SPLIT.value, progress=progress.show)
            progress.end(measured.problems)
            summaries[name], problems[name] = measured.statistics.result(), measured.problems
    except ValueError as error:  # what the library raises for inputs that cannot be used
        sys.exit(f"Error: {error}")
    print(f"{table2.markdown(summaries)}\n\n{table2.NOTE}")
    if _OUTPUT.value:
        folder = Path(_OUTPUT.value)
        folder.mkdir(parents=True, exist_ok=True)
        histograms.write_lengths(folder / "lengths.png", summaries)
        histograms.write_words(folder / "words.png", summaries)
        fields = {
            name: {"split": _SPLIT.value, "problems": problems[name], **dataclasses.asdict(one)}
            for name, one in summaries.items()
        }
        text = json.dumps(fields, indent=1, ensure_ascii=False)
        (folder / "statistics.json").write_text(text + "\n", encoding="utf-8")


class _Progress:
    """A line on standard error: in place each second on a terminal, else a new one each minute."""

    def __init__(self, name: str, examples: int) -> None:
        self._name, self._examples = name, examples
        self._in_place = sys.stderr.isatty()
        self._shown = time.monotonic()

    def show(self, done: int) -> None:
        now = time.monotonic()
        if now - self._shown >= (1.0 if self._in_place else 60.0):
            self._shown = now
            line = f"{self._name}: {done:,} of {self._examples:,} records"
            print(f"\r{line}" if self._in_place else line, end="", file=sys.stderr, flush=True)
            print(end="" if self._in_place else "\n", file=sys.stderr)

    def end(self, problems: dict[str, int]) -> None:
        if self._in_place:
            print("\r\x1b[K", end="", file=sys.stderr)
        if problems:
            counts = ", ".join(f"{count} {problem}" for problem, count in sorted(problems.items()))
            print(f"{self._name}: records that are no pairs: {counts}.", file=sys.stderr)


def run() -> None:
    """Starts the command."""
    command_line.run(main)
