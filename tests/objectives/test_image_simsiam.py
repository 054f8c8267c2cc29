"""SimSiam's loss, heads and stop-gradient against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.objectives.image_simsiam import ImageSimSiam, negative_cosine
from tests.objectives import reference
from tests.objectives.samples import (
    arrays,
    assert_close,
    features,
    loss_and_gradients,
    perceptron_weights,
)


def test_value_and_gradient_with_the_targets_held_still():
    sample = features(5)
    objective = ImageSimSiam(projector_widths=(8, 7, 6), predictor_widths=(4, 6))
    objective(sample)
    sources = [sample.images[0].embedding, sample.images[1].embedding]
    loss, gradients = loss_and_gradients(objective, sample, sources)
    projector = perceptron_weights(objective.projector)
    predictor = perceptron_weights(objective.predictor)
    still = [reference.perceptron(x.numpy(), *projector) for x in sources]

    def by_hand(*embeddings):
        guesses = [
            reference.perceptron(reference.perceptron(x, *projector), *predictor)
            for x in embeddings
        ]
        return reference.simsiam(guesses, still)

    assert_close([loss], [by_hand(*arrays(sources))])
    assert_close(gradients, reference.numeric_gradients(by_hand, *arrays(sources)))


def test_no_gradient_reaches_the_target():
    guess, target = tf.random.stateless_normal([2, 4, 3], seed=[0, 1])
    with tf.GradientTape() as tape:
        tape.watch([guess, target])
        loss = negative_cosine(guess, target)
    to_guess, to_target = tape.gradient(loss, [guess, target])
    assert to_target is None and np.abs(to_guess).max() > 0


def test_limits():
    x = tf.random.stateless_normal([4, 3], seed=[0, 1])
    np.testing.assert_allclose(negative_cosine(3 * x, x), -1, atol=1e-6)
    np.testing.assert_allclose(negative_cosine(-x, x), 1, atol=1e-6)
    np.testing.assert_allclose(negative_cosine(tf.eye(2), tf.eye(2)[::-1]), 0, atol=1e-6)


def test_published_parameter_count_of_the_heads():
    # 180.31 M for DeCLIP: 151.28 M of CLIP, 25.35 M of MLM and these (FACTS 5 and 7).
    objective = ImageSimSiam()
    objective.projector.build((None, 512))
    objective.predictor.build((None, 1024))
    trainable = sum(int(np.prod(v.shape)) for v in objective.trainable_variables)
    assert trainable == 3_681_792


def test_heads_of_different_width_are_refused():
    with pytest.raises(ValueError, match="must be equal"):
        ImageSimSiam(projector_widths=(8, 8, 8), predictor_widths=(4, 6))
