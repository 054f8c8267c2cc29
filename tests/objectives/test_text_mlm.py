"""Masked language modelling against NumPy, and how its mean is taken."""

import numpy as np
import tensorflow as tf

from clipbench_tf.objectives.text_mlm import TextMLM
from tests.objectives import reference
from tests.objectives.samples import (
    WORDS,
    arrays,
    assert_close,
    features,
    loss_and_gradients,
    on_two_replicas,
    rows,
)


def test_value_and_gradient():
    sample = features(3)
    objective = TextMLM(vocabulary=WORDS)
    objective(sample)
    head = objective.head
    sources = [sample.texts[0].tokens, head.kernel.value, head.bias.value]
    loss, gradients = loss_and_gradients(objective, sample, sources)
    labels = sample.mlm_labels.numpy()

    def by_hand(tokens, kernel, bias):
        return reference.mlm(tokens, labels, kernel, bias)

    assert_close([loss], [by_hand(*arrays(sources))])
    assert_close(gradients, reference.numeric_gradients(by_hand, *arrays(sources)))


def test_unmasked_positions_get_no_gradient():
    sample = features(3)
    tokens = sample.texts[0].tokens
    _, (gradient,) = loss_and_gradients(TextMLM(vocabulary=WORDS), sample, [tokens])
    used = np.abs(gradient).max(axis=-1) > 0
    np.testing.assert_array_equal(used, sample.mlm_labels.numpy() != -100)


def test_nothing_masked_gives_zero_loss_and_gradient():
    sample = features(3)._replace(mlm_labels=tf.fill([3, 8], -100))
    loss, gradients = loss_and_gradients(TextMLM(vocabulary=WORDS), sample)
    assert loss == 0
    assert all(np.abs(g).max() == 0 for g in gradients)


def test_indifferent_head_gives_log_vocabulary():
    objective = TextMLM(vocabulary=WORDS)
    objective(features(3))
    objective.set_weights([0 * w for w in objective.get_weights()])
    np.testing.assert_allclose(objective(features(3)), np.log(WORDS), rtol=1e-6)


def test_other_text_view():
    sample = features(3)
    objective = TextMLM(vocabulary=WORDS, text_view=1)
    objective(sample)
    kernel, bias = objective.get_weights()
    expected = reference.mlm(
        sample.texts[1].tokens.numpy(), sample.mlm_labels.numpy(), kernel, bias
    )
    assert_close([objective(sample)], [expected])


def test_local_mean_is_the_mean_of_the_replicas_own_means(two_replicas):
    sample = features(6)
    parts = rows(sample, slice(0, 2)), rows(sample, slice(2, 6))
    assert len({int(tf.reduce_sum(tf.cast(p.mlm_labels >= 0, tf.int32))) for p in parts}) == 2
    with two_replicas.scope():
        objective = TextMLM(vocabulary=WORDS, local_mean=True)
        objective(sample)
    losses = on_two_replicas(two_replicas, lambda part: objective(part, training=True), parts)
    alone = TextMLM(vocabulary=WORDS)
    alone(sample)
    alone.set_weights(objective.get_weights())
    assert_close(losses, [alone(part) for part in parts])


def test_published_parameter_count_of_the_head():
    objective = TextMLM()
    objective.head.build((None, 512))
    assert sum(int(np.prod(v.shape)) for v in objective.variables) == 512 * 49409 + 49409
