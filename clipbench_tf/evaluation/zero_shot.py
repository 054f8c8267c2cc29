"""Zero-shot classification: each picture gets the class whose prompts are most similar to it."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from clipbench_tf.data import sources
from clipbench_tf.data.images.decoding import FORMATS
from clipbench_tf.data.text.cleaning import clean
from clipbench_tf.evaluation import accuracy
from clipbench_tf.evaluation.classifier_cache import ClassifierCache
from clipbench_tf.evaluation.encoders import Encoders, Representation

_SCORED_TOGETHER = 2**24  # bytes of class representations scored in one call


@dataclasses.dataclass(frozen=True)
class SplitResult:
    """The result on one split; arrays [N] hold one entry for each scored picture.

    `places` is the index of a picture in the split, `credits[k]` its `top_k_credit`.
    """

    split: str
    classes: int
    corrupt: int
    places: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    scores: np.ndarray  # of the predicted class
    credits: dict[int, np.ndarray]

    def top(self, k: int) -> float:
        """Top-`k` accuracy in 0..1; `k` is 1 or 5."""
        return float(self.credits[k].mean())

    def record(self) -> dict:
        """Counts and accuracies for a JSON record; fractions in 0..1, 95% intervals."""
        fields: dict = {"split": self.split, "classes": self.classes}
        fields |= {"scored": len(self.labels), "corrupt": self.corrupt}
        for k in self.credits:
            fields[f"top{k}"] = self.top(k)
            fields[f"top{k}_interval"] = accuracy.wilson(self.top(k), len(self.labels))
            fields[f"top{k}_chance"] = accuracy.chance(k, self.classes)
        return fields

    def line(self) -> str:
        """One line of text: accuracies with intervals and chance, and counts."""
        parts = []
        for k in self.credits:
            low, high = accuracy.wilson(self.top(k), len(self.labels))
            parts.append(
                f"top-{k} {self.top(k):.1%} (95% interval {low:.1%} to {high:.1%}, "
                f"chance {accuracy.chance(k, self.classes):.2%})"
            )
        corrupt = f", {self.corrupt} corrupt left out" if self.corrupt else ""
        return (
            f"{self.split}: {', '.join(parts)}; {len(self.labels)} pictures among "
            f"{self.classes} classes{corrupt}"
        )


class ZeroShot:
    """Zero-shot accuracy of a model on splits of a data set.

    Args:
        encoders: the model, in memory or loaded.
        dataset: has the pictures, the class names and the default templates.
        splits: names of the splits to score.
        templates: prompts with `{}` for the class name; by default those of the data set.
        batch_size: pictures encoded together.
        prompt_batch: prompts encoded together.
        cache: where encoded classes are kept between evaluations.

    Raises:
        DatasetError: for a split that does not exist, or a data set without class names.
    """

    def __init__(
        self,
        encoders: Encoders,
        dataset: sources.Dataset,
        *,
        splits: Sequence[str] = ("test", "zero_shot"),
        templates: Sequence[str] | None = None,
        batch_size: int = 128,
        prompt_batch: int = 512,
        cache: ClassifierCache | None = None,
    ) -> None:
        if not dataset.classes:
            raise sources.DatasetError(
                f"Data set {dataset.name} has no class names; zero-shot needs a labelled one."
            )
        for split in splits:
            dataset.split(split)
        self.encoders, self.dataset, self.splits = encoders, dataset, tuple(splits)
        self.templates = tuple(templates or dataset.templates)
        self.batch_size, self.prompt_batch, self.cache = batch_size, prompt_batch, cache

    def run(self) -> Iterator[tuple[str, float]]:
        """Yields (name, value), e.g. ("zero_shot/test/top1", 0.31)."""
        for result in self.results():
            for k in result.credits:
                yield f"zero_shot/{result.split}/top{k}", result.top(k)

    def results(self) -> list[SplitResult]:
        """Scores every split against the classes of the data set.

        Raises:
            DatasetError: if a split has no picture that can be decoded, or a label that names
                no class.
        """
        classifier = Classifier(
            self.encoders, self.dataset.classes, self.templates, self.prompt_batch, self.cache
        )
        with sources.explained(self.dataset.name) as failed:
            return [self._score(name, classifier, failed) for name in self.splits]

    def _score(
        self, name: str, classifier: "Classifier", failed: Callable[[Exception], None]
    ) -> SplitResult:
        rows, bad = [], []
        for places, images, labels in self._batches(name, failed):
            representation, valid = self.encoders.represent_images(images)
            valid = valid.numpy()
            labels = labels.numpy()[valid]
            self._check(labels, name)  # a record that cannot be read has none
            bad.append(places.numpy()[~valid])
            scores = classifier.scores(representation)[valid]
            predictions = np.argmax(scores, axis=1)
            rows.append(
                (
                    places.numpy()[valid],
                    labels,
                    predictions,
                    scores[np.arange(len(labels)), predictions],
                    *(accuracy.top_k_credit(scores, labels, k) for k in (1, 5)),
                )
            )
        if not sum(len(row[0]) for row in rows):
            raise sources.DatasetError(
                f"Split {name} of data set {self.dataset.name} has no picture that can be "
                f"decoded ({sum(map(len, bad))} tried) as {FORMATS}; rebuild the data set."
            )
        places, labels, predictions, scores, top1, top5 = map(
            np.concatenate, zip(*rows, strict=True)
        )
        return SplitResult(
            split=name,
            classes=len(self.dataset.classes),
            corrupt=sum(map(len, bad)),
            places=places,
            labels=labels,
            predictions=predictions,
            scores=scores,
            credits={1: top1, 5: top5},
        )

    def batches(self, split: str) -> tf.data.Dataset:
        """Batches of (index in the split int64 [B], encoded image string [B], label int64 [B])."""
        return self._batches(split, lambda error: None)

    def _batches(self, split: str, failed: Callable[[Exception], None]) -> tf.data.Dataset:

        def fields(place: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, ...]:
            example = sources.parse(record)
            return place, example["image"], example["label"]

        records = sources.records(self.dataset.split(split), failed=failed).enumerate()
        return records.map(fields).batch(self.batch_size).prefetch(2)

    def _check(self, labels: np.ndarray, split: str) -> None:
        wrong = labels[(labels < 0) | (labels >= len(self.dataset.classes))]
        if len(wrong):
            raise sources.DatasetError(
                f"Split {split} of data set {self.dataset.name} holds the label {wrong[0]}, but "
                f"classes are 0 to {len(self.dataset.classes) - 1}; choose a labelled split."
            )


class Classifier:
    """Encodes class names in templates, and scores pictures against all classes.

    Names and templates are cleaned as captions are when data is prepared (`cleaning.clean`).

    `parts` are the representations of the classes, permuted by `order` and split into chunks.

    Args:
        encoders: the model.
        names: of the C classes.
        templates: T prompts with `{}` for the class name.
        prompt_batch: prompts encoded together.
        cache: where `parts` are read from and stored.
    """

    def __init__(
        self,
        encoders: Encoders,
        names: Sequence[str],
        templates: Sequence[str],
        prompt_batch: int = 512,
        cache: ClassifierCache | None = None,
    ) -> None:
        self.encoders = encoders
        names, templates = [clean(name) for name in names], [clean(text) for text in templates]
        # Similar lengths together: a chunk of prompts is encoded at the length of its longest.
        self.order = np.argsort([len(name) for name in names], kind="stable")
        self.inverse = np.argsort(self.order)
        self.parts: list[Representation] = (
            cache.parts(names, templates, lambda: self._encode(names, templates, prompt_batch))
            if cache
            else self._encode(names, templates, prompt_batch)
        )

    def _encode(
        self, names: Sequence[str], templates: Sequence[str], prompt_batch: int
    ) -> list[Representation]:
        prompts = np.array(
            [[t.replace("{}", names[i]) for t in templates] for i in self.order], dtype=object
        )
        size = max(1, prompt_batch // len(templates))
        chunks = [
            self.encoders.represent_classes(tf.constant(prompts[start : start + size], tf.string))
            for start in range(0, len(names), size)
        ]
        return _joined(chunks)

    def scores(self, images: Representation) -> np.ndarray:
        """Similarities of B pictures to the C classes, float32 [B, C]."""
        scores = [self.encoders.score(images, part).numpy() for part in self.parts]
        return np.concatenate(scores, axis=1)[:, self.inverse]


def _joined(chunks: list[Representation]) -> list[Representation]:
    """Concatenates successive chunks of equal shapes up to `_SCORED_TOGETHER` bytes."""
    groups: list[list[Representation]] = []
    size, shapes = 0, None
    for chunk in chunks:
        own = {name: value.shape[1:] for name, value in chunk.items()}
        more = sum(value.dtype.size * int(tf.size(value)) for value in chunk.values())
        if own != shapes or size + more > _SCORED_TOGETHER:
            groups.append([])
            size, shapes = 0, own
        groups[-1].append(chunk)
        size += more
    return [{name: tf.concat([c[name] for c in g], axis=0) for name in g[0]} for g in groups]
