"""Nearest-neighbour probe: the training pictures most similar to a picture vote for its class."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from clipbench_tf.data import sources
from clipbench_tf.evaluation.encoders import Encoders
from clipbench_tf.evaluation.probes.features import (
    Features,
    Told,
    check_apart,
    class_count,
    frozen_splits,
    silent,
)
from clipbench_tf.evaluation.probes.scoring import scored
from clipbench_tf.evaluation.zero_shot import SplitResult

ROWS = 2**26  # bytes of similarities in memory: those of some pictures to all training pictures
EQUAL = 1e-6  # cosines that differ by less are equal: float32 does not tell them apart
DISTINCT = 2**16  # to one part in so many, sums of votes are told apart, for the same reason


@dataclasses.dataclass(frozen=True)
class NeighboursResult:
    """What a nearest-neighbour probe found.

    Attributes:
        result: its accuracy.
        train_split: where the neighbours are from.
        train_pictures: number of pictures among which they were sought.
        train_corrupt: those left out because they cannot be decoded.
        train_classes: number of classes among them.
        neighbours: number of votes, at most `train_pictures`.
        temperature: of the votes.
        feature_kind: what was probed, "pooled" or "embedding".
    """

    result: SplitResult
    train_split: str
    train_pictures: int
    train_corrupt: int
    train_classes: int
    neighbours: int
    temperature: float
    feature_kind: str

    def record(self) -> dict:
        """For a JSON record; fractions in 0..1, 95% intervals."""
        return self.result.record() | {
            "probe": "nearest neighbours",
            "features": self.feature_kind,
            "train_split": self.train_split,
            "train_pictures": self.train_pictures,
            "train_corrupt": self.train_corrupt,
            "train_classes": self.train_classes,
            "neighbours": self.neighbours,
            "temperature": self.temperature,
        }

    def line(self) -> str:
        """One line of text: accuracies with intervals and chance, and counts."""
        out = f", {self.train_corrupt} corrupt left out" if self.train_corrupt else ""
        return (
            f"{self.neighbours} nearest neighbours, {self.result.line()}; sought among "
            f"{self.train_pictures} pictures of {self.train_classes} classes of "
            f"{self.train_split}{out}"
        )


class NearestNeighbours:
    """Weighted k-nearest-neighbour classification of frozen features by cosine, on one split.

    Each of the k training pictures most similar to a picture votes for its class with
    exp(cosine / temperature), as in Wu et al. 2018; the class with most votes wins. Nothing is
    trained, so that it is quick enough for use while a model trains.

    Training pictures tied for the last places among the k share these: each votes with the same
    part. Classes of equal votes are in random order, in expectation. If there are fewer than k
    training pictures, all vote. A class without training pictures is never found, nor is the class
    of a picture whose features are not finite; training pictures of such features do not vote.

    Memory, besides the model's and the features of both splits: a few times `ROWS` bytes, and
    some 16 times where all training pictures are tied.

    Args:
        encoders: the model, in memory or loaded.
        dataset: has both splits, labelled.
        train_split: where neighbours are sought.
        split: the split to score.
        neighbours: k.
        temperature: of the votes; the lower, the more the nearest ones decide.
        batch_size: pictures encoded together.
        at_most: number of pictures of `split` to read, at equal distances; all by default.
        train_at_most: the same of `train_split`.
        told: is told of the progress.

    Raises:
        DatasetError: for a split that does not exist, or two that are the same.
        ValueError: for less than one neighbour, or a temperature not above 0.
    """

    def __init__(
        self,
        encoders: Encoders,
        dataset: sources.Dataset,
        *,
        train_split: str = "train",
        split: str = "test",
        neighbours: int = 20,
        temperature: float = 0.07,
        batch_size: int = 128,
        at_most: int | None = None,
        train_at_most: int | None = None,
        told: Told = silent,
    ) -> None:
        check_apart(dataset, train_split, split)
        if neighbours < 1 or not temperature > 0:
            raise ValueError(
                f"{neighbours} neighbours at temperature {temperature} cannot vote; give 1 or more "
                "neighbours and a temperature above 0."
            )
        self.encoders, self.dataset = encoders, dataset
        self.train_split, self.split = train_split, split
        self.neighbours, self.temperature = neighbours, temperature
        self.batch_size, self.at_most, self.train_at_most = batch_size, at_most, train_at_most
        self.told = told

    def run(self) -> Iterator[tuple[str, float]]:
        """Yields (name, value), e.g. ("nearest_neighbours/test/top1", 0.31)."""
        result = self.results().result
        for k in result.credits:
            yield f"nearest_neighbours/{self.split}/top{k}", result.top(k)

    def results(self) -> NeighboursResult:
        """Encodes both splits with the model's present weights, and scores.

        Raises:
            DatasetError: as `frozen` does.
        """
        train, test = frozen_splits(
            self.encoders,
            self.dataset,
            {self.train_split: self.train_at_most, self.split: self.at_most},
            batch_size=self.batch_size,
            told=self.told,
        )
        return self.of(train, test)

    def of(self, train: Features, test: Features) -> NeighboursResult:
        """The same for features that are already there, as `frozen` makes them."""
        classes = class_count(self.dataset, train, test)
        count, known = len(train.labels), np.unique(train.labels)
        neighbours = min(self.neighbours, count)
        lengths = _lengths(train.values)

        def votes(pictures: np.ndarray) -> np.ndarray:
            with np.errstate(invalid="ignore"):  # of features that are not finite
                cosines = pictures / _lengths(pictures)[:, np.newaxis] @ train.values.T
                cosines /= lengths
            found = _votes(cosines, train.labels, classes, neighbours, self.temperature)
            found[~np.isfinite(pictures).all(axis=1)] = np.nan
            found[:, np.setdiff1d(np.arange(classes), known)] = -np.inf
            return found

        block = min(1024, max(1, ROWS // (4 * max(count, 2 * classes))))
        result = scored(test, self.split, votes, classes=classes, known=known, block=block)
        return NeighboursResult(
            result=result,
            train_split=self.train_split,
            train_pictures=count,
            train_corrupt=train.corrupt,
            train_classes=len(known),
            neighbours=neighbours,
            temperature=self.temperature,
            feature_kind=self.encoders.feature_kind,
        )


def _lengths(features: np.ndarray) -> np.ndarray:
    """Euclidean lengths [N] of features [N, D]; 1 for those of length 0."""
    lengths = np.sqrt(np.einsum("nd,nd->n", features, features))
    return np.where(lengths == 0, np.float32(1), lengths)


def _votes(
    cosines: np.ndarray, labels: np.ndarray, classes: int, neighbours: int, temperature: float
) -> np.ndarray:
    """The votes for each class, float64 [B, C], of the `neighbours` nearest of N.

    Args:
        cosines: float32 [B, N]; values that are not finite are overwritten.
        labels: int64 [N], of the training pictures.
        classes: C.
        neighbours: k, at most N.
        temperature: of the votes.
    """
    batch, count = cosines.shape
    cosines[~np.isfinite(cosines)] = -np.inf
    last = np.partition(cosines, count - neighbours, axis=1)[:, count - neighbours, np.newaxis]
    above = cosines > last + EQUAL
    tied = (cosines >= last - EQUAL) & ~above & (cosines > -np.inf)
    share = (neighbours - above.sum(axis=1)) / np.maximum(tied.sum(axis=1), 1)
    rows, columns = np.nonzero(above | tied)
    shared = tied[rows, columns]
    # Relative to the highest cosine, so that no vote for the winner vanishes.
    nearest = cosines.max(axis=1)[rows].astype(np.float64)
    own = np.where(shared, last[rows, 0], cosines[rows, columns])
    weights = np.exp((own - nearest) / temperature) * np.where(shared, share[rows], 1.0)
    cells = rows * classes + labels[columns]
    votes = np.bincount(cells, weights, minlength=batch * classes).astype(np.float64)
    digits, exponents = np.frexp(votes.reshape(batch, classes))
    return np.ldexp(np.round(digits * DISTINCT) / DISTINCT, exponents)
