"""Zero-shot classification of the pictures of a data set."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clipbench_tf.assessment.loaded_model import LoadedModel
from clipbench_tf.assessment.progress import Progress
from clipbench_tf.assessment.task import Options, Outcome
from clipbench_tf.assessment.unfinished.arrays import saved_on_error
from clipbench_tf.assessment.unfinished.partial_scores import PartialScores
from clipbench_tf.data.checksum import texts_checksum
from clipbench_tf.data.sources import Dataset
from clipbench_tf.evaluation.classifier_cache import ClassifierCache
from clipbench_tf.evaluation.reports import confusion_picture, contact_sheet, per_class
from clipbench_tf.evaluation.scored import write_arrays
from clipbench_tf.evaluation.split_result import SplitResult
from clipbench_tf.evaluation.zero_shot import ZeroShot, check_classes

PREDICTIONS = "predictions.npz"
_IN_RECORD, _IN_LINE = 20, 3  # most confused pairs


class ZeroShotTask:
    """Top-1, top-5 and mean per-class recall; see `ZeroShot`."""

    name = "zero_shot"

    def __init__(self, options: Options) -> None:
        self._options = options

    def inputs(self, dataset: Dataset) -> dict[str, Any]:
        """See `Task`."""
        check_classes(dataset)
        return {
            "splits": self._options.chosen(dataset),
            "class_names": texts_checksum(dataset.classes),
            "prompts": texts_checksum(dataset.templates),
        }

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        """See `Task`."""
        return {"templates": list(dataset.templates)}

    def title(self, model: LoadedModel, dataset: Dataset) -> str:
        """See `Task`."""
        return (
            f"Zero-shot on {dataset.name} with {len(dataset.classes)} class names x "
            f"{len(dataset.templates)} prompts, {model.card['scorer']} scores:"
        )

    def run(
        self, model: LoadedModel, dataset: Dataset, folder: Path, progress: Progress
    ) -> Outcome:
        """See `Task`."""
        evaluator = ZeroShot(
            model.encoders,
            dataset,
            splits=self._options.chosen(dataset),
            batch_size=self._options.batch_size,
            cache=ClassifierCache(model.folder, model.checksum),
            copies=model.copies,
            told=progress.show,
        )
        with saved_on_error(PartialScores(folder)) as journal:
            results = evaluator.results(journal)
        return Outcome(
            results=[r.record() | {"most_confused": _pairs(dataset, r)} for r in results],
            lines=[line for result in results for line in _lines(dataset, result)],
            write=functools.partial(_write, dataset, results),
        )


def _pairs(dataset: Dataset, result: SplitResult) -> list[dict[str, Any]]:
    """The most confused pairs by name, for the record."""
    return [
        {
            "true": dataset.classes[pair.true],
            "predicted": dataset.classes[pair.predicted],
            "pictures": pair.pictures,
            "of": pair.of,
        }
        for pair in per_class.confused(result)[:_IN_RECORD]
    ]


def _lines(dataset: Dataset, result: SplitResult) -> list[str]:
    pairs = [
        f"{pair['true']} as {pair['predicted']} ({pair['pictures']} of {pair['of']})"
        for pair in _pairs(dataset, result)[:_IN_LINE]
    ]
    return [result.line(), *[f"  most confused: {', '.join(pairs)}"] * bool(pairs)]


def _write(dataset: Dataset, results: Sequence[SplitResult], folder: Path) -> list[str]:
    write_arrays(folder / PREDICTIONS, predictions(dataset, results))
    per_class.write_classes(folder / "per_class.csv", dataset.classes, results)
    per_class.write_pairs(folder / "confused.csv", dataset.classes, results)
    contact_sheet.write(folder / "predictions.png", dataset, results)
    confusion_picture.write(folder / "confusion.png", dataset.classes, results)
    return [PREDICTIONS, "per_class.csv", "confused.csv", "predictions.png", "confusion.png"]


def predictions(dataset: Dataset, results: Sequence[SplitResult]) -> dict[str, np.ndarray]:
    """The arrays of predictions.npz.

    `classes` are the names [C]. For each split there are, of its N pictures that can be decoded and
    in its order, <split>/key, their names; /place, their index in the split; /label and
    /prediction, numbers of classes; /score, of the predicted class; /top1 and /top5, 1 where the
    answer is right, 0 where it is wrong, between them where scores are equal; /reciprocal_rank, one
    over the rank of the label. <split>/corrupt_key are the names of the pictures that cannot be
    decoded.
    """
    arrays = {"classes": np.array(dataset.classes)}
    for result in results:
        columns = {
            "key": result.keys,
            "place": result.places,
            "label": result.labels,
            "prediction": result.predictions,
            "score": result.scores,
            "top1": result.credits[1],
            "top5": result.credits[5],
            "reciprocal_rank": result.reciprocal_ranks,
            "corrupt_key": result.corrupt_keys,
        }
        arrays |= {f"{result.split}/{name}": column for name, column in columns.items()}
    return arrays
