"""Arrays in files of a folder, by name, for what must outlive a killed evaluation."""

import contextlib
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from absl import logging

from clipbench_tf.evaluation.probes.logistic import Keep
from clipbench_tf.evaluation.scored import write_arrays

Read = TypeVar("Read")


class Arrays(Keep):
    """Named arrays in <folder>/<name>.npz, each file whole or not there.

    Where one cannot be written, a warning says so once, and nothing more is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._full = folder, False

    def names(self) -> list[str]:
        """Of all files, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.npz"))

    def kept(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays of a file; None where there is none, or a damaged one."""
        return self._read(name, dict)

    def one(self, name: str, array: str) -> np.ndarray | None:
        """One array of a file, likewise; the others are not read."""
        return self._read(name, lambda content: content[array])

    def listed(self, name: str) -> list[str]:
        """The names of the arrays of a file; none where it is damaged."""
        return self._read(name, list) or []

    def _read(self, name: str, use: Callable[[Mapping[str, np.ndarray]], Read]) -> Read | None:
        try:
            with np.load(self._file(name), allow_pickle=False) as content:
                return use(content)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return None

    def keep(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Writes a file."""
        if self._full:
            return
        try:
            write_arrays(self._file(name), arrays, compressed=False)
        except OSError as error:
            self._full = True
            logging.warning("Cannot keep what is done in %s: %s.", self._folder, error.strerror)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.npz"


class Saving(Protocol):
    """Anything that has what is not written yet."""

    def save(self) -> None:
        """Writes it."""


Keeper = TypeVar("Keeper", bound=Saving)


@contextlib.contextmanager
def saved_on_error(keeper: Keeper) -> Iterator[Keeper]:
    """Yields `keeper`, and saves it when an error or a signal ends the context."""
    try:
        yield keeper
    except BaseException:
        keeper.save()
        raise
