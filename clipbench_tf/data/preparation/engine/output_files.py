"""Files that are there whole or not at all, here or in a bucket."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from typing import Any, BinaryIO

import tensorflow as tf

from clipbench_tf.data.readers import files

PARTIAL = ".partial-"  # within the name of a file that is being written


@contextlib.contextmanager
def whole(path: str) -> Iterator[BinaryIO]:
    """Opens a new file to write; it has its name once all is written, and none after an error."""
    partial = f"{path}{PARTIAL}{secrets.token_hex(4)}"
    try:
        with _open(partial) as stream:
            yield stream
    except BaseException:
        with contextlib.suppress(OSError, tf.errors.OpError):
            remove(partial)
        raise
    if files.is_remote(path):
        tf.io.gfile.rename(partial, path, overwrite=True)
    else:
        os.replace(partial, path)


def write(path: str, data: bytes) -> None:
    """Writes a file as a whole."""
    with whole(path) as stream:
        stream.write(data)


def write_json(path: str, content: Any) -> None:
    """Writes readable UTF-8 JSON with a final newline, as a whole."""
    write(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))


def read_json(path: str) -> Any:
    """What a JSON file holds; None if there is no such file."""
    return json.loads(files.read(path)) if files.exists(path) else None


def names(folder: str) -> list[str]:
    """The files and folders in `folder`, sorted; none if there is no such folder."""
    try:
        return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(folder))
    except tf.errors.NotFoundError:
        return []


def make_folder(path: str) -> None:
    """Makes a folder and those above it, where they are missing."""
    tf.io.gfile.makedirs(path)


def remove(path: str) -> None:
    """Removes a file, or a folder with all that is in it."""
    if tf.io.gfile.isdir(path):
        tf.io.gfile.rmtree(path)
    else:
        tf.io.gfile.remove(path)


def _open(path: str) -> BinaryIO:
    return tf.io.gfile.GFile(path, "wb") if files.is_remote(path) else open(path, "wb")
