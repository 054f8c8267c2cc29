"""OTTER's loss against NumPy: the plan, the soft targets, and where the gradient goes."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.features import unit
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.optimal_transport import OptimalTransport, transport_plan
from tests.objectives import reference
from tests.objectives.samples import (
    arrays,
    assert_close,
    features,
    floats,
    loss_and_gradients,
    on_two_replicas,
    rows,
)


def plan_by_hand(similarity, temperature=0.15, iterations=5):
    """The plan by scaling in linear space, not in logarithms; the own pair is an exact 0."""
    plan = np.exp(similarity / temperature)
    if len(plan) > 1:
        np.fill_diagonal(plan, 0)
    for _ in range(iterations):
        for i in range(len(plan)):
            plan[i] /= plan[i].sum()
        for j in range(len(plan)):
            plan[:, j] /= plan[:, j].sum()
    return plan / plan.sum(axis=1, keepdims=True)


def targets_by_hand(images, texts, alpha, shares=(1, 1, 1)):
    """The targets of both directions, [B, B] each."""
    v, t = reference.normalized(images), reference.normalized(texts)
    similarity = shares[0] * v @ t.T + shares[1] * v @ v.T + shares[2] * t @ t.T
    return [
        alpha * np.eye(len(v)) + (1 - alpha) * plan_by_hand(s) for s in (similarity, similarity.T)
    ]


def loss_by_hand(images, texts, scale, targets):
    logits = scale * reference.normalized(images) @ reference.normalized(texts).T
    return np.mean(
        [
            sum(share * reference.negative_log_softmax(row, k) for k, share in enumerate(target[i]))
            for target, rows_ in zip(targets, (logits, logits.T), strict=True)
            for i, row in enumerate(rows_)
        ]
    )


def sources(sample):
    return [sample.images[0].embedding, sample.texts[0].embedding, sample.scale]


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("shares", [(1.0, 1.0, 1.0), (0.5, 0.2, 0.0)])
def test_value_and_gradient_with_the_targets_held_fixed(alpha, shares):
    sample = features(5)
    image_text, image_image, text_text = shares
    objective = OptimalTransport(
        alpha=alpha, image_text=image_text, image_image=image_image, text_text=text_text
    )
    loss, gradients = loss_and_gradients(objective, sample, sources(sample))
    values = [np.asarray(x, np.float64) for x in arrays(sources(sample))]
    targets = targets_by_hand(*values[:2], alpha, shares)

    def by_hand(images, texts, scale):
        return loss_by_hand(images, texts, scale, targets)

    assert_close([loss], [by_hand(*values)])
    # A gradient through the targets would show here: they do not move in `by_hand`.
    assert_close(gradients, reference.numeric_gradients(by_hand, *values))


def test_the_plan_is_that_of_products_and_its_margins_become_uniform():
    similarity = np.random.default_rng(0).uniform(-1, 1, (6, 6))
    logits = tf.constant(similarity / 0.15 - 1e4 * np.eye(6), tf.float32)
    assert_close([transport_plan(logits, 5)], [plan_by_hand(similarity)], 1e-4)
    plan = transport_plan(logits, 300).numpy()
    assert_close([plan.sum(axis=0), plan.sum(axis=1)], [np.ones(6), np.ones(6)], 1e-4)
    assert np.abs(np.diag(plan)).max() == 0


def test_a_row_too_small_for_products_survives():
    shares = np.random.default_rng(0).uniform(-1, 1, (5, 5))
    far = shares - np.array([[0], [0], [300], [400], [900]])  # exp(-300) is 0 in float32
    same = transport_plan(tf.constant(shares, tf.float32), 5)
    assert_close([transport_plan(tf.constant(far, tf.float32), 5)], [same], 1e-4)


def test_like_captions_share_a_target():
    """Captions 0 and 1 are equal: each of their pictures should match both."""
    sample = features(4)
    texts = tf.gather(sample.texts[0].embedding, [0, 0, 2, 3])
    objective = OptimalTransport(image_text=0.0, image_image=0.0, temperature=0.02)
    similarity = objective.similarity(unit(sample.images[0].embedding), unit(texts))
    plan = transport_plan(similarity / objective.temperature, 50).numpy()
    assert plan[0, 1] > 0.9 and plan[1, 0] > 0.9


def test_alpha_1_is_image_text_exactly():
    sample = features(5)
    ours = loss_and_gradients(OptimalTransport(alpha=1.0), sample)
    theirs = loss_and_gradients(ImageText(), sample)
    assert_close([ours[0], *ours[1]], [theirs[0], *theirs[1]], 0)


def test_reads_the_views_that_it_is_given():
    sample = features(4)
    moved = sample._replace(images=sample.images[2:], texts=sample.texts[1:])
    objective = OptimalTransport(image_view=2, text_view=1)
    assert_close([objective(sample)], [OptimalTransport()(moved)], 0)


@pytest.mark.parametrize("batch", [1, 2])
def test_the_smallest_batches_are_finite(batch):
    loss, gradients = loss_and_gradients(OptimalTransport(), features(batch))
    assert loss.dtype == tf.float32 and loss.shape == ()
    assert all(np.isfinite(x).all() for x in (loss, *gradients))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_all_alike_gives_log_batch(alpha):
    sample = tf.nest.map_structure(tf.ones_like, features(6))._replace(scale=tf.constant(9.0))
    assert_close([OptimalTransport(alpha=alpha)(sample)], [np.log(6)], 1e-5)


def test_two_replicas_equal_one_in_a_graph(two_replicas):
    sample = features(6)
    objective = OptimalTransport()

    def step(part):
        with tf.GradientTape() as tape:
            tape.watch(floats(part))
            loss = objective(part, training=True) / 2  # as the trainer does before the sum
        return loss, tape.gradient(loss, floats(part), unconnected_gradients="zero")

    parts = rows(sample, slice(0, 3)), rows(sample, slice(3, 6))
    losses, of_features = on_two_replicas(two_replicas, step, parts)
    loss, gradients = loss_and_gradients(objective, sample)
    together = [np.concatenate(g) if g[0].shape.rank else sum(g) for g in of_features]
    assert_close([sum(losses), *together], [loss, *gradients])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 1.2}, "alpha of objective optimal_transport is 1.2"),
        ({"iterations": 0}, "must be above 0"),
        ({"temperature": 0.0}, "must be above 0"),
        ({"weight": -1.0}, "must not be < 0"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        OptimalTransport(**arguments)
