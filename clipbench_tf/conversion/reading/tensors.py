"""Tensors that lie in files: where each is, and reading one of them at a time."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import ml_dtypes
import numpy as np

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)

_TO_FLOAT32 = (np.dtype(np.float16), BFLOAT16, np.dtype(np.float64))
_MOST_DIMENSIONS = 32
# A view may repeat what is stored (stride 0), up to so many elements: a crafted file that stores
# one number can so declare no tensor that fills the memory.
_MOST_REPEATED = 1 << 24


class CheckpointFormatError(ValueError):
    """A file that cannot be read as a checkpoint; the message names it and the remedy."""


class Problem(Exception):
    """What is wrong with a file: a sentence whose subject, the name of the file, is left out."""


@dataclasses.dataclass(eq=False)
class Storage:
    """A stretch of a file that tensors are views of.

    Attributes:
        dtype: of its elements, unless a tensor has its own.
        size: bytes of it.
        path: the file.
        start: the byte of it at which the first element begins.
        swapped: whether the bytes of an element are in the order that this machine does not use.
    """

    dtype: np.dtype
    size: int
    path: Path = Path()
    start: int = 0
    swapped: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor as a view of a storage; `offset` and `strides` count elements.

    Raises:
        Problem: if it is no view, or leaves the storage, or is larger than all that is stored.
    """

    storage: Storage
    dtype: np.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.strides)
        if (
            any(type(number) is not int or number < 0 for number in numbers)
            or len(self.shape) != len(self.strides)
            or len(self.shape) > _MOST_DIMENSIONS
        ):
            raise Problem("describes a tensor by what are no sizes. Download it again.")
        # A 0 among the sizes makes a tensor empty, whatever the others are.
        largest = math.prod(max(size, 1) for size in self.shape)
        stored = self.storage.size // self.dtype.itemsize
        if largest > max(stored, _MOST_REPEATED):
            raise Problem(
                f"declares a tensor of {self.sizes()} elements and stores {stored} for it. "
                f"It is damaged, or made to fill the memory: download it again, from a source that "
                f"you trust."
            )
        if self._span and self.offset + self._span > stored:
            raise Problem(
                f"has a tensor of {self.sizes()} elements that reaches beyond the {stored} stored "
                f"for it. It is damaged: download it again."
            )

    @property
    def _span(self) -> int:
        """Elements from the first to the last that is used, in the file; 0 if there are none."""
        if 0 in self.shape:
            return 0
        return 1 + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))

    def sizes(self) -> str:
        """The shape for messages, such as "2 x 3"."""
        return " x ".join(map(str, self.shape)) or "1"

    def read(self) -> np.ndarray:
        """Its values, read from the file.

        Raises:
            Problem: if the file has become shorter.
        """
        storage, width = self.storage, self.dtype.itemsize
        start = storage.start + self.offset * width if self._span else 0
        values = np.fromfile(storage.path, self.dtype, count=self._span, offset=start)
        if len(values) < self._span:
            raise Problem("has become shorter since it was opened. Open it again.")
        if storage.swapped:
            values = values.view(f"u{width}").byteswap().view(self.dtype)
        strides = tuple(step * width for step in self.strides)
        view = np.lib.stride_tricks.as_strided(values, self.shape, strides)
        dtype = np.dtype(np.float32) if self.dtype in _TO_FLOAT32 else self.dtype
        return np.require(view, dtype, ["C", "W"])


class Tensors(Mapping[str, np.ndarray]):
    """The tensors of a checkpoint by name, in its order; each is read when it is asked for.

    `tensors[name]` is a new array: floating point as float32, everything else as it is stored.
    Names, `shape` and `dtype` read nothing.

    Attributes:
        beside: names of what else was in the file (such as "optimizer" and "epoch"), sorted. What
            stands in the state dict itself and is no tensor is among them.
    """

    def __init__(self, stored: Mapping[str, StoredTensor], beside: tuple[str, ...] = ()) -> None:
        self._stored = dict(stored)
        self.beside = tuple(sorted(beside))

    def shape(self, name: str) -> tuple[int, ...]:
        return self._stored[name].shape

    def dtype(self, name: str) -> np.dtype:
        """As it is stored; bfloat16 is ml_dtypes's."""
        return self._stored[name].dtype

    def stored(self, name: str) -> StoredTensor:
        """Where the tensor lies."""
        return self._stored[name]

    def __getitem__(self, name: str) -> np.ndarray:
        stored = self._stored[name]
        try:
            return stored.read()
        except Problem as problem:
            raise CheckpointFormatError(f"{stored.storage.path} {problem}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)
