"""What is kept of each scored picture, and files of it."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np


@dataclasses.dataclass(frozen=True)
class Scored:
    """Pictures of a split in its order, arrays [N]; those that cannot be decoded are among them.

    Attributes:
        places: index in the split, int64.
        keys: names, as the data set has them, str.
        valid: whether the picture can be decoded, bool; where it cannot, what follows is -1 or 0.
        labels: number of the true class, int64.
        predictions: number of the class with the highest score, int64.
        scores: of the predicted class, float32.
        top1: `accuracy.top_k_credit` with k = 1, float64.
        top5: the same with k = 5.
        reciprocal_rank: `accuracy.reciprocal_rank`, float64.
    """

    places: np.ndarray
    keys: np.ndarray
    valid: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    scores: np.ndarray
    top1: np.ndarray
    top5: np.ndarray
    reciprocal_rank: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def where(self, chosen: np.ndarray) -> "Scored":
        """The pictures that are `chosen`, bool [N]."""
        return Scored(*(column[chosen] for column in self._columns()))

    def columns(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        names = [field.name for field in dataclasses.fields(self)]
        return dict(zip(names, self._columns(), strict=True))

    def _columns(self) -> list[np.ndarray]:
        return [getattr(self, field.name) for field in dataclasses.fields(self)]


def joined(parts: Sequence[Scored]) -> Scored:
    """One after another; at least one."""
    columns = [part.columns() for part in parts]
    return Scored(*(np.concatenate([c[name] for c in columns]) for name in columns[0]))


def write_arrays(path: Path, arrays: dict[str, np.ndarray], *, compressed: bool = True) -> None:
    """Writes a .npz file, whole or not at all; equal arrays make equal bytes.

    Raises:
        OSError: if it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            write = np.savez_compressed if compressed else np.savez
            write(file, allow_pickle=False, **arrays)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)  # one that is cut short may fill the disk
