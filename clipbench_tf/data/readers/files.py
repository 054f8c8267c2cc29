"""Files, here or in a bucket: found by pattern, and read in stretches."""

import itertools
import os
import re
import time
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import tensorflow as tf

from clipbench_tf.data.readers.dataset import DatasetError

TRIES, PAUSE = 3, 0.5  # seconds, doubled from one try to the next
_BRACES = re.compile(r"\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}")


def is_remote(path: str) -> bool:
    """Whether `path` names a file system of its own, such as gs://."""
    return "://" in path


def braces(pattern: str) -> list[str]:
    """The names that `{000..331}` and `{a,b}` in `pattern` stand for, as in a shell, in order."""
    found = _BRACES.search(pattern)
    if not found:
        return [pattern]
    low, high, choice = found.groups()
    if choice is None:
        width = len(low) if low.startswith("0") else 0
        step = 1 if int(low) <= int(high) else -1
        numbers = range(int(low), int(high) + step, step)
        values = [str(number).zfill(width) for number in numbers]
    else:
        values = choice.split(",")
    start, end = pattern[: found.start()], pattern[found.end() :]
    return list(itertools.chain.from_iterable(braces(f"{start}{value}{end}") for value in values))


def expand(pattern: str) -> list[str]:
    """The files of a pattern with braces, `*`, `?` and `[...]`, sorted within each of the braces.

    A file or folder that is called so goes before what the pattern stands for.

    Raises:
        DatasetError: if one of them is not there, naming the first ten.
    """
    files: list[str] = []
    missing = []
    for name in [pattern] if exists(pattern) else braces(pattern):
        if re.search(r"[*?\[]", name) and not exists(name):
            found = sorted(tf.io.gfile.glob(name))
        else:
            found = [name] if exists(name) else []
        files += found
        missing += [] if found else [name]
    if missing:
        raise absent(missing, pattern)
    return files


def absent(missing: Sequence[str], source: str) -> DatasetError:
    """An error that names the first ten of the files that are `missing` from `source`."""
    more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
    return DatasetError(
        f"{len(missing)} files of {source!r} are missing: {', '.join(missing[:10])}{more}. "
        f"Correct the path, or copy them there."
    )


def exists(path: str) -> bool:
    """Whether there is a file or folder at `path`."""
    return tf.io.gfile.exists(path) if is_remote(path) else os.path.exists(path)


def size(path: str) -> int:
    """Bytes in the file."""
    return tf.io.gfile.stat(path).length if is_remote(path) else os.path.getsize(path)


def stamp(path: str) -> tuple[int, int]:
    """(bytes, time of the last change in nanoseconds) of a file."""
    if is_remote(path):
        found = tf.io.gfile.stat(path)
        return found.length, found.mtime_nsec
    local = os.stat(path)
    return local.st_size, local.st_mtime_ns


def open_binary(path: str) -> BinaryIO:
    """Opens a file to read bytes; close it."""
    return tf.io.gfile.GFile(path, "rb") if is_remote(path) else open(path, "rb")


def read(path: str, offset: int = 0, length: int = -1) -> bytes:
    """`length` bytes of the file from `offset` on, or all the rest; fewer where it ends before.

    An error is tried again after a pause, as network file systems have passing ones.

    Raises:
        OSError: if it fails three times, or the file is not there.
    """
    for tried in _tries():
        try:
            with open_binary(path) as stream:
                if offset:
                    stream.seek(offset)
                return stream.read(length)
        except FileNotFoundError:
            raise
        except (OSError, tf.errors.OpError) as error:
            if isinstance(error, tf.errors.NotFoundError):
                raise FileNotFoundError(f"No file {path}") from error
            if tried == TRIES:
                raise OSError(f"Cannot read {path}: {error}") from error
    raise AssertionError


def read_between(path: str, edges: Sequence[int]) -> list[bytes]:
    """What lies between each of the ascending `edges` [N + 1] and the next, from one read.

    Raises:
        OSError: see `read`.
    """
    data = read(path, edges[0], edges[-1] - edges[0])
    return [data[a - edges[0] : b - edges[0]] for a, b in itertools.pairwise(edges)]


def _tries() -> Iterator[int]:
    for tried in range(1, TRIES + 1):
        if tried > 1:
            time.sleep(PAUSE * 2 ** (tried - 2))
        yield tried
