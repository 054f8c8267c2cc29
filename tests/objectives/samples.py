"""Random features, small objectives, and gradients, for the tests of this folder."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from clipbench_tf.features import Features, ImageFeatures, TextFeatures
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.heads import Perceptron
from clipbench_tf.objectives.image_simclr import ImageSimCLR
from clipbench_tf.objectives.image_simsiam import ImageSimSiam
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.multi_view import MultiView
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.objectives.objective import Objective
from clipbench_tf.objectives.optimal_transport import OptimalTransport
from clipbench_tf.objectives.text_mlm import TextMLM

WORDS = 11

# Each at a size that finite differences and two CPU cores can deal with.
OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "image_text": lambda: ImageText(),
    "image_simclr": lambda: ImageSimCLR(widths=(8, 7, 5)),
    "image_simsiam": lambda: ImageSimSiam(projector_widths=(8, 7, 6), predictor_widths=(4, 6)),
    "text_mlm": lambda: TextMLM(vocabulary=WORDS),
    "multi_view": lambda: MultiView(),
    "nearest_neighbor": lambda: NearestNeighbor(size=64),
    "fine_grained": lambda: FineGrained(width=5),
    "fine_grained_own_pair": lambda: FineGrained(width=5, selection_score="own_pair"),
    "fine_grained_unselected": lambda: FineGrained(width=5, selection=1.0),
    "optimal_transport": lambda: OptimalTransport(),
}


def features(batch: int, seed: int = 0, scale: float = 5.0) -> Features:
    """Three image views, two text views, masks and labels; text 1 of view 0 has no word."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> tf.Tensor:
        return tf.constant(rng.normal(size=(batch, *shape)), tf.float32)

    lengths = rng.integers(1, 7, size=batch)
    lengths[1:2] = 0
    places = np.arange(8)
    mask = (places > 0) & (places <= lengths[:, None])
    labels = rng.integers(0, WORDS, size=(batch, 8))
    labels[~mask | (rng.random((batch, 8)) < 0.5)] = -100
    labels[0, 1] = 3
    return Features(
        images=tuple(ImageFeatures(normal(6), normal(9), normal(4, 9)) for _ in range(3)),
        texts=tuple(TextFeatures(normal(6), normal(8, 7), tf.constant(mask)) for _ in range(2)),
        scale=tf.constant(scale),
        mlm_labels=tf.constant(labels, tf.int32),
    )


def rows(sample: Features, index: object) -> Features:
    """The same features with rows `index` (slice or integers) of the batch only."""

    def take(x: tf.Tensor) -> tf.Tensor:
        return tf.constant(x.numpy()[index]) if x.shape.rank else x

    return tf.nest.map_structure(take, sample)


def floats(sample: Features) -> list[tf.Tensor]:
    """All that a gradient can reach."""
    return [x for x in tf.nest.flatten(sample) if x.dtype.is_floating]


def loss_and_gradients(
    objective: Objective,
    sample: Features,
    sources: list[tf.Tensor] | None = None,
    training: bool = True,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """The loss, and its gradients with respect to `sources` (all features and weights)."""
    with tf.GradientTape() as tape:
        tape.watch(floats(sample))
        loss = objective(sample, training=training)
    if sources is None:
        sources = floats(sample) + [v.value for v in objective.trainable_variables]
    return loss, tape.gradient(loss, sources, unconnected_gradients="zero")


def perceptron_weights(perceptron: Perceptron) -> tuple[list, list]:
    """The linear layers' (kernel, bias) and the norms' (gamma, beta), in float64."""
    linears = [
        [v.numpy().astype(np.float64) for v in (x.kernel, x.bias)] for x in perceptron.linears
    ]
    norms = [[v.numpy().astype(np.float64) for v in (x.gamma, x.beta)] for x in perceptron.norms]
    return linears, norms


def arrays(tensors: Sequence[tf.Tensor | tf.Variable]) -> list[np.ndarray]:
    """The values of `tensors`."""
    return [x.numpy() for x in tensors]


def assert_close(actual: Sequence, desired: Sequence, tolerance: float = 1e-5) -> None:
    """Each of `actual` equals its counterpart, relatively or absolutely."""
    for a, b in zip(actual, desired, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def on_two_replicas(
    strategy: tf.distribute.Strategy,
    step: Callable[[Features], object],
    parts: Sequence[Features],
) -> object:
    """`step` on both replicas, each with its part; every result is a pair."""
    flat = [tf.nest.flatten(part) for part in parts]
    values = [
        strategy.experimental_distribute_values_from_function(
            lambda context, pair=pair: pair[context.replica_id_in_sync_group]
        )
        for pair in zip(*flat, strict=True)
    ]
    run = tf.function(lambda *x: step(tf.nest.pack_sequence_as(parts[0], x)), autograph=False)
    return tf.nest.map_structure(
        strategy.experimental_local_results, strategy.run(run, args=values)
    )
