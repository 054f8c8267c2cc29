"""The zero-shot result on one split: accuracies with intervals, as numbers and as a line."""

import dataclasses

import numpy as np

from clipbench_tf.evaluation import accuracy
from clipbench_tf.evaluation.scored import Scored

_NAMED = 10  # keys of pictures that cannot be decoded, in a record


def _none() -> np.ndarray:
    return np.zeros([0], np.str_)


def _no_numbers() -> np.ndarray:
    return np.zeros([0])


@dataclasses.dataclass(frozen=True)
class SplitResult:
    """The result on one split; arrays [N] hold one entry for each scored picture.

    `places` is the index of a picture in the split, `credits[k]` its `top_k_credit`,
    `reciprocal_ranks` are there for zero-shot classification alone. Pictures that cannot be decoded
    are not among them: `corrupt` is their number, `corrupt_keys` their names.
    """

    split: str
    classes: int
    corrupt: int
    places: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    scores: np.ndarray  # of the predicted class
    credits: dict[int, np.ndarray]
    keys: np.ndarray = dataclasses.field(default_factory=_none)
    corrupt_keys: np.ndarray = dataclasses.field(default_factory=_none)
    reciprocal_ranks: np.ndarray = dataclasses.field(default_factory=_no_numbers)

    @classmethod
    def of(cls, split: str, classes: int, scored: Scored) -> "SplitResult":
        """The result of the pictures of a split, `scored` against so many `classes`."""
        good = scored.where(scored.valid)
        return cls(
            split=split,
            classes=classes,
            corrupt=len(scored) - len(good),
            places=good.places,
            labels=good.labels,
            predictions=good.predictions,
            scores=good.scores,
            credits={1: good.top1, 5: good.top5},
            keys=good.keys,
            corrupt_keys=scored.keys[~scored.valid],
            reciprocal_ranks=good.reciprocal_rank,
        )

    def top(self, k: int) -> float:
        """Top-`k` accuracy in 0..1; `k` is 1 or 5."""
        return float(self.credits[k].mean())

    def trivial(self, k: int) -> bool:
        """Whether every answer is among the top `k`, as there are no more classes than that."""
        return k >= self.classes

    def record(self) -> dict:
        """Counts and accuracies for a JSON record; fractions in 0..1, 95% intervals.

        With five classes or fewer, top-5 is 1 whatever the model; it stays, so that all records
        have the same fields, and "top5_trivial" says so.
        """
        fields: dict = {"split": self.split, "classes": self.classes}
        fields |= {"scored": len(self.labels), "corrupt": self.corrupt}
        for k in self.credits:
            fields[f"top{k}"] = self.top(k)
            fields[f"top{k}_interval"] = accuracy.wilson(self.top(k), len(self.labels))
            fields[f"top{k}_chance"] = accuracy.chance(k, self.classes)
            fields |= {f"top{k}_trivial": True} if self.trivial(k) else {}
        if len(self.reciprocal_ranks):
            fields["mean_reciprocal_rank"] = float(self.reciprocal_ranks.mean())
            fields["mean_reciprocal_rank_chance"] = accuracy.chance_of_rank(self.classes)
        recall, interval = self._mean_recall()
        fields |= {"mean_per_class_recall": recall, "mean_per_class_recall_interval": interval}
        fields["classes_without_pictures"] = self.classes - len(np.unique(self.labels))
        if self.corrupt:
            fields["corrupt_keys"] = self.corrupt_keys[:_NAMED].tolist()
        return fields

    def line(self) -> str:
        """One line of text: accuracies with intervals and chance, and counts."""
        parts = []
        for k in self.credits:
            if self.trivial(k):
                continue
            low, high = accuracy.wilson(self.top(k), len(self.labels))
            parts.append(
                f"top-{k} {self.top(k):.1%} (95% interval {low:.1%} to {high:.1%}, "
                f"chance {accuracy.chance(k, self.classes):.2%})"
            )
        recall, (low, high) = self._mean_recall()
        parts.append(f"mean per-class recall {recall:.1%} ({low:.1%} to {high:.1%})")
        empty = self.classes - len(np.unique(self.labels))
        without = f", {empty} of them without pictures" if empty else ""
        corrupt = f", {self.corrupt} corrupt left out" if self.corrupt else ""
        return (
            f"{self.split}: {', '.join(parts)}; {len(self.labels)} pictures among "
            f"{self.classes} classes{without}{corrupt}"
        )

    def _mean_recall(self) -> tuple[float, tuple[float, float]]:
        return accuracy.mean_class_recall(self.credits[1], self.labels)
