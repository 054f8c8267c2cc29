"""Encodes class names in prompts, and scores pictures against all classes."""

import copy
import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from clipbench_tf.data.text.cleaning import clean
from clipbench_tf.evaluation.classifier_cache import ClassifierCache
from clipbench_tf.evaluation.encoders import Encoders, Representation

_SCORED_TOGETHER = 2**24  # bytes of class representations scored in one call
Told = Callable[[int, int], None]  # how many are done, and of how many


class ClassNameError(ValueError):
    """A class has no name; the message has its number."""


def clean_names(names: Sequence[str]) -> list[str]:
    """Class names, cleaned as captions are when data is prepared (`cleaning.clean`).

    Raises:
        ClassNameError: for a name of which nothing is left.
    """
    cleaned = [clean(name) for name in names]
    if "" in cleaned:
        number = cleaned.index("")
        raise ClassNameError(
            f"Class {number} of {len(names)} has no name ({names[number][:60]!r}); write one, or "
            f"leave the class out."
        )
    return cleaned


class Classifier:
    """Encodes class names in templates, and scores pictures against all classes.

    Names and templates are cleaned as captions are when data is prepared (`cleaning.clean`). Names
    that are equal then are encoded once.

    `parts` are the representations of the classes numbered `order`, in this order, in chunks.

    Args:
        encoders: the model.
        names: of the C classes.
        templates: T prompts with `{}` for the class name.
        prompt_batch: prompts encoded together.
        cache: where `parts` are read from and stored.
        told: is told how many of the prompts are encoded, each time that some are.

    Raises:
        ClassNameError: for a name of which nothing is left.
    """

    def __init__(
        self,
        encoders: Encoders,
        names: Sequence[str],
        templates: Sequence[str],
        prompt_batch: int = 512,
        cache: ClassifierCache | None = None,
        told: Told = lambda done, total: None,
    ) -> None:
        self.encoders, self._told = encoders, told
        names, templates, self.order, self.inverse = _cleaned(tuple(names), tuple(templates))
        self.parts: list[Representation] = (
            cache.parts(names, templates, lambda: self._encode(names, templates, prompt_batch))
            if cache
            else self._encode(names, templates, prompt_batch)
        )

    def _encode(
        self, names: Sequence[str], templates: Sequence[str], prompt_batch: int
    ) -> list[Representation]:
        prompts = np.array(
            [[t.replace("{}", names[i]) for t in templates] for i in self.order], dtype=object
        )
        size = max(1, prompt_batch // len(templates))
        chunks = []
        for start in range(0, len(prompts), size):
            part = prompts[start : start + size]
            chunks.append(self.encoders.represent_classes(tf.constant(part, tf.string)))
            self._told((start + len(part)) * len(templates), prompts.size)
        return _joined(chunks)

    def on(self, device: str | None, encoders: Encoders) -> "Classifier":
        """The same classifier for another copy of the model, `encoders`, on another `device`."""
        other = copy.copy(self)
        other.encoders = encoders
        with tf.device(device):
            other.parts = [{n: tf.identity(value) for n, value in p.items()} for p in self.parts]
        return other

    def scores(self, images: Representation) -> np.ndarray:
        """Similarities of B pictures to the C classes, float32 [B, C]."""
        scores = [self.encoders.score(images, part).numpy() for part in self.parts]
        return np.concatenate(scores, axis=1)[:, self.inverse]


@functools.lru_cache(maxsize=4)  # cleaning takes half as long as encoding with a small model
def _cleaned(
    names: tuple[str, ...], templates: tuple[str, ...]
) -> tuple[list[str], list[str], np.ndarray, np.ndarray]:
    """Names and templates, cleaned, and the order and its inverse of a `Classifier`."""
    cleaned = clean_names(names)
    # A name that stands twice is encoded once, so that its classes have the very same score.
    known: dict[str, int] = {}
    first = np.array([known.setdefault(name, number) for number, name in enumerate(cleaned)])
    unique = np.unique(first)
    # Similar lengths together: a chunk of prompts is encoded at the length of its longest.
    order = unique[np.argsort([len(cleaned[i]) for i in unique], kind="stable")]
    inverse = np.argsort(order)[np.searchsorted(unique, first)]
    return cleaned, [clean(text) for text in templates], order, inverse


def _joined(chunks: list[Representation]) -> list[Representation]:
    """Concatenates successive chunks of equal shapes up to `_SCORED_TOGETHER` bytes."""
    groups: list[list[Representation]] = []
    size, shapes = 0, None
    for chunk in chunks:
        own = {name: value.shape[1:] for name, value in chunk.items()}
        more = sum(value.dtype.size * int(tf.size(value)) for value in chunk.values())
        if own != shapes or size + more > _SCORED_TOGETHER:
            groups.append([])
            size, shapes = 0, own
        groups[-1].append(chunk)
        size += more
    return [{name: tf.concat([c[name] for c in g], axis=0) for name in g[0]} for g in groups]
