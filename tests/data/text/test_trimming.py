"""Trimmed captions: the longest one stays whole, and no method's loss changes."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.text.trimming import longest
from clipbench_tf.data.text.vocabulary import END_ID, START_ID
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.image_simsiam import ImageSimSiam
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.multi_view import MultiView
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.objectives.text_mlm import TextMLM
from tests.method import small_method

ROWS = [[START_ID, 5, END_ID, 0, 0, 0, 0], [START_ID, 5, 6, 7, END_ID, 0, 0]]


@pytest.mark.parametrize(
    ("rows", "multiple", "expected"),
    [(ROWS, 1, 5), (ROWS, 2, 6), (ROWS, 8, 7), (ROWS[:1], 1, 3), ([[0] * 7], 1, 1), ([], 4, 4)],
)
def test_length(rows, multiple, expected):
    ids = tf.reshape(tf.constant(rows, tf.int32), [-1, 7])
    assert longest(ids, multiple) == expected
    assert longest(ids[:, tf.newaxis], multiple) == expected


def test_all_signals_and_their_gradients_stay():
    whole = small_method.batch(count=6, views=2, texts=2)
    short = {**whole, "ids": whole["ids"][..., :5], "mlm_labels": whole["mlm_labels"][:, :5]}
    assert longest(whole["ids"]) == 5
    objectives = [
        ImageText(),
        ImageSimSiam(projector_widths=(4, 4, 4), predictor_widths=(2, 4)),
        TextMLM(),
        MultiView(),
        NearestNeighbor(size=16),
        FineGrained(width=4),
        FineGrained(width=4, selection=1.0, name="unselected"),
    ]
    method = small_method.compiled(objectives, whole)

    def losses_and_gradients(batch):
        with tf.GradientTape() as tape:
            features = method.call(batch)
            losses = [objective(features) for objective in objectives]
            total = tf.add_n(losses)
        weights = [v.value for v in method.text_encoder.trainable_variables]
        return losses, [tf.convert_to_tensor(g) for g in tape.gradient(total, weights)]

    for ours, theirs in zip(losses_and_gradients(short), losses_and_gradients(whole), strict=True):
        for one, other in zip(ours, theirs, strict=True):
            if other.shape == (small_method.LENGTH, 4):  # positions that nobody reads
                np.testing.assert_array_equal(one[5:], 0)
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
