"""Zero-shot classification: each picture gets the class whose prompts are most similar to it."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from clipbench_tf.data import sources
from clipbench_tf.data.images.decoding import FORMATS
from clipbench_tf.data.readers.labelled.duplicates import duplicates, permitted
from clipbench_tf.evaluation import accuracy
from clipbench_tf.evaluation.classifier import Classifier
from clipbench_tf.evaluation.classifier_cache import ClassifierCache
from clipbench_tf.evaluation.encoders import Encoders
from clipbench_tf.evaluation.in_turn import in_turn
from clipbench_tf.evaluation.scored import Scored, joined
from clipbench_tf.evaluation.split_result import SplitResult

Batch = Sequence[tf.Tensor]  # places, encoded pictures, labels, keys
Told = Callable[[str, int, int], None]  # what is counted, how many are done, and of how many


class Copy(NamedTuple):
    """A copy of the model on a device of its own, such as "GPU:1"."""

    device: str | None
    encoders: Encoders


class Journal:
    """Where scored pictures are kept, so that a killed evaluation goes on. This one keeps none."""

    def kept(self, split: str) -> list[Scored]:
        """What was scored of `split` before: whole batches, from the first picture on."""
        return []

    def keep(self, split: str, scored: Sequence[Scored]) -> None:
        """Takes all batches that are `scored` of `split` by now."""


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
        copies: of the model, to which batches of pictures go in turn; by default `encoders` alone.
        told: is told how far the evaluation is.
        memory: bytes of encoded pictures of a split that are kept, so that they are not read again
            when the same is evaluated again. A split with more is read each time.

    Raises:
        DatasetError: for a split that does not exist, or classes that cannot be told apart (see
            `check_classes`).
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
        copies: Sequence[Copy] = (),
        told: Told = lambda what, done, total: None,
        memory: int = 0,
    ) -> None:
        check_classes(dataset)
        for split in splits:
            dataset.split(split)
        self.encoders, self.dataset, self.splits = encoders, dataset, tuple(splits)
        self.templates = tuple(templates or dataset.templates)
        self.batch_size, self.prompt_batch, self.cache = batch_size, prompt_batch, cache
        self._copies, self._told = tuple(copies) or (Copy(None, encoders),), told
        self._memory, self._kept = memory, dict[str, list[Batch]]()

    def run(self) -> Iterator[tuple[str, float]]:
        """Yields (name, value), e.g. ("zero_shot/test/top1", 0.31)."""
        for result in self.results():
            for k in result.credits:
                yield f"zero_shot/{result.split}/top{k}", result.top(k)

    def results(self, journal: Journal | None = None) -> list[SplitResult]:
        """Scores every split against the classes of the data set.

        Args:
            journal: has what was scored before, and is given all that is scored.

        Raises:
            DatasetError: if a split has no picture that can be decoded, or a label that names
                no class.
        """
        classifier = Classifier(
            self.encoders,
            self.dataset.classes,
            self.templates,
            self.prompt_batch,
            self.cache,
            functools.partial(self._told, "prompts"),
        )
        classifiers = [classifier.on(*copy) for copy in self._copies]
        kept = journal or Journal()
        with sources.explained(self.dataset.name) as failed:
            return [self._score(name, classifiers, kept, failed) for name in self.splits]

    def _score(
        self,
        name: str,
        classifiers: Sequence[Classifier],
        journal: Journal,
        failed: Callable[[Exception], None],
    ) -> SplitResult:
        parts = journal.kept(name)
        done, total = sum(map(len, parts)), self.dataset.split(name).examples
        self._told(f"{name} pictures", done, total)
        workers = [
            functools.partial(self._score_batch, name, classifier, copy.device)
            for classifier, copy in zip(classifiers, self._copies, strict=True)
        ]
        with self._opened(name, failed, done) as batches:
            for part in in_turn(batches, workers):
                parts.append(part)
                done += len(part)
                journal.keep(name, parts)
                self._told(f"{name} pictures", done, total)
        if not any(part.valid.any() for part in parts):
            raise sources.DatasetError(
                f"Split {name} of data set {self.dataset.name} has no picture that can be "
                f"decoded ({done} tried) as {FORMATS}; rebuild the data set."
            )
        return SplitResult.of(name, len(self.dataset.classes), joined(parts))

    def _score_batch(
        self, split: str, classifier: Classifier, device: str | None, batch: Batch
    ) -> Scored:
        places, images, labels, keys = batch
        with tf.device(device):
            representation, decoded = classifier.encoders.represent_images(images)
            scores, valid = classifier.scores(representation), decoded.numpy()
        labels = np.where(valid, labels.numpy(), -1)  # a record that cannot be read has none
        self._check(labels[valid], split)
        predictions = np.where(valid, np.argmax(scores, axis=1), -1)
        best = scores[np.arange(len(scores)), predictions]
        credit1, credit5 = (accuracy.top_k_credit(scores, labels, k) for k in (1, 5))
        reciprocal = accuracy.reciprocal_rank(scores, labels)
        return Scored(
            places=places.numpy(),
            keys=np.array([key.decode("utf-8", "backslashreplace") for key in keys.numpy()]),
            valid=valid,
            labels=labels,
            predictions=predictions,
            scores=np.where(valid, best, np.float32(0)),
            top1=np.where(valid, credit1, 0.0),
            top5=np.where(valid, credit5, 0.0),
            reciprocal_rank=np.where(valid, reciprocal, 0.0),
        )

    @contextlib.contextmanager
    def _opened(
        self, split: str, failed: Callable[[Exception], None], start: int
    ) -> Iterator[Iterable[Batch]]:
        """Yields the batches from the picture `start` on, from memory if they are there."""
        if split in self._kept and not start:
            yield self._kept[split]
            return
        stop = threading.Event()
        with sources.iterated(self._batches(split, failed, start, stop.is_set), stop) as batches:
            yield self._keeping(split, batches) if self._memory and not start else batches

    def _keeping(self, split: str, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yields the `batches` of a whole split, and keeps them if there is memory for them."""
        kept, left = list[Batch](), self._memory
        for batch in batches:
            yield batch
            left -= sum(map(len, batch[1].numpy()))
            if left >= 0:
                kept.append(batch)
            else:
                kept.clear()
        if left >= 0:
            self._kept[split] = kept

    def batches(self, split: str) -> tf.data.Dataset:
        """Batches of (index in the split int64 [B], encoded image string [B], label int64 [B])."""
        return self._batches(split, lambda error: None).map(lambda *batch: batch[:3])

    def _batches(
        self,
        split: str,
        failed: Callable[[Exception], None],
        start: int = 0,
        stopped: Callable[[], bool] = lambda: False,
    ) -> tf.data.Dataset:
        """Batches as in `batches`, with the keys, string [B]; from the picture `start` on."""

        @tf.autograph.experimental.do_not_convert
        def fields(place: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, ...]:
            example = sources.parse(record)
            return place, example["image"], example["label"], example["key"]

        records = sources.records(
            self.dataset.split(split), start=start, failed=failed, stopped=stopped
        )
        return records.enumerate(start).map(fields).batch(self.batch_size).prefetch(2)

    def _check(self, labels: np.ndarray, split: str) -> None:
        wrong = labels[(labels < 0) | (labels >= len(self.dataset.classes))]
        if len(wrong):
            raise sources.DatasetError(
                f"Split {split} of data set {self.dataset.name} holds the label {wrong[0]}, but "
                f"classes are 0 to {len(self.dataset.classes) - 1}; choose a labelled split."
            )


def check_classes(dataset: sources.Dataset) -> None:
    """Refuses a data set whose classes a zero-shot classifier cannot tell apart.

    CLIP's list for ImageNet may have its two names that stand twice (`permitted`).

    Raises:
        DatasetError: if it has no class names, only one, or the same twice.
    """
    if not dataset.classes:
        raise sources.DatasetError(
            f"Data set {dataset.name} has no class names; zero-shot needs a labelled one."
        )
    if len(dataset.classes) == 1:
        raise sources.DatasetError(
            f"Data set {dataset.name} has one class only, {dataset.classes[0]!r}: every answer "
            f"would be right; zero-shot needs two or more."
        )
    if not permitted(dataset.classes):
        name, (first, second, *_) = next(iter(duplicates(dataset.classes).items()))
        ids = dataset.ids or dataset.classes
        raise sources.DatasetError(
            f"The classes {ids[first]!r} and {ids[second]!r} (numbers {first} and {second}) of "
            f"data set {dataset.name} are both called {name!r} in prompts, so that no answer can "
            f"be right for both; give each a name of its own."
        )
