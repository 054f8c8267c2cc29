"""The one place that knows about replicas: strategy, gathering, and the distributed step."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def count() -> int:
    """Number of replicas that train in step."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def gather(x: tf.Tensor) -> tf.Tensor:
    """Joins `x` [B, ...] of all replicas to [replicas * B, ...]; gradients flow back exactly."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return x
    return context.all_gather(x, axis=0)


def rank() -> tf.Tensor:
    """int32 scalar: the index of this replica among all."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tf.constant(0)
    return tf.cast(context.replica_id_in_sync_group, tf.int32)


def mean(value: tf.Tensor) -> tf.Tensor:
    """The mean of a scalar over all replicas, from inside a step."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def distributed(
    step: Callable[[Any], dict], strategy: tf.distribute.Strategy
) -> Callable[[tf.data.Iterator], dict]:
    """Wraps `step` (a replica's batch -> scalars) into a function of an iterator.

    Keras's own train function cannot reduce scalars under MultiWorkerMirroredStrategy
    (keras-team/keras #20585), hence this one for every strategy.
    """

    @tf.function(reduce_retracing=True)
    def run(iterator: tf.data.Iterator) -> dict:
        values = strategy.run(step, args=(next(iterator),))
        return {
            name: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
            for name, value in values.items()
        }

    return run
