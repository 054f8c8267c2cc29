"""The blockwise similarity, and the naive form in TensorFlow."""

from collections.abc import Callable

import tensorflow as tf

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.samples import tokens
from clipbench_tf.objectives.similarity.blockwise_similarity import both_ways, one_way
from clipbench_tf.objectives.similarity.token_selection import batch_scores, keep_best

# Unit tokens of pictures and texts -> sim^I [B, B'], and sim^T [B', B] where there is one.
Similarity = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]]


def whole(batch: int, precision: str) -> Job:
    """All tokens, both directions from one product."""

    def similarity(images: tf.Tensor, texts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return both_ways(images, _all(images), texts, _all(texts))

    return _job(similarity, precision, tokens.make(batch, batch))


def selected(batch: int, precision: str) -> Job:
    """A quarter of the tokens as keys, as in `FineGrained`."""

    def similarity(images: tf.Tensor, texts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        patches, words = _all(images), _all(texts)
        of_patches, of_words = batch_scores(images, texts, words)
        image_keys = keep_best(images, patches, of_patches, tokens.SHARE, None)
        text_keys = keep_best(texts, words, of_words, tokens.SHARE, None)
        return one_way(images, patches, *text_keys), one_way(texts, words, *image_keys)

    return _job(similarity, precision, tokens.make(batch, batch))


def gathered(batch: int, texts: int, precision: str) -> Job:
    """Pictures against the selected words of `texts` texts as keys."""

    def similarity(images: tf.Tensor, texts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return (one_way(images, _all(images), texts, _all(texts)),)

    return _job(similarity, precision, tokens.make(batch, texts, tokens.SELECTED))


def naive(batch: int, precision: str) -> Job:
    """Equation 4 as it is written: one tensor of all cosines."""

    def similarity(images: tf.Tensor, texts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        cosines = tf.einsum("ipd,twd->itpw", images, texts)
        of_images = tf.reduce_mean(tf.reduce_max(cosines, axis=3), axis=2)
        of_texts = tf.reduce_mean(tf.reduce_max(cosines, axis=2), axis=2)
        return of_images, tf.transpose(of_texts)

    return _job(similarity, precision, tokens.make(batch, batch))


def _all(items: tf.Tensor) -> tf.Tensor:
    return tf.ones(tf.shape(items)[:2], tf.bool)


def _job(similarity: Similarity, precision: str, inputs: tokens.Tokens) -> Job:
    @tf.function(autograph=False)
    def step(images: tf.Tensor, texts: tf.Tensor, *upstream: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([images, texts])
            similarities = [tf.cast(s, tf.float32) for s in similarity(images, texts)]
            pairs = zip(similarities, upstream, strict=False)
            value = tf.add_n([tf.reduce_sum(s * u) for s, u in pairs])
        return [tf.reduce_sum(similarities[0]), *tape.gradient(value, [images, texts])]

    def run(inputs: tuple) -> list[tf.Tensor]:
        results = step(*inputs)
        results[0].numpy()  # waits for the result
        return results

    def answer() -> list[float]:
        total, *gradients = run(arguments)
        return [float(total), *(float(tf.norm(tf.cast(g, tf.float32))) for g in gradients)]

    small = tokens.make(2, 2)
    run(_tensors(small, precision))
    arguments = _tensors(inputs, precision)
    return Job(lambda: run(arguments), answer)


def _tensors(inputs: tokens.Tokens, precision: str) -> tuple[tf.Tensor, ...]:
    images, texts = (tf.cast(x, precision) for x in (inputs.images, inputs.texts))
    return images, texts, tf.constant(inputs.of_images), tf.constant(inputs.of_texts)
