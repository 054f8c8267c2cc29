"""Representations of many items in blocks: in memory, or in a temporary file beyond a limit."""

import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf

from clipbench_tf.evaluation.encoders import Representation

BLOCK = 2**24  # bytes of a block

Arrays = dict[str, np.ndarray]


class StoreError(ValueError):
    """There is no room for representations; the message has the remedy."""


class Store:
    """Representations in the order in which they were added, in blocks of some `BLOCK` bytes.

    Its temporary file has no name where the system allows that, so that it is gone when the
    process is, however that ends.

    Args:
        memory: bytes of representations that are kept in memory; the others go into the file.

    Raises:
        StoreError: when representations are added that the disk has no room for.
    """

    def __init__(self, memory: int) -> None:
        self._left = memory
        self._blocks: list[Arrays | _OnDisk] = []
        self._sizes: list[int] = []
        self._waiting: list[Arrays] = []  # of the same shapes, to be joined to one block
        self._file: BinaryIO | None = None

    def __len__(self) -> int:
        return sum(self._sizes) + sum(map(_items, self._waiting))

    def add(self, representation: Representation) -> None:
        """Adds some items."""
        arrays = {name: value.numpy() for name, value in representation.items()}
        if self._waiting and (
            _shapes(arrays) != _shapes(self._waiting[0])
            or sum(map(_bytes, self._waiting)) + _bytes(arrays) > BLOCK
        ):
            self._close_block()
        self._waiting.append(arrays)

    def blocks(self) -> Iterator[Representation]:
        """The blocks, in order; one at a time is in memory beside those that are always there."""
        self._close_block()
        for block in self._blocks:
            arrays = block.read() if isinstance(block, _OnDisk) else block
            yield {name: tf.constant(value) for name, value in arrays.items()}

    def slices(self, items: int) -> Iterator[Representation]:
        """The blocks, cut into pieces of at most so many `items`."""
        for block in self.blocks():
            for start in range(0, _items(block), items):
                yield {name: value[start : start + items] for name, value in block.items()}

    def close(self) -> None:
        """Forgets everything, and removes the file."""
        self._blocks, self._sizes, self._waiting = [], [], []
        if self._file is not None:
            self._file.close()

    def _close_block(self) -> None:
        if not self._waiting:
            return
        names = self._waiting[0]
        block = {name: np.concatenate([part[name] for part in self._waiting]) for name in names}
        self._waiting = []
        self._sizes.append(_items(block))
        self._left -= _bytes(block)
        self._blocks.append(block if self._left >= 0 else self._written(block))

    def _written(self, block: Arrays) -> "_OnDisk":
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed by `close`
            return _OnDisk(self._file, block)
        except OSError as error:
            raise StoreError(
                f"Retrieval needs room for the model's outputs in {tempfile.gettempdir()!r}, and "
                f"it cannot be written: {error.strerror}. Set TMPDIR to a folder with more room, "
                f"or evaluate fewer pictures."
            ) from error


class _OnDisk:
    """A block that was written to the end of `file`."""

    def __init__(self, file: BinaryIO, block: Arrays) -> None:
        self._file = file
        self._start = file.seek(0, 2)
        self._kinds = {name: (value.dtype, value.shape) for name, value in block.items()}
        for value in block.values():
            rest = memoryview(value.tobytes())
            while rest:
                rest = rest[file.write(rest) :]

    def read(self) -> Arrays:
        # Reads in place of a memory map, whose pages would count as memory of the process.
        self._file.seek(self._start)
        return {
            name: np.fromfile(self._file, dtype, int(np.prod(shape))).reshape(shape)
            for name, (dtype, shape) in self._kinds.items()
        }


def _items(block: Any) -> int:
    return int(next(iter(block.values())).shape[0])


def _bytes(block: Arrays) -> int:
    return sum(value.nbytes for value in block.values())


def _shapes(block: Arrays) -> dict[str, tuple[int, ...]]:
    return {name: value.shape[1:] for name, value in block.items()}
