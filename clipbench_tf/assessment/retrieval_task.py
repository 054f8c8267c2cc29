"""Retrieval of captions by pictures, and of pictures by captions."""

from pathlib import Path
from typing import Any

from clipbench_tf.assessment.loaded_model import LoadedModel
from clipbench_tf.assessment.progress import Progress
from clipbench_tf.assessment.task import Options, Outcome
from clipbench_tf.assessment.unfinished.arrays import saved_on_error
from clipbench_tf.assessment.unfinished.kept_encodings import KeptEncodings
from clipbench_tf.data.sources import Dataset
from clipbench_tf.evaluation.retrieval.retrieval import Retrieval


class RetrievalTask:
    """R@1, R@5, R@10 and median rank in both directions; see `Retrieval`.

    It takes one device. While it goes on, what the model encodes lies on disk as well.
    """

    name = "retrieval"

    def __init__(self, options: Options) -> None:
        self._options = options

    def inputs(self, dataset: Dataset) -> dict[str, Any]:
        """See `Task`."""
        return {"splits": self._options.chosen(dataset)}

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        """See `Task`."""
        return {}

    def title(self, model: LoadedModel, dataset: Dataset) -> str:
        """See `Task`."""
        return f"Retrieval on {dataset.name}, {model.card['scorer']} scores:"

    def run(
        self, model: LoadedModel, dataset: Dataset, folder: Path, progress: Progress
    ) -> Outcome:
        """See `Task`."""
        with saved_on_error(KeptEncodings(model.encoders, folder)) as encoders:
            results = [
                Retrieval(
                    encoders,
                    dataset,
                    split=split,
                    batch_size=self._options.batch_size,
                    told=progress.show,
                ).results()
                for split in self._options.chosen(dataset)
            ]
        return Outcome(
            results=[result.record() for result in results],
            lines=[result.line() for result in results],
        )
