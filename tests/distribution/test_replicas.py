"""What crosses the border between replicas, on one and on two."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.distribution import replicas


def on_two(strategy, step, values: np.ndarray):
    """`step` on both replicas, each with its half of `values`; what each returned."""
    halves = np.split(values, 2)
    inputs = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(halves[context.replica_id_in_sync_group])
    )
    results = tf.function(lambda x: strategy.run(step, args=(x,)))(inputs)
    return tf.nest.map_structure(
        lambda r: [x.numpy() for x in strategy.experimental_local_results(r)], results
    )


def test_one_replica_needs_no_exchange():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    assert replicas.count() == 1
    assert replicas.rank().numpy() == 0
    assert replicas.rank().dtype == tf.int32
    assert replicas.gather(x) is x
    assert replicas.mean(x[0, 0]).numpy() == 1.0


def test_two_replicas_know_their_number_and_rank(two_replicas):
    counted, ranks = on_two(
        two_replicas,
        lambda x: (tf.constant(replicas.count()), replicas.rank()),
        np.zeros([2, 1], np.float32),
    )
    assert counted == [2, 2]
    assert ranks == [0, 1]
    with two_replicas.scope():
        assert replicas.count() == 2


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64])
def test_gather_joins_in_order_of_rank(two_replicas, dtype):
    values = np.arange(12).reshape(6, 2).astype(dtype)
    for gathered in on_two(two_replicas, replicas.gather, values):
        np.testing.assert_array_equal(gathered, values)
        assert gathered.dtype == dtype


def test_gradient_through_gather_is_that_of_the_joined_batch(two_replicas):
    values = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(2, 4, 4)).astype(np.float32)

    def step(x):
        """Each replica weighs the pairs of the whole batch in its own way."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            joined = replicas.gather(x)
            mine = tf.gather(tf.constant(weights), replicas.rank())
            loss = tf.reduce_sum(mine * tf.matmul(joined, joined, transpose_b=True))
        return tape.gradient(loss, x)

    # d/dX sum(W * X X^T) = (W + W^T) X, W being the sum of both replicas'.
    total = weights.sum(0)
    expected = (total + total.T) @ values
    found = np.concatenate(on_two(two_replicas, step, values))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_mean_is_over_all_replicas(two_replicas):
    means = on_two(two_replicas, lambda x: replicas.mean(x[0]), np.array([1.0, 4.0], np.float32))
    assert means == [2.5, 2.5]


def step(batch: tf.Tensor) -> dict[str, tf.Tensor]:
    x = tf.cast(batch, tf.float32)
    return replicas.mean({"mean": tf.reduce_mean(x), "rank": tf.cast(replicas.rank(), tf.float32)})


def test_distributed_step_takes_a_batch_at_a_time():
    data = iter(tf.data.Dataset.range(6).batch(2))
    run = replicas.distributed(step, tf.distribute.get_strategy())
    logs = [run(data) for _ in range(3)]
    assert [float(values["mean"]) for values in logs] == [0.5, 2.5, 4.5]
    assert set(logs[0]) == {"mean", "rank"}
    with pytest.raises(tf.errors.OutOfRangeError):
        run(data)


def test_distributed_step_means_over_the_replicas(two_replicas):
    data = tf.data.Dataset.range(8).batch(4)
    distributed = iter(two_replicas.experimental_distribute_dataset(data))
    run = replicas.distributed(step, two_replicas)
    logs = [run(distributed) for _ in range(2)]
    assert [float(values["mean"]) for values in logs] == [1.5, 5.5]
    assert [float(values["rank"]) for values in logs] == [0.5, 0.5]
