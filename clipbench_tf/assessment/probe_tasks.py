"""Probes of a model's frozen features: a linear one, and nearest neighbours."""

from pathlib import Path
from typing import Any

from clipbench_tf.assessment.loaded_model import LoadedModel
from clipbench_tf.assessment.progress import Progress
from clipbench_tf.assessment.task import Options, Outcome
from clipbench_tf.assessment.unfinished.arrays import Arrays, saved_on_error
from clipbench_tf.assessment.unfinished.kept_encodings import KeptEncodings
from clipbench_tf.data.sources import Dataset
from clipbench_tf.evaluation.probes.features import check_apart, frozen_splits
from clipbench_tf.evaluation.probes.linear_probe import LinearProbe
from clipbench_tf.evaluation.probes.nearest_neighbours import NearestNeighbours

Probe = LinearProbe | NearestNeighbours


class ProbeTask:
    """What is common to the probes: both splits are encoded once, and then it is the probe's turn.

    By default the first of `Dataset.scored` is probed. It takes one device.
    """

    name: str

    def __init__(self, options: Options) -> None:
        self._options = options

    def inputs(self, dataset: Dataset) -> dict[str, Any]:
        """See `Task`."""
        train = self._options.train_split
        for split in self._scored(dataset):
            check_apart(dataset, train, split)
        return {"splits": [train, *self._scored(dataset)]}

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        """See `Task`."""
        return {"train_split": self._options.train_split}

    def title(self, model: LoadedModel, dataset: Dataset) -> str:
        """See `Task`."""
        return f"{self.name.replace('_', ' ').capitalize()} on {dataset.name}:"

    def run(
        self, model: LoadedModel, dataset: Dataset, folder: Path, progress: Progress
    ) -> Outcome:
        """See `Task`."""
        splits, arrays = self._scored(dataset), Arrays(folder)
        with saved_on_error(KeptEncodings(model.encoders, folder)) as encoders:
            train, *tests = frozen_splits(
                encoders,
                dataset,
                dict.fromkeys([self._options.train_split, *splits]),
                batch_size=self._options.batch_size,
                told=progress.show,
            )
            encoders.save()
        results = [
            self._probe(model, dataset, split, progress, arrays).of(train, test)
            for split, test in zip(splits, tests, strict=True)
        ]
        return Outcome(
            results=[result.record() for result in results],
            lines=[line for result in results for line in result.line().splitlines()],
        )

    def _scored(self, dataset: Dataset) -> list[str]:
        chosen = self._options.chosen(dataset)
        return chosen if self._options.splits else chosen[:1]

    def _probe(
        self, model: LoadedModel, dataset: Dataset, split: str, progress: Progress, arrays: Arrays
    ) -> Probe:
        raise NotImplementedError


class LinearProbeTask(ProbeTask):
    """Logistic regression, on all training pictures or k-shot; see `LinearProbe`."""

    name = "linear_probe"

    def inputs(self, dataset: Dataset) -> dict[str, Any]:
        """See `Task`."""
        return super().inputs(dataset) | {"shots": list(self._options.shots)}

    def _probe(
        self, model: LoadedModel, dataset: Dataset, split: str, progress: Progress, arrays: Arrays
    ) -> Probe:
        return LinearProbe(
            model.encoders,
            dataset,
            train_split=self._options.train_split,
            split=split,
            shots=self._options.shots,
            told=progress.show,
            keep=arrays,
        )


class NearestNeighboursTask(ProbeTask):
    """The most similar training pictures vote; see `NearestNeighbours`."""

    name = "nearest_neighbours"

    def _probe(
        self, model: LoadedModel, dataset: Dataset, split: str, progress: Progress, arrays: Arrays
    ) -> Probe:
        return NearestNeighbours(
            model.encoders,
            dataset,
            train_split=self._options.train_split,
            split=split,
            told=progress.show,
        )
