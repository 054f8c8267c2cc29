"""What can be evaluated of a model on a data set."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from clipbench_tf.assessment.loaded_model import LoadedModel
from clipbench_tf.assessment.progress import Progress
from clipbench_tf.data.sources import Dataset


class Options(NamedTuple):
    """What a task is asked for.

    Attributes:
        splits: which to evaluate on; by default `Dataset.scored`.
        batch_size: pictures encoded together.
        train_split: what probes learn from.
        shots: of linear probes: pictures of each class to learn from, or None for all of them.
    """

    splits: Sequence[str] | None = None
    batch_size: int = 128
    train_split: str = "train"
    shots: Sequence[int | None] = (None,)

    def chosen(self, dataset: Dataset) -> list[str]:
        """The splits of `dataset` to evaluate on.

        Raises:
            DatasetError: for one that does not exist.
        """
        names = list(self.splits or dataset.scored())
        for name in names:
            dataset.split(name)
        return names


class Outcome(NamedTuple):
    """What came of an evaluation.

    Attributes:
        results: for the record, as JSON values.
        lines: to print.
        write: writes the other files into a folder, and returns their names.
    """

    results: list[dict[str, Any]]
    lines: list[str]
    write: Callable[[Path], list[str]] = lambda folder: []


class Task(Protocol):
    """One kind of evaluation, made from `Options`; a new one is a class more in `assess.TASKS`."""

    name: str

    def inputs(self, dataset: Dataset) -> dict[str, Any]:
        """What decides the result besides the model and the pictures, as JSON values.

        Among them is "splits", the names of the splits that are read.

        Raises:
            DatasetError: if this cannot be done with `dataset`; found without reading it.
        """

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        """More about the inputs for the record, for people."""

    def title(self, model: LoadedModel, dataset: Dataset) -> str:
        """A line to print before it begins."""

    def run(
        self, model: LoadedModel, dataset: Dataset, folder: Path, progress: Progress
    ) -> Outcome:
        """Evaluates.

        Args:
            model: is loaded when it is used.
            dataset: as for `inputs`.
            folder: where to keep what is done, so that a killed evaluation goes on; what lies there
                is of the same inputs.
            progress: is told how far it is.

        Raises:
            ExportError, DatasetError, OSError: for what cannot be read.
        """
