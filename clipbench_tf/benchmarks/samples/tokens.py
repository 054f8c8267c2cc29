"""Seeded tokens and upstream gradients for the similarity, the same numbers for every side."""

import math
from typing import NamedTuple

import numpy as np

PATCHES, WORDS, WIDTH = 49, 77, 256
SHARE = 0.25  # of the tokens that are selected, as in `FineGrained`
SELECTED = math.ceil(SHARE * WORDS)


class Tokens(NamedTuple):
    """Inputs of one similarity, all float32."""

    images: np.ndarray  # [B, n1, D], unit length
    texts: np.ndarray  # [B', n2, D], unit length
    of_images: np.ndarray  # [B, B']: gradient that reaches sim^I
    of_texts: np.ndarray  # [B', B]: gradient that reaches sim^T


def make(images: int, texts: int, words: int = WORDS) -> Tokens:
    """Random tokens of so many `images`, and of so many `texts` with so many `words` each."""
    random = np.random.default_rng(0)
    return Tokens(
        _units(random, images, PATCHES),
        _units(random, texts, words),
        random.standard_normal((images, texts), np.float32),
        random.standard_normal((texts, images), np.float32),
    )


def _units(random: np.random.Generator, items: int, tokens: int) -> np.ndarray:
    vectors = random.standard_normal((items, tokens, WIDTH), np.float32)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors
