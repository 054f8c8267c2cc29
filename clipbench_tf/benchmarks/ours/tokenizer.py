"""Captions through tf.data: ids, or EDA, ids and masks."""

import hashlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.samples.captions import sentences
from clipbench_tf.data.text import caption_ops, masking
from clipbench_tf.data.text.tokenizer import Tokenizer

_BATCH = 256


def ids(captions: int) -> Job:
    """A job that tokenizes captions."""
    tokenizer = Tokenizer()
    data = _mapped(captions, lambda texts, _: tokenizer(texts))

    def answer() -> str:
        rows = np.concatenate(list(data.as_numpy_iterator()))
        return hashlib.sha256(rows.astype(np.int32).tobytes()).hexdigest()

    return Job(_pass_after_pass(data), answer)


def augmented(captions: int) -> Job:
    """A job that augments captions by EDA, tokenizes and masks them."""
    tokenizer = Tokenizer()

    def one(texts: tf.Tensor, seeds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return masking.mask_tokens(tokenizer(caption_ops.eda(texts, seeds)), seeds)

    return Job(_pass_after_pass(_mapped(captions, one)))


def _mapped(captions: int, one: Callable) -> tf.data.Dataset:
    """Maps `one` over batches of captions and seeds, all of which are in memory."""
    texts = tf.constant(sentences(captions))
    seeds = tf.stack([tf.range(captions), tf.zeros([captions], tf.int32)], axis=1)
    options = tf.data.Options()
    # Otherwise a thread would prefetch batches during the other side's turn.
    options.experimental_optimization.inject_prefetch = False
    options.autotune.enabled = False
    return (
        tf.data.Dataset.range(0, captions, _BATCH)
        .map(lambda at: one(texts[at : at + _BATCH], seeds[at : at + _BATCH]))
        .with_options(options)
    )


def _pass_after_pass(data: tf.data.Dataset) -> Callable[[], None]:
    """A function that reads `data` once; all calls continue the same iterator, as in training."""
    batches, count = iter(data.repeat()), int(data.cardinality())

    def run() -> None:
        for _ in range(count):
            next(batches)

    return run
