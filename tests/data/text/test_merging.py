"""Byte-pair merging: the two ways of it give the same, on short words and long ones."""

import random

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.text.bpe import load_bpe
from clipbench_tf.data.text.merging import Merging


@pytest.fixture(scope="module")
def merge() -> Merging:
    return Merging(load_bpe())


def test_letters_that_meet_no_merge_stay(merge: Merging) -> None:
    byte_ids = load_bpe().byte_ids
    made = merge(tf.constant([b"\x01\x02", b"\x01"]))
    first, second = byte_ids[1], byte_ids[2]
    np.testing.assert_array_equal(made, [[first + 1, second + 257], [first + 257, 0]])
    assert made.dtype == tf.uint16


def test_a_word_does_not_depend_on_the_others(merge: Merging) -> None:
    pick = random.Random(0)
    kinds = ["ab", "etaoinshr", "\u00e9\u732b\U0001f63a", "!?."]
    words = ["".join(pick.choices(kind, k=k)) for kind in kinds for k in (1, 2, 7, 30, 200)]
    in_graph = tf.function(
        lambda texts: merge(texts),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    together = in_graph(tf.constant(words)).numpy()
    for word, row in zip(words, together, strict=True):
        np.testing.assert_array_equal(in_graph(tf.constant([word])).numpy()[0], row[row > 0])
    assert (together[:, -1] > 0).any()  # no wider than it must be


def test_the_pieces_spell_the_words(merge: Merging) -> None:
    pieces = load_bpe().pieces
    words = ["zyzzyvas", "floccinaucinihilipilification", "\u732b\u304c\u597d\u304d", "x" * 100]
    for word, row in zip(words, merge(tf.constant(words)).numpy(), strict=True):
        spelt = b"".join(pieces[i - 1] for i in row if i)
        assert spelt.decode() == word + " "
