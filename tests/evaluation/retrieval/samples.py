"""Pairs in memory, and encoders without a network whose scores are exact and often tied."""

import zlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from clipbench_tf.data.readers.dataset import Dataset
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.evaluation.scorers import Cosine, LateInteraction

PATCHES, WIDTH, WORDS = 4, 3, 4
BAD = b"bad"


class Pairs:
    """A `Reader` of pairs in memory, in two parts."""

    def __init__(self, pairs: Sequence[tuple[bytes, Sequence[str]] | Pair]) -> None:
        made = [p if isinstance(p, Pair) else Pair("key", p[0], tuple(p[1])) for p in pairs]
        half = len(made) // 2
        self._parts = [[pair.serialize() for pair in part] for part in (made[:half], made[half:])]
        self.examples = len(made)
        self.counts = [len(part) for part in self._parts]
        self.names = ["first", "second"]

    def read(self, part: int, first: int, count: int) -> list[bytes]:
        return self._parts[part][first : first + count]


def dataset(pairs: Sequence[tuple[bytes, Sequence[str]] | Pair]) -> Dataset:
    """A data set called tiny, with the split "test"."""
    return Dataset("tiny", {"test": Pairs(pairs)})


def tokens(content: bytes, count: int) -> np.ndarray:
    """Vectors of -1, 0 and 1 that depend on `content` alone, float32 [count, WIDTH]."""
    rng = np.random.default_rng(zlib.crc32(content))
    return rng.integers(-1, 2, size=(count, WIDTH)).astype(np.float32)


def words(text: bytes) -> np.ndarray:
    """One, two or four vectors of a text, so that their mean is exact."""
    return tokens(text, (1, 2, 4)[zlib.crc32(text) % 3])


class CosineSamples:
    """`Encoders` with one vector for each picture and text, compared by `Cosine`."""

    feature_kind = "embedding"

    def __init__(self) -> None:
        self.encoded: list[bytes] = []  # all pictures that were encoded
        scorer = Cosine(scale=lambda: tf.constant(1.0))
        self.score = tf.function(scorer.score, reduce_retracing=True)
        self.score_texts = tf.function(scorer.score_texts, reduce_retracing=True)

    def represent_images(self, encoded):
        self.encoded += encoded.numpy().tolist()
        vectors = np.array([tokens(one, 1)[0] for one in encoded.numpy()])
        return {"embedding": tf.constant(vectors)}, encoded != BAD

    def represent_classes(self, prompts):
        vectors = [tokens(text, 1)[0] for text in prompts.numpy()[:, 0]]
        return {"embedding": tf.constant(np.array(vectors))}

    def image_features(self, encoded):
        raise NotImplementedError


class LateSamples(CosineSamples):
    """`Encoders` with vectors of patches and words, compared by `LateInteraction`."""

    def __init__(self) -> None:
        super().__init__()
        scorer = LateInteraction(image_tokens=None, text_tokens=None, scale=None)
        self.score = tf.function(scorer.score, reduce_retracing=True)
        self.score_texts = tf.function(scorer.score_texts, reduce_retracing=True)

    def represent_images(self, encoded):
        _, valid = super().represent_images(encoded)
        return {"tokens": tf.constant([tokens(one, PATCHES) for one in encoded.numpy()])}, valid

    def represent_classes(self, prompts):
        texts = [words(text) for text in prompts.numpy()[:, 0]]
        length = max(map(len, texts))  # as trimming does
        padded = [np.pad(text, [(0, length - len(text)), (0, 0)]) for text in texts]
        mask = [[place < len(text) for place in range(length)] for text in texts]
        return {"tokens": tf.constant(padded)[:, None], "mask": tf.constant(mask)[:, None]}
