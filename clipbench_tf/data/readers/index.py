"""Where the records of a file begin: worked out once, and kept for the next run."""

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tensorflow as tf

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import DatasetError

KEPT_FROM = 1 << 26  # bytes: the index of a smaller file is made faster than it is looked up
Arrays = dict[str, np.ndarray]
# NumPy parses headers by `ast`, which in Python 3.11.7 fails now and then if two threads do so at
# once: "AST constructor recursion depth mismatch".
_LOADING = threading.Lock()


def folder() -> Path:
    """Where indexes are kept: `clipbench_tf` in $XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "clipbench_tf" / "indexes"


def kept(path: str, kind: str, build: Callable[[], Arrays]) -> Arrays:
    """What `build` returns for the file at `path`, from a run before if the file is unchanged.

    A folder that cannot be written is no error: the index is then made anew in each run.

    Args:
        kind: names what is built and all that it depends on beside the file.

    Raises:
        DatasetError: if the file cannot be read, or by `build`.
    """
    try:
        return _kept(path, kind, build)
    except (OSError, tf.errors.OpError) as error:
        raise DatasetError(f"{path} cannot be read: {error}. Repair or copy it again.") from error


def unpacked(file: Path | BinaryIO, *names: str) -> Arrays:
    """The arrays called `names`, or all, in an .npz file; from any thread."""
    with _LOADING, np.load(file, allow_pickle=False) as found:
        return {name: found[name] for name in names or found.files}


def _kept(path: str, kind: str, build: Callable[[], Arrays]) -> Arrays:
    length, changed = files.stamp(path)
    if length < KEPT_FROM:
        return build()
    name = path if files.is_remote(path) else os.path.abspath(path)
    identity = f"{kind}\n{name}\n{length}\n{changed}"
    place = folder() / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.npz"
    try:
        return unpacked(place)
    except (OSError, ValueError, EOFError, KeyError):
        pass  # none yet, or a damaged one
    built = build()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, suffix=".partial", delete=False) as out:
            np.savez(out, **built)  # type: ignore[arg-type]
        os.replace(out.name, place)
    except OSError:
        pass
    return built
