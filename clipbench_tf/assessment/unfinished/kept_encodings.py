"""Keeps what a model has encoded, so that an evaluation that is killed goes on."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from clipbench_tf.assessment.unfinished.arrays import Arrays
from clipbench_tf.evaluation.encoders import Encoders, Representation

PERIOD = 30.0  # seconds
WAITING = 2**26  # bytes
_NAME, _VALID = "encoded-", "valid"


class KeptEncodings:
    """`Encoders` that keep in `folder` what they encode, and encode no batch twice.

    A batch is known by its pictures or texts. What is encoded is written about every `PERIOD`, when
    it is more than `WAITING`, and by `save`: some 4 bytes for each number of a representation or
    feature. What is damaged is encoded again.

    Args:
        encoders: the model.
        folder: where to keep it; what lies there is of the same model.
        clock: the time in seconds.
    """

    def __init__(
        self, encoders: Encoders, folder: Path, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._encoders, self._arrays = encoders, Arrays(folder)
        self._clock, self._saved = clock, clock()
        self.score, self.score_texts = encoders.score, encoders.score_texts
        self._waiting: dict[str, np.ndarray] = {}  # by digest/name
        self._known: dict[str, dict[str, str]] = {}  # digest -> name -> file
        self._files = 0
        for file in self._arrays.names():
            if file.startswith(_NAME):
                self._files = int(file.removeprefix(_NAME)) + 1
                self._note(file, self._arrays.listed(file))

    @property
    def feature_kind(self) -> str:
        """See `Encoders`."""
        return self._encoders.feature_kind

    def represent_images(self, encoded: tf.Tensor) -> tuple[Representation, tf.Tensor]:
        """See `Encoders`."""

        def make() -> Representation:
            images, valid = self._encoders.represent_images(encoded)
            return {**images, _VALID: valid}

        images = dict(self._once("images", encoded, make))
        return images, images.pop(_VALID)

    def represent_classes(self, prompts: tf.Tensor) -> Representation:
        """See `Encoders`."""
        return self._once("texts", prompts, lambda: self._encoders.represent_classes(prompts))

    def image_features(self, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Encoders`."""

        def make() -> Representation:
            features, valid = self._encoders.image_features(encoded)
            return {"features": features, _VALID: valid}

        made = self._once("features", encoded, make)
        return made["features"], made[_VALID]

    def save(self) -> None:
        """Writes what has been encoded since the last time."""
        if self._waiting:
            file = f"{_NAME}{self._files:06}"
            self._arrays.keep(file, self._waiting)
            self._note(file, self._waiting)
            self._files, self._waiting = self._files + 1, {}
        self._saved = self._clock()

    def _once(
        self, kind: str, batch: tf.Tensor, make: Callable[[], Representation]
    ) -> Representation:
        """What is kept of `batch`, or else what `make` makes."""
        digest = _digest(kind, batch.numpy())
        found = {
            name: self._arrays.one(file, f"{digest}/{name}")
            for name, file in self._known.get(digest, {}).items()
        }
        kept = {name: tf.constant(value) for name, value in found.items() if value is not None}
        if found and len(kept) == len(found):
            return kept
        made = make()
        self._waiting |= {f"{digest}/{name}": value.numpy() for name, value in made.items()}
        if (
            self._clock() - self._saved >= PERIOD
            or sum(value.nbytes for value in self._waiting.values()) > WAITING
        ):
            self.save()
        return made

    def _note(self, file: str, arrays: list[str] | dict[str, np.ndarray]) -> None:
        for array in arrays:
            digest, _, name = array.partition("/")
            self._known.setdefault(digest, {})[name] = file


def _digest(kind: str, batch: np.ndarray) -> str:
    """Of the strings in a batch, and its shape."""
    digest = hashlib.blake2b(f"{kind} {batch.shape}".encode(), digest_size=16)
    for text in batch.ravel().tolist():
        digest.update(len(text).to_bytes(8, "little"))
        digest.update(text)
    return digest.hexdigest()
