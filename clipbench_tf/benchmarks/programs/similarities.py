"""FILIP's similarity of this replica's pictures to gathered texts, as a program."""

from pathlib import Path

import tensorflow as tf

from clipbench_tf.benchmarks.programs.stablehlo import save
from clipbench_tf.benchmarks.samples import tokens
from clipbench_tf.objectives.similarity.blockwise_similarity import one_way


def similarity(
    folder: Path, name: str, *, batch: int, texts: int, words: int, precision: str
) -> None:
    """Tokens of `batch` pictures and `texts` texts -> sim^I, and the gradients of both."""
    inputs = tokens.make(batch, texts, words)
    dtype = tf.as_dtype(precision)

    def step(
        images: tf.Tensor,
        patches: tf.Tensor,
        texts: tf.Tensor,
        words: tf.Tensor,
        upstream: tf.Tensor,
    ) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([images, texts])
            similarity = one_way(images, patches, texts, words)
            value = tf.reduce_sum(similarity * upstream)
        return [similarity, *tape.gradient(value, [images, texts])]

    images, keys = (tf.cast(x, dtype) for x in (inputs.images, inputs.texts))
    cosines = batch * texts * tokens.PATCHES * words
    facts = {
        "unit": "cosines",
        "count": cosines,
        "precision": precision,
        # Forward, and the gradients of both sides: three products of all cosines.
        "flops": 3 * 2.0 * cosines * tokens.WIDTH,
        "sizes": {"batch": batch, "texts": texts, "words": words},
    }
    # All tokens count, but XLA is not to know it.
    arguments = [images, _all(images), keys, _all(keys), inputs.of_images]
    save(step, [tf.convert_to_tensor(x) for x in arguments], folder, name, facts)


def _all(items: tf.Tensor) -> tf.Tensor:
    return tf.ones(tf.shape(items)[:2], tf.bool)
