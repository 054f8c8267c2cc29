"""The only module that knows about replicas: collectives and the distributed step.

A worker is a process, a replica is a device of a worker; the replicas of worker 0 come first.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf


class _Counting(threading.local):
    """Each replica of this process traces its step in its own thread."""

    bytes: dict[str, tf.Tensor] | None = None
    sender: str = "other"


_counting = _Counting()


def count() -> int:
    """Number of replicas that train synchronously."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def workers() -> int:
    """Number of processes that train synchronously."""
    resolver = tf.distribute.get_strategy().cluster_resolver
    tasks = resolver.cluster_spec().as_dict() if resolver is not None else {}
    return max(1, sum(len(addresses) for addresses in tasks.values()))


def worker() -> int:
    """The index of this process; 0 is the chief, which alone writes into the run folder."""
    return tf.distribute.get_strategy().cluster_resolver.task_id if workers() > 1 else 0


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is worker 0 of `strategy`."""
    with strategy.scope():
        return worker() == 0


def rank() -> tf.Tensor:
    """int32 scalar: the index of this replica among all."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tf.constant(0)
    return tf.cast(context.replica_id_in_sync_group, tf.int32)


def gather(x: tf.Tensor) -> tf.Tensor:
    """All-gather of `x` [B, ...] of all replicas to [replicas * B, ...].

    Each replica gets back the gradient of its own part, summed over replicas in float32. bfloat16
    is sent as it is.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return x
    return _gathered_floats(x) if x.dtype.is_floating else _joined(x)


def largest(value: tf.Tensor) -> tf.Tensor:
    """The maximum of an integer scalar over all replicas."""
    return value if count() == 1 else tf.reduce_max(gather(tf.reshape(value, [1])))


def stacked(x: tf.Tensor) -> tf.Tensor:
    """Stacks the small tensors `x` [...] of all replicas to [replicas, ...]; differentiable.

    One collective, where `gather` needs one more for the lengths of its parts.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return x[tf.newaxis]
    slot = tf.one_hot(rank(), count(), dtype=x.dtype)
    slot = tf.reshape(slot, [-1] + [1] * x.shape.rank)
    return context.all_reduce(tf.distribute.ReduceOp.SUM, slot * x)


def mean(value: Any) -> Any:
    """The mean of float32 scalars (nested) over all replicas, in one all-reduce."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    packed = tf.stack(tf.nest.flatten(value))
    means = context.all_reduce(tf.distribute.ReduceOp.MEAN, packed)
    return tf.nest.pack_sequence_as(value, tf.unstack(means))


def total(tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The sum of each tensor over all replicas."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1 or not tensors:
        return list(tensors)
    return list(context.all_reduce(tf.distribute.ReduceOp.SUM, list(tensors)))


@contextlib.contextmanager
def traffic() -> Iterator[dict[str, tf.Tensor]]:
    """Counts the bytes that this replica receives through `gather` in this context, by `sender`.

    A gather of b bytes from each of n replicas counts (n - 1) b; its gradient, a ring all-reduce
    of n parts in float32, 2 (n - 1) parts.
    """
    _counting.bytes = {}
    try:
        yield _counting.bytes
    finally:
        _counting.bytes = None


@contextlib.contextmanager
def sender(name: str) -> Iterator[None]:
    """`traffic` counts what is gathered in this context under `name`."""
    before, _counting.sender = _counting.sender, name
    try:
        yield
    finally:
        _counting.sender = before


def distributed(
    step: Callable[[Any], Mapping[str, tf.Tensor]], strategy: tf.distribute.Strategy
) -> Callable[[tf.data.Iterator], dict]:
    """Wraps `step` (a replica's batch -> scalars, equal on all) into a function of an iterator.

    Keras's own train function cannot reduce scalars under MultiWorkerMirroredStrategy
    (keras-team/keras #20585), hence this one for every strategy.
    """

    @tf.function(reduce_retracing=True, autograph=False)
    def run(iterator: tf.data.Iterator) -> dict:
        values = strategy.run(step, args=(next(iterator),))
        return {
            name: strategy.experimental_local_results(value)[0] for name, value in values.items()
        }

    return run


def of_workers(strategy: tf.distribute.Strategy, value: int) -> list[int]:
    """The `value` of each worker, by its index."""
    if strategy.num_replicas_in_sync == 1:
        return [value]

    def of_replicas() -> tf.Tensor:
        return gather(tf.constant([value]))

    gathered = tf.function(strategy.run)(of_replicas)
    values = strategy.experimental_local_results(gathered)[0].numpy()
    return values.reshape([workers(), -1])[:, 0].tolist()


def barrier(strategy: tf.distribute.Strategy, succeeded: bool = True) -> bool:
    """Waits until all workers have called it; returns whether `succeeded` was true on all."""
    return all(of_workers(strategy, int(succeeded)))


@tf.custom_gradient
def _gathered_floats(x: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    replicas, dtype = count(), x.dtype
    tally, name = _counting.bytes, _counting.sender
    # The collectives of TensorFlow do not gather bfloat16, but they do move 16 bits.
    narrow = dtype == tf.bfloat16
    joined = _joined(tf.bitcast(x, tf.float16) if narrow else x)

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        [summed] = total([tf.cast(upstream, tf.float32)])
        _add(tally, name, 2 * (replicas - 1) * tf.size(x) * 4)
        size = tf.shape(x)[0]
        return tf.cast(summed[rank() * size : (rank() + 1) * size], dtype)

    return tf.bitcast(joined, tf.bfloat16) if narrow else joined, gradient


def _joined(x: tf.Tensor) -> tf.Tensor:
    _add(_counting.bytes, _counting.sender, (count() - 1) * tf.size(x) * x.dtype.size)
    devices = tf.distribute.get_strategy().extended.worker_devices
    if len(devices) == 1:  # the only replica of this process must name its device
        with tf.device(devices[0]):
            x = tf.identity(x)
    return tf.distribute.get_replica_context().all_gather(x, axis=0)


def _add(tally: dict | None, name: str, number: tf.Tensor) -> None:
    if tally is not None:
        tally[name] = tally.get(name, 0.0) + tf.cast(number, tf.float32)
