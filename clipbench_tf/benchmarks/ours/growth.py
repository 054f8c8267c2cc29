"""What grows with a number that users choose: the queue of neighbours, the classes."""

import numpy as np
import tensorflow as tf

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.evaluation.scorers import Cosine
from clipbench_tf.features import Features, ImageFeatures, TextFeatures
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor

WIDTH = 512  # of the embeddings
_TOP = 5


def queue(size: int, batch: int) -> Job:
    """Nearest-neighbour supervision of `batch` pairs, forward and backward, with its enqueuing."""
    objective = NearestNeighbor(size=size)
    features = Features(
        tuple(ImageFeatures(_random(batch, n), *_unused(batch)) for n in range(2)),
        tuple(TextFeatures(_random(batch, n + 2), *_unused(batch)) for n in range(2)),
        tf.constant(10.0),
    )
    objective(features)

    @tf.function(autograph=False)
    def step() -> list[tf.Tensor]:
        images = [one.embedding for one in features.images]
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = objective(features, training=True)
        return [loss, *tape.gradient(loss, images)]

    return Job(lambda: step()[0].numpy())


def classes(size: int, batch: int) -> Job:
    """The five best of `size` classes for each of `batch` encoded pictures."""
    scorer = Cosine(scale=lambda: tf.constant(100.0))
    images = {"embedding": tf.math.l2_normalize(_random(batch, 0), axis=1)}
    names = {"embedding": tf.math.l2_normalize(_random(size, 1), axis=1)}

    @tf.function(autograph=False)
    def best(images: dict[str, tf.Tensor], names: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.math.top_k(scorer.score(images, names), _TOP).indices

    return Job(lambda: best(images, names).numpy())


def _random(rows: int, seed: int) -> tf.Tensor:
    values = np.random.default_rng(seed).standard_normal((rows, WIDTH), np.float32)
    return tf.constant(values)


def _unused(batch: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Features that the objective does not read."""
    return tf.zeros([batch, 1]), tf.zeros([batch, 1, 1])
