"""Top-k accuracy and reciprocal rank, ties broken at random in expectation, and mean recall."""

import numpy as np


def top_k_credit(scores: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """The probability, float64 [B], that each label is in the top `k` with ties in random order.

    Without ties it is 0 or 1. Constant scores get exactly chance; a row of `scores` [B, C] with
    a NaN gets 0.
    """
    higher, tied = _places(scores, labels)
    credit = np.clip((k - higher) / tied, 0.0, 1.0)
    return np.where(np.isnan(scores).any(axis=1), 0.0, credit)


def reciprocal_rank(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The expectation, float64 [B], of one over each label's rank with ties in random order.

    Its mean over pictures is the mean reciprocal rank, which also tells near misses apart. A row of
    `scores` [B, C] with a NaN gets 0.
    """
    higher, tied = _places(scores, labels)
    sums = _harmonic(scores.shape[1])
    mean = (sums[higher + tied] - sums[higher]) / tied
    return np.where(np.isnan(scores).any(axis=1), 0.0, mean)


def _places(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many classes score higher than each label, and how many like it, itself among them."""
    own = scores[np.arange(len(labels)), labels][:, np.newaxis]
    tied = np.sum(scores == own, axis=1)
    return np.sum(scores > own, axis=1), np.maximum(tied, 1)  # a NaN does not even equal itself


def _harmonic(count: int) -> np.ndarray:
    """Sums of 1/1 to 1/n for n from 0 to `count`."""
    return np.concatenate([[0.0], np.cumsum(1 / np.arange(1, count + 1))])


def chance_of_rank(classes: int) -> float:
    """Expected reciprocal rank of guessing among so many `classes`."""
    return float(_harmonic(classes)[-1] / classes)


def chance(k: int, classes: int) -> float:
    """Expected top-`k` accuracy of guessing among so many `classes`."""
    return min(k / classes, 1.0)


def wilson(fraction: float, count: float, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval (1927) for a `fraction` right of `count`; 95% at the default z."""
    center = fraction + z * z / (2 * count)
    half = z * np.sqrt(fraction * (1 - fraction) / count + z * z / (4 * count * count))
    whole = 1 + z * z / count
    return float(max(0.0, (center - half) / whole)), float(min(1.0, (center + half) / whole))


def mean_class_recall(credit: np.ndarray, labels: np.ndarray) -> tuple[float, tuple[float, float]]:
    """The mean over classes of the mean top-1 `credit` [N] of their pictures, and its 95% interval.

    Classes without pictures are left out. Where all classes have equally many pictures, the mean is
    the top-1 accuracy.

    The interval is Wilson's at an effective number of pictures, the smaller of two: Kish's (1965)
    for pictures that weigh as little as their class is large, K^2 / sum(1 / n_c), and the one whose
    binomial spread is that of the mean of the K recalls, m (1 - m) / (s^2 / K), with their mean m
    and standard deviation s. So it is never narrower than the interval of as many independent
    pictures, and counts classes that differ as a sample of many: rather too wide than too narrow.
    """
    _, index = np.unique(labels, return_inverse=True)
    counts = np.bincount(index)
    recalls = np.bincount(index, weights=credit) / counts
    mean = float(np.clip(recalls.mean(), 0.0, 1.0))
    effective = float(len(recalls) ** 2 / np.sum(1 / counts))
    spread = recalls.var(ddof=1) / len(recalls) if len(recalls) > 1 else 0.0
    if spread > 0:
        effective = min(effective, float(mean * (1 - mean) / spread))
    return mean, wilson(mean, effective)
