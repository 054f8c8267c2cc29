"""Top-k accuracy with ties broken at random, in expectation, and its confidence interval."""

import numpy as np


def top_k_credit(scores: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """The probability, float64 [B], that each label is in the top `k` with ties in random order.

    Without ties it is 0 or 1. Constant scores get exactly chance; a row of `scores` [B, C] with
    a NaN gets 0.
    """
    own = scores[np.arange(len(labels)), labels][:, np.newaxis]
    higher = np.sum(scores > own, axis=1)
    tied = np.maximum(np.sum(scores == own, axis=1), 1)  # a NaN does not even equal itself
    credit = np.clip((k - higher) / tied, 0.0, 1.0)
    return np.where(np.isnan(scores).any(axis=1), 0.0, credit)


def chance(k: int, classes: int) -> float:
    """Expected top-`k` accuracy of guessing among so many `classes`."""
    return min(k / classes, 1.0)


def wilson(fraction: float, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval (1927) for a `fraction` right of `count`; 95% at the default z."""
    center = fraction + z * z / (2 * count)
    half = z * np.sqrt(fraction * (1 - fraction) / count + z * z / (4 * count * count))
    whole = 1 + z * z / count
    return float(max(0.0, (center - half) / whole)), float(min(1.0, (center + half) / whole))
