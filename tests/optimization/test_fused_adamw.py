"""The fused update is Keras's AdamW, number by number."""

import keras
import numpy as np
import tensorflow as tf

from clipbench_tf.optimization.fused_adamw import FusedAdamW

SETTINGS = {"learning_rate": 0.01, "weight_decay": 0.1, "beta_2": 0.98, "epsilon": 1e-8}


def variables() -> list[keras.Variable]:
    rng = np.random.default_rng(0)
    shapes = [(6, 3), (3, 4), (5,), ()]
    return [
        keras.Variable(rng.normal(size=shape), dtype="float32", name=f"v{i}")
        for i, shape in enumerate(shapes)
    ]


def gradients(step: int) -> list:
    """As training has them: rows of an embedding (one twice), a matrix, a vector, a scalar."""
    rng = np.random.default_rng(100 + step)
    rows = tf.IndexedSlices(
        tf.constant(rng.normal(size=(3, 3)), tf.float32),
        tf.constant([1, 4, 1]),
        tf.constant([6, 3]),
    )
    return [rows, *(tf.constant(rng.normal(size=s), tf.float32) for s in ((3, 4), (5,), ()))]


def trained(
    optimizer: keras.optimizers.Optimizer, steps: int, dense: bool = False
) -> list[np.ndarray]:
    moved = variables()
    optimizer.build(moved)
    optimizer.exclude_from_weight_decay(moved[2:])
    apply = tf.function(lambda step: optimizer.apply_gradients(zip(step, moved, strict=True)))
    for step in range(steps):
        apply(list(map(tf.convert_to_tensor, gradients(step))) if dense else gradients(step))
    return [v.numpy() for v in (*moved, *optimizer.variables)]


def test_weights_and_moments_are_those_of_keras():
    # Keras is given the embedding's gradient as a matrix: of a row that occurs twice it would
    # add up the squares, where Adam squares the sum.
    for ours, theirs in zip(
        trained(FusedAdamW(**SETTINGS), 5),
        trained(keras.optimizers.AdamW(**SETTINGS), 5, dense=True),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-7)


def test_rates_of_single_variables_are_those_of_adamw_by_hand():
    ours = variables()
    hand = [(v.numpy().astype(np.float64), 0.0, 0.0) for v in ours]
    factors = {ours[0].path: 0.25, ours[1].path: 0.5, ours[2].path: 0.0625}  # a scalar has 1
    optimizer = FusedAdamW(**SETTINGS)
    optimizer.build(ours)
    optimizer.exclude_from_weight_decay(ours[2:])
    optimizer.scale_learning_rates(factors)
    for step in range(5):
        given = list(map(tf.convert_to_tensor, gradients(step)))
        optimizer.apply(given, ours)
        for i, (weight, mean, square) in enumerate(hand):
            gradient = given[i].numpy().astype(np.float64)
            rate = 0.01 * (0.25, 0.5, 0.0625, 1.0)[i]
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.98 * square + 0.02 * gradient**2
            corrected = mean / (1 - 0.9 ** (step + 1)), square / (1 - 0.98 ** (step + 1))
            kept = 1 - rate * (0.1 if i < 2 else 0.0)
            weight = kept * weight - rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
            hand[i] = weight, mean, square
    for variable, (weight, _, _) in zip(ours, hand, strict=True):
        np.testing.assert_allclose(variable.numpy(), weight, rtol=1e-5, atol=1e-6)


def test_replicas_step_by_the_sum_of_their_gradients(two_replicas):
    with two_replicas.scope():
        weight = keras.Variable([1.0, -2.0], name="weight")
        optimizer = FusedAdamW(**SETTINGS)
        optimizer.build([weight])

    def step() -> None:
        own = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group + 1, tf.float32)
        optimizer.apply_gradients([(own * tf.constant([1.0, -0.5]), weight)])

    tf.function(lambda: two_replicas.run(step))()

    alone = keras.Variable([1.0, -2.0], name="weight")
    reference = keras.optimizers.AdamW(**SETTINGS)
    reference.apply_gradients([(tf.constant([3.0, -1.5]), alone)])
    for replica in two_replicas.experimental_local_results(weight.value):
        np.testing.assert_allclose(replica.numpy(), alone.numpy(), rtol=1e-6)
