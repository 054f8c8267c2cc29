"""Where the best right item of each query stands among all items; ties count in expectation."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Ranks:
    """The places of the best right items of N queries among `items`; arrays are int64 [N].

    Wrong items with the score of the best right one are in random order with it. A score that is
    NaN is below all others, and a right item never counts as found by it.

    Attributes:
        items: number of items that each query ranks.
        own: how many of them are right.
        higher: how many have a higher score than the best right one, or `items` if that is NaN.
        tied: how many have its score, itself included.
        right: how many of those are right.
    """

    items: int
    own: np.ndarray
    higher: np.ndarray
    tied: np.ndarray
    right: np.ndarray

    def credit(self, k: int) -> np.ndarray:
        """The probability, float64 [N], that a right item is among the first `k`.

        Of `tied` items as many are drawn as there are places left; the chance that all are wrong is
        that of drawing without return.
        """
        places = np.clip(min(k, self.items) - self.higher, 0, self.tied)
        missed = np.ones(len(places))
        for drawn in range(int(places.max(initial=0))):
            wrong = np.maximum(self.tied - self.right - drawn, 0)
            share = wrong / np.maximum(self.tied - drawn, 1)
            missed *= np.where(drawn < places, share, 1.0)
        return 1.0 - missed

    def expected(self) -> np.ndarray:
        """The expected rank of the first right item, float64 [N], from 1 on."""
        return self.higher + (self.tied + 1) / (self.right + 1)

    def by_chance(self) -> "Ranks":
        """The ranks of a model that gives all items the same score."""
        everything = np.full_like(self.own, self.items)
        return Ranks(self.items, self.own, np.zeros_like(self.own), everything, self.own)

    def recall(self, k: int) -> float:
        """R@`k` in 0..1: the mean of `credit`."""
        return float(self.credit(k).mean())

    def median(self) -> float:
        """The median over the queries of `expected`."""
        return float(np.median(self.expected()))

    def reordered(self, order: np.ndarray) -> "Ranks":
        """The ranks of the queries `order`, int64 [N]."""
        arrays = (self.own, self.higher, self.tied, self.right)
        return Ranks(self.items, *(values[order] for values in arrays))


def ranks(scores: np.ndarray, pairs: np.ndarray) -> Ranks:
    """The ranks of B queries by their scores for all M items.

    Args:
        scores: float32 [B, M]; NaN is overwritten.
        pairs: int64 [R, 2], the query and the item of each right pair, each once. Every query has
            one.
    """
    queries, items = pairs.T
    count, candidates = scores.shape
    scores[np.isnan(scores)] = -np.inf
    best = np.full([count], -np.inf, scores.dtype)
    np.maximum.at(best, queries, scores[queries, items])
    lost = best == -np.inf
    higher = np.sum(scores > best[:, np.newaxis], axis=1)
    tied = np.sum(scores == best[:, np.newaxis], axis=1)
    is_best = scores[queries, items] == best[queries]
    right = np.bincount(queries, weights=is_best, minlength=count).astype(np.int64)
    return Ranks(
        items=candidates,
        own=np.bincount(queries, minlength=count),
        higher=np.where(lost, candidates, higher),
        tied=np.where(lost, 1, tied),
        right=np.where(lost, 1, right),
    )


def joined(parts: list[Ranks]) -> Ranks:
    """The ranks of the queries of all `parts`, which rank the same items."""
    names = ("own", "higher", "tied", "right")
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Ranks(items=parts[0].items, **columns)
