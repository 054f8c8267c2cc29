"""What the text tower does with special tokens, order and length."""

import numpy as np
import tensorflow as tf

from clipbench_tf.data.text.vocabulary import END_ID, MASK_ID, START_ID, clip
from clipbench_tf.models.text_transformer import TextTransformer, word_mask


def tower() -> TextTransformer:
    return TextTransformer(context_length=12, width=16, depth=2, heads=2, embed_dim=8)


def row(*words: int, length: int = 12) -> list[int]:
    ids = [START_ID, *words, END_ID]
    return ids + [0] * (length - len(ids))


def test_words_exclude_start_end_and_padding_but_not_the_piece_with_id_zero():
    ids = tf.constant([row(5, 0, MASK_ID), row()])
    expected = np.zeros((2, 12), bool)
    expected[0, 1:4] = True
    np.testing.assert_array_equal(word_mask(ids, clip()), expected)


def test_pooled_at_the_end_token_also_when_a_mask_token_has_a_higher_id():
    text = tower()
    ids = tf.constant([row(5, MASK_ID, 7)])
    features = text(ids)
    pooled = tf.matmul(features.tokens[:, 4], text.proj.kernel)
    np.testing.assert_allclose(features.embedding, pooled, rtol=1e-5)


def test_what_follows_the_end_token_changes_nothing():
    text = tower()
    ids = np.array([row(5, 6)])
    after = ids.copy()
    after[0, 4:] = 77
    np.testing.assert_allclose(text(ids).embedding, text(after).embedding, rtol=1e-5)
    np.testing.assert_allclose(text(ids).embedding, text(ids[:, :4]).embedding, rtol=1e-5)


def test_a_later_word_does_not_reach_back():
    text = tower()
    one, two = text(np.array([row(5, 6, 7)])), text(np.array([row(5, 6, 9)]))
    np.testing.assert_allclose(one.tokens[0, :3], two.tokens[0, :3], rtol=1e-5)
    assert np.abs(one.tokens[0, 3] - two.tokens[0, 3]).max() > 1e-3
