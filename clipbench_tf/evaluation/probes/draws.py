"""Which training pictures a linear probe is shown, and which of them are held out.

The draws depend on labels and seeds alone, so that every model is shown the same pictures.
"""

import numpy as np

from clipbench_tf.data.epoch_order import permutation


def shots(labels: np.ndarray, count: int, *seeds: int) -> np.ndarray:
    """Rows of `count` pictures of each class, ascending; all of a class that has fewer.

    With the same seeds, more shots are those of fewer and some others.
    """
    return np.flatnonzero(_turns(labels, *seeds) < count)


def hold_out(labels: np.ndarray, fraction: float, *seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Divides rows into (kept, held out), so that each class gives this fraction of its pictures.

    A class of two or more gives at least one; a class of one gives none.
    """
    sizes = np.bincount(labels)
    given = np.where(sizes > 1, np.maximum(1, np.round(sizes * fraction)), 0)
    held = _turns(labels, *seeds) < given[labels]
    return np.flatnonzero(~held), np.flatnonzero(held)


def _turns(labels: np.ndarray, *seeds: int) -> np.ndarray:
    """The number of each picture among those of its class, in random order, int64 [N]."""
    order = permutation(len(labels), *seeds)
    by_class = order[np.argsort(labels[order], kind="stable")]
    sizes = np.bincount(labels)
    turns = np.empty(len(labels), np.int64)
    turns[by_class] = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return turns
