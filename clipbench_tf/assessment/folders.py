"""Where evaluations lie: a folder for each model, data set and task."""

import itertools
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clipbench_tf import record
from clipbench_tf.assessment.provenance import differences

_RECORD, _UNFINISHED, _INPUTS = "record.json", "unfinished", "inputs.json"


class OutputError(ValueError):
    """A folder cannot be written, or read; the message names it and the remedy."""


def folders(
    models: Sequence[Path], datasets: Sequence[str], tasks: Sequence[str], output: Path | None
) -> dict[tuple[int, int, int], Path]:
    """The folder of each evaluation, by the numbers of its model, data set and task.

    Without `output` it is `evaluation-<data set>` beside the model, with it `output` itself, or
    `<model>/<data set>` in it where there are several. "-<task>" follows for all but zero_shot.
    Names that would be the same become longer (`unique_names`).
    """
    of_models = model_names(models)
    of_datasets = unique_names([dataset.partition("?")[0] for dataset in datasets])
    alone = len(models) * len(datasets) * len(tasks) == 1
    homes = [model.resolve().parent for model in models]
    found = {}
    for (m, model), (d, dataset), (t, task) in itertools.product(
        enumerate(of_models), enumerate(of_datasets), enumerate(tasks)
    ):
        name = dataset if task == "zero_shot" else f"{dataset}-{task}"
        if output is not None:
            found[m, d, t] = output if alone else output / model / name
        else:  # several models may lie in one folder
            own = f"{model}-{name}" if homes.count(homes[m]) > 1 else name
            found[m, d, t] = homes[m] / f"evaluation-{own}"
    return found


def model_names(models: Sequence[Path]) -> list[str]:
    """A name for each model; `saved_model` folders go by that of the run."""
    paths = [model.resolve() for model in models]
    return unique_names([str(p.parent if p.name == "saved_model" else p) for p in paths])


def unique_names(paths: Sequence[str]) -> list[str]:
    """A name for each path, fit for a folder: its last part, or as many as tell it from the others.

    Equal paths, as of one folder with different options, are numbered from the second on.
    """
    parts = [re.split(r"[/\\]+", str(Path(path).resolve()).strip("/")) for path in paths]
    for count in range(1, max(map(len, parts)) + 1):
        names = [_fit("-".join(own[-count:])) for own in parts]
        if len(set(names)) == len(set(map(tuple, parts))):
            break
    seen: dict[str, int] = {}
    for number, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        names[number] = name if seen[name] == 1 else f"{name}-{seen[name]}"
    return names


def _fit(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", name).strip("-") or "root"


class EvaluationFolder:
    """The folder of one evaluation: its record and files, and while it goes on, what is done.

    That lies in `unfinished/`, and so do the files until all are written: an earlier evaluation
    stays whole until there is another.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.record = path, path / _RECORD
        self._unfinished = path / _UNFINISHED

    def finished(self, inputs: Mapping[str, Any]) -> tuple[dict[str, Any] | None, list[str]]:
        """The record if it is of `inputs`, or else None and in what it differs, for people.

        There is nothing to tell if there is no record.
        """
        if not self.record.exists():
            return None, []
        try:
            kept = json.loads(self.record.read_text(encoding="utf-8"))
            before, files = kept["inputs"], kept["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return None, ["form of the record"]
        if changed := differences(before, inputs):
            return None, changed
        missing = [name for name in files if not (self.path / name).is_file()]
        return (None, missing) if missing else (kept, [])

    def claim(self, inputs: Mapping[str, Any]) -> tuple[Path, bool]:
        """A folder for what is done, and whether some of the same `inputs` may be there already.

        Raises:
            OutputError: if it cannot be written.
        """
        text = json.dumps(inputs)
        known = self._unfinished / _INPUTS
        try:
            if known.is_file() and known.read_text(encoding="utf-8") == text:
                return self._unfinished, True
            shutil.rmtree(self._unfinished, ignore_errors=True)
            self._unfinished.mkdir(parents=True)
            known.write_text(text, encoding="utf-8")
        except OSError as error:
            raise unwritable(self.path, error) from error
        return self._unfinished, False

    def finish(self, facts: dict[str, Any], write: Callable[[Path], list[str]]) -> list[str]:
        """Writes the files and the record `facts`, in place of earlier ones; returns their names.

        Args:
            facts: the names of the files are added, as "files".
            write: writes the other files into a folder, and returns their names.

        Raises:
            OutputError: if there is no room, or the folder cannot be written.
        """
        try:
            names = write(self._unfinished)
            record.write({**facts, "files": names}, self._unfinished / _RECORD)
            self.record.unlink(missing_ok=True)  # until its files are all of one time
            for name in (*names, _RECORD):
                os.replace(self._unfinished / name, self.path / name)
        except OSError as error:
            raise unwritable(self.path, error) from error
        shutil.rmtree(self._unfinished, ignore_errors=True)
        return [*names, _RECORD]


def unwritable(folder: Path, error: OSError) -> OutputError:
    """An error that names `folder` and why it cannot be written."""
    return OutputError(
        f"Cannot write into {str(folder)!r}: {error.strerror}. Give another --output."
    )
