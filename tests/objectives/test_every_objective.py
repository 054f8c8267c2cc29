"""Properties that every objective must have."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.objectives.text_mlm import TextMLM
from tests.objectives.samples import (
    OBJECTIVES,
    assert_close,
    features,
    floats,
    loss_and_gradients,
    on_two_replicas,
    rows,
)

every_objective = pytest.mark.parametrize("name", list(OBJECTIVES))


def twins(name, sample, scope_of_first=None):
    """Two objectives with equal weights and state; the first is built in the given scope."""
    if scope_of_first is None:
        first = OBJECTIVES[name]()
        first(sample)
    else:
        with scope_of_first:
            first = OBJECTIVES[name]()
            first(sample)
    second = OBJECTIVES[name]()
    second(sample)
    second.set_weights(first.get_weights())
    return first, second


@every_objective
def test_graph_of_unknown_batch_equals_eager(name):
    sample = features(5)
    first, second = twins(name, sample)
    specs = tf.nest.map_structure(
        lambda x: tf.TensorSpec([None, *x.shape[1:]] if x.shape.rank else [], x.dtype), sample
    )
    run = tf.function(
        lambda s: loss_and_gradients(second, s), input_signature=[specs], autograph=False
    )
    eager, graph = loss_and_gradients(first, sample), run(sample)
    assert_close([eager[0], *eager[1]], [graph[0], *graph[1]])
    assert_close(first.get_weights(), second.get_weights())


@every_objective
def test_permutation_of_the_batch_changes_nothing(name):
    sample = features(6)
    first, second = twins(name, sample)
    shuffled = rows(sample, np.array([3, 5, 0, 1, 4, 2]))
    assert_close([first(sample, training=True)], [second(shuffled, training=True)])


@every_objective
def test_batch_of_one_is_finite(name):
    sample = features(1)
    loss, gradients = loss_and_gradients(OBJECTIVES[name](), sample)
    assert loss.dtype == tf.float32 and loss.shape == ()
    assert all(np.isfinite(x).all() for x in (loss, *gradients))


@every_objective
def test_duplicates_are_finite(name):
    sample = rows(features(3), np.array([0, 0, 1, 1, 2]))
    loss, gradients = loss_and_gradients(OBJECTIVES[name](), sample)
    assert all(np.isfinite(x).all() for x in (loss, *gradients))


@pytest.mark.bfloat16
@every_objective
def test_bfloat16_features_and_heads_give_nearly_the_same_float32_loss(name):
    sample = features(6)
    low = tf.nest.map_structure(
        lambda x: tf.cast(x, tf.bfloat16) if x.dtype.is_floating and x.shape.rank else x, sample
    )
    exact = OBJECTIVES[name]()
    exact(sample)
    keras.config.set_dtype_policy("mixed_bfloat16")
    mixed = OBJECTIVES[name]()
    mixed(low)
    mixed.set_weights(exact.get_weights())
    loss = mixed(low, training=True)
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(loss, exact(sample, training=True), rtol=0.03, atol=0.03)


@pytest.mark.parametrize(
    # The paper selects tokens within each replica: see test_fine_grained.py for that one.
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name == "fine_grained_own_pair" else name
        for name in OBJECTIVES
        if name != "fine_grained"
    ],
)
def test_two_replicas_equal_one(name, two_replicas):
    sample = features(6)
    first, second = twins(name, sample, two_replicas.scope())

    def step(part):
        context = tf.distribute.get_replica_context()
        with tf.GradientTape() as tape:
            tape.watch(floats(part))
            loss = first(part, training=True) / 2  # as the trainer does before the sum
        sources = [floats(part), [v.value for v in first.trainable_variables]]
        of_features, of_weights = tape.gradient(loss, sources, unconnected_gradients="zero")
        return loss, of_features, [context.all_reduce("SUM", g) for g in of_weights]

    parts = rows(sample, slice(0, 3)), rows(sample, slice(3, 6))
    losses, of_features, of_weights = on_two_replicas(two_replicas, step, parts)
    loss, gradients = loss_and_gradients(second, sample)
    assert_close([sum(losses)], [loss])
    together = [np.concatenate(g) if g[0].shape.rank else sum(g) for g in of_features]
    assert_close(together + [g[0] for g in of_weights], gradients)
    for ours, theirs in zip(first.variables, second.variables, strict=True):
        for copy in two_replicas.experimental_local_results(ours.value):
            np.testing.assert_allclose(copy, theirs, rtol=1e-5, atol=1e-5, err_msg=ours.path)


@every_objective
def test_negative_weight_is_refused(name):
    kind = type(OBJECTIVES[name]())
    with pytest.raises(ValueError, match="must not be < 0"):
        kind(weight=-0.1)


@every_objective
def test_missing_view_is_named(name):
    sample = features(2)
    empty = sample._replace(images=(), texts=())
    with pytest.raises(ValueError, match="view"):
        OBJECTIVES[name]()(empty)


def test_missing_labels_are_named():
    with pytest.raises(ValueError, match="mlm_labels"):
        TextMLM(vocabulary=5)(features(2)._replace(mlm_labels=None))
