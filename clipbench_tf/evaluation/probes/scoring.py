"""Scores pictures against classes block by block, in bounded memory."""

from collections.abc import Callable

import numpy as np

from clipbench_tf.evaluation import accuracy
from clipbench_tf.evaluation.probes.features import Features
from clipbench_tf.evaluation.zero_shot import SplitResult


def scored(
    pictures: Features,
    split: str,
    scores: Callable[[np.ndarray], np.ndarray],
    *,
    classes: int,
    known: np.ndarray,
    block: int = 1024,
) -> SplitResult:
    """The accuracy of a probe; ties count in expectation (`accuracy.top_k_credit`).

    A picture of a class that the probe has not seen counts as wrong. Top-5 accuracy is left out
    where there are no more than five classes.

    Args:
        pictures: the N pictures to score.
        split: where they are from.
        scores: features [B, D] -> [B, C].
        classes: C, the number of classes of the data set.
        known: labels of the classes that the probe has seen, [K].
        block: B, the number of pictures scored together.
    """
    rows = []
    top = [k for k in (1, 5) if k == 1 or k < classes]
    for start in range(0, len(pictures.labels), block):
        some = scores(pictures.values[start : start + block])
        labels = pictures.labels[start : start + block]
        seen = np.isin(labels, known)
        predictions = np.argmax(some, axis=1)
        credits = [accuracy.top_k_credit(some, labels, k) * seen for k in top]
        rows.append((predictions, some[np.arange(len(some)), predictions], *credits))
    predictions, best, *credits = map(np.concatenate, zip(*rows, strict=True))
    return SplitResult(
        split=split,
        classes=classes,
        corrupt=pictures.corrupt,
        places=pictures.places,
        labels=pictures.labels,
        predictions=predictions,
        scores=best,
        credits=dict(zip(top, credits, strict=True)),
    )
