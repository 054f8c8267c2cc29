"""Which patches of a picture answer to which words of its caption (FILIP, Yao et al. 2021)."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.objectives.fine_grained import FineGrained


@dataclasses.dataclass(frozen=True)
class Alignment:
    """Patches and words of one pair.

    Attributes:
        picture: uint8 [H, H, 3], as the image tower sees it.
        words: the W words of the caption; start, end and padding are none.
        cosines: float32 [rows, columns, W], of each patch and each word; of a word of several
            pieces it is the highest, the one that equation 4 takes.
    """

    picture: np.ndarray
    words: tuple[str, ...]
    cosines: np.ndarray

    def words_of_patches(self) -> np.ndarray:
        """The word that answers to each patch (sim^I of equation 4), int64 [rows, columns]."""
        return self.cosines.argmax(axis=2)

    def patches_of_words(self) -> np.ndarray:
        """The patch that answers to each word (sim^T): its row and column, int64 [W, 2]."""
        rows, columns, words = self.cosines.shape
        best = self.cosines.reshape(rows * columns, words).argmax(axis=0)
        return np.stack(np.divmod(best, columns), axis=1)


class Alignments:
    """The alignment of a few pairs, always with the method's present weights.

    Args:
        encoders: the method.
        pixels: the pictures as the image tower sees them, uint8 [N, H, H, 3].
        captions: one for each, with a word or more.

    Raises:
        ValueError: if the method has no token-wise similarity.
    """

    def __init__(
        self, encoders: MethodEncoders, pixels: np.ndarray, captions: Sequence[str]
    ) -> None:
        found = token_objective(encoders)
        if found is None:
            raise ValueError(
                f"{encoders.method.name} aligns no patches and words; bind a FineGrained objective."
            )
        self._objective, self._encoders = found, encoders
        self._pixels = pixels
        self._captions = tf.constant(list(captions), tf.string)
        self._ids = np.asarray(encoders.tokenizer(self._captions))

    def run(self) -> list[Alignment]:
        """The N alignments.

        Raises:
            ValueError: if the patches of the image tower make no square grid.
        """
        images = self._encoders.images(tf.constant(self._pixels))
        texts = self._encoders.texts(self._captions)
        with self._encoders.precision():
            patches = self._objective.image_tokens(images).numpy()
            pieces = self._objective.text_tokens(texts)[0].numpy()
        side = math.isqrt(patches.shape[1])
        if side * side != patches.shape[1]:
            raise ValueError(
                f"The {patches.shape[1]} patches of {self._encoders.method.name} make no square "
                f"grid, so that their alignment cannot be drawn."
            )
        cosines = np.einsum("npd,nld->npl", patches, pieces)
        made = []
        for picture, row, ids, mask in zip(
            self._pixels, cosines, self._ids, texts.mask.numpy(), strict=True
        ):
            places = np.flatnonzero(mask)
            words, owners = words_of(ids[places].tolist(), self._encoders.tokenizer.decode)
            found = cosines_of_words(row[:, places], owners, len(words))
            made.append(Alignment(picture, words, found.reshape(side, side, len(words))))
        return made


def token_objective(encoders: MethodEncoders) -> FineGrained | None:
    """The first objective of the method that aligns patches and words, if there is one."""
    objectives = encoders.method.objectives
    return next((o for o in objectives if isinstance(o, FineGrained)), None)


def words_of(
    ids: Sequence[int], decode: Callable[[list[list[int]]], list[str]]
) -> tuple[tuple[str, ...], np.ndarray]:
    """Joins the pieces of a tokenizer to words, as they stand between spaces.

    Args:
        ids: the pieces, without start, end and padding.
        decode: rows of ids -> texts, the tokenizer's.

    Returns:
        The words, each with one piece or more, and the number of the word of each piece, int64.
    """
    return words_in(decode([list(ids[: n + 1]) for n in range(len(ids))]))


def words_in(spellings: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """As `words_of`, from what the first 1, 2, 3, ... pieces of a text spell together."""
    # Where a word ends shows only in what follows: tokenizers strip the last space.
    counts = [len(text.split()) for text in spellings]
    owners = np.maximum(np.cumsum(np.diff([0, *counts]) > 0) - 1, 0)
    return tuple(spellings[-1].split()) if spellings else (), owners


def cosines_of_words(cosines: np.ndarray, owners: np.ndarray, words: int) -> np.ndarray:
    """Of each word the highest cosine of its pieces.

    Args:
        cosines: of P patches and n pieces, [P, n].
        owners: the number of the word of each piece, int64 [n].
        words: W, how many there are.

    Returns:
        float32 [P, W].
    """
    found = np.full([words, len(cosines)], -np.inf, np.float32)
    np.maximum.at(found, owners, cosines.T)
    return found.T
