"""Caches a zero-shot classifier beside its model, for the same names, prompts and weights."""

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from clipbench_tf.evaluation.encoders import Representation

_KEY = "key"


class ClassifierCache:
    """Keeps the encoded classes of the SavedModel in `model` in `<model>.classifier.npz`.

    There is one file for each model, for the last names and prompts. A file that cannot be
    written causes a warning; one that cannot be read is rebuilt.

    Args:
        model: the folder of the SavedModel.
        checksum: its `model_checksum`, where that is known already.
    """

    def __init__(self, model: Path, checksum: str | None = None) -> None:
        self._model, self._checksum = model.resolve(), checksum
        self.path = self._model.with_name(f"{self._model.name}.classifier.npz")

    def parts(
        self,
        names: Sequence[str],
        templates: Sequence[str],
        build: Callable[[], list[Representation]],
    ) -> list[Representation]:
        """The encoded classes, from the file, or from `build` and then written to the file."""
        key = self._digest(names, templates)
        kept = self._read(key)
        if kept is None:
            kept = build()
            self._write(key, kept)
        return kept

    def _digest(self, names: Sequence[str], templates: Sequence[str]) -> str:
        """SHA-256 of all that the classifier depends on: the model's files, names and prompts."""
        checksum = self._checksum or model_checksum(self._model)
        return hashlib.sha256(
            json.dumps([checksum, list(names), list(templates)]).encode()
        ).hexdigest()

    def _read(self, key: str) -> list[Representation] | None:
        try:
            with np.load(self.path, allow_pickle=False) as content:
                if content[_KEY].item() != key:
                    return None
                parts: dict[int, Representation] = {}
                for entry in content.files:
                    number, _, name = entry.partition("/")
                    if name:
                        parts.setdefault(int(number), {})[name] = tf.constant(content[entry])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return [parts[number] for number in sorted(parts)]

    def _write(self, key: str, parts: list[Representation]) -> None:
        arrays: dict[str, Any] = {_KEY: np.array(key)} | {
            f"{number}/{name}": np.asarray(value)
            for number, part in enumerate(parts)
            for name, value in part.items()
        }
        partial = self.path.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            os.replace(partial, self.path)
        except OSError as error:
            logging.warning("Cannot cache the classifier in %s: %s.", self.path, error.strerror)
            with contextlib.suppress(OSError):
                partial.unlink()  # a partial file may fill the disk


def model_checksum(folder: Path) -> str:
    """SHA-256 over the files of a SavedModel that decide what it computes, and their names.

    They are its graph, variables and assets; its card and its fingerprint are not among them. The
    files are read whole, some GB in a second or two from a fast disk: ask once a call.
    """
    digest = hashlib.sha256()
    found = [folder / "saved_model.pb", *folder.glob("variables/*"), *folder.glob("assets/**/*")]
    for file in sorted(path for path in found if path.is_file()):
        with file.open("rb") as content:
            digest.update(f"{file.relative_to(folder).as_posix()}\0".encode())
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
