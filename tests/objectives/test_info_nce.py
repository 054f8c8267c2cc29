"""Equations 1 and 2 against NumPy, and their limits."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.features import unit
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.info_nce import info_nce, symmetric_info_nce, targets
from tests.objectives import reference
from tests.objectives.samples import arrays, assert_close, features, loss_and_gradients


def test_one_direction_has_the_value_of_equation_1():
    images, texts = (x.embedding for x in (features(4).images[0], features(4).texts[0]))
    ours = info_nce(unit(images), unit(texts), tf.constant(3.0))
    assert_close([ours], [reference.info_nce(images.numpy(), texts.numpy(), 3.0)])


@pytest.mark.parametrize(("image_view", "text_view"), [(0, 0), (2, 1)])
def test_image_text_has_the_value_and_gradient_of_equation_2(image_view, text_view):
    sample = features(4)
    sources = [
        sample.images[image_view].embedding,
        sample.texts[text_view].embedding,
        sample.scale,
    ]
    objective = ImageText(image_view=image_view, text_view=text_view)
    loss, gradients = loss_and_gradients(objective, sample, sources)
    assert_close([loss], [reference.image_text(*arrays(sources))])
    assert_close(gradients, reference.numeric_gradients(reference.image_text, *arrays(sources)))


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_all_alike_gives_log_batch(batch):
    same = unit(tf.ones([batch, 3]))
    np.testing.assert_allclose(
        symmetric_info_nce(same, same, tf.constant(9.0)), np.log(batch), atol=1e-6
    )


def test_orthogonal_pairs_at_a_low_temperature_give_zero():
    basis = tf.eye(5)
    assert symmetric_info_nce(basis, basis, tf.constant(100.0)) < 1e-6


def test_duplicate_captions_share_the_probability():
    basis = tf.eye(4)
    texts = tf.gather(basis, [0, 0, 2, 3])
    images = texts
    expected = np.mean([np.log(2), np.log(2), 0, 0])
    np.testing.assert_allclose(
        symmetric_info_nce(images, texts, tf.constant(100.0)), expected, atol=1e-6
    )


def test_targets_of_one_replica_are_the_rows():
    np.testing.assert_array_equal(targets(tf.constant(3)), [0, 1, 2])
