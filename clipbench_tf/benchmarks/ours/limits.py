"""What a training step cannot do without, and how fast this machine does that at best."""

import numpy as np
import tensorflow as tf

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.ours.methods import from_gin
from clipbench_tf.benchmarks.samples import captions
from clipbench_tf.data.text.trimming import longest
from clipbench_tf.data.text.vocabulary import END_ID
from clipbench_tf.planning.costs import blueprint, devices
from clipbench_tf.planning.costs.workload import workload
from clipbench_tf.planning.plan import plan

SIDE, NUMBERS = 2048, 1 << 26
PRODUCTS, PASSES = 16, 4  # in a repetition
OPERATIONS = PRODUCTS * 2.0 * SIDE**3
BYTES = PASSES * 3.0 * 4 * NUMBERS  # two numbers read, one written
_OF_A_WEIGHT = 32.0  # bytes: gradient, weight and two moments, each read and written


def products(precision: str) -> Job:
    """A job whose repetition is `OPERATIONS` in square products of `SIDE`."""
    random = np.random.default_rng(0)
    x = tf.cast(random.standard_normal((SIDE, SIDE), np.float32), precision)

    @tf.function(autograph=False)
    def multiplied(x: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, x)

    def run() -> None:
        for _ in range(PRODUCTS):
            found = multiplied(x)
        found.numpy()

    return Job(run)


def passes() -> Job:
    """A job whose repetition reads and writes `BYTES`, too many for any cache."""
    x, y = tf.ones([NUMBERS]), tf.ones([NUMBERS])

    @tf.function(autograph=False)
    def added(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return x + y

    def run() -> None:
        for _ in range(PASSES):
            found = added(x, y)
        found[0].numpy()

    return Job(run)


def least_work(
    method: str, batch: int, batches: int, precision: str, model: str
) -> tuple[float, float]:
    """Operations and bytes of `batches` steps on captions of natural length.

    Operations are those of products and convolutions, by the planner's formulas. Bytes are those of
    the optimizer, and of the activations that the backward pass needs, written and read once.
    """
    parts = from_gin(method, precision, batch, model=model)
    built, texts = parts.method, len(parts.pipeline.caption_views)
    blueprint.create_variables(built, parts.pipeline, captions.CONTEXT)
    rows = captions.ids(batches * batch * texts, natural=True)
    operations, moved = 0.0, 0.0
    for ids in np.split(rows, batches):
        lengths = np.argmax(ids == END_ID, axis=1) + 1
        work = workload(
            built,
            parts.pipeline,
            replicas=1,
            text_length=int(longest(tf.constant(ids), multiple=8)),
            caption_tokens=float(lengths.mean()) - 2,
        )
        found = plan(built, work, devices.find("cpu"), 1)
        for cost in found.costs.values():
            operations += cost.forward + cost.backward
            moved += 2 * cost.saved
        moved += _OF_A_WEIGHT * found.trainable
    return operations, moved
