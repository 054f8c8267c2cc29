"""Captions through tf.data: ids, or EDA, ids and masks."""

import hashlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from clipbench_tf.benchmarks.captions import sentences
from clipbench_tf.benchmarks.job import Job
from clipbench_tf.data import caption_ops, masking
from clipbench_tf.data.tokenizer import Tokenizer

_BATCH = 256


def ids(captions: int) -> Job:
    """The tokenizer alone."""
    tokenizer = Tokenizer()
    data = _mapped(captions, lambda texts, _: tokenizer(texts))

    def answer() -> str:
        rows = np.concatenate(list(data.as_numpy_iterator()))
        return hashlib.sha256(rows.astype(np.int32).tobytes()).hexdigest()

    return Job(lambda: _consume(data), answer)


def augmented(captions: int) -> Job:
    """EDA, tokens, masked language modelling."""
    tokenizer = Tokenizer()

    def one(texts: tf.Tensor, seeds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return masking.mask_tokens(tokenizer(caption_ops.eda(texts, seeds)), seeds)

    data = _mapped(captions, one)
    return Job(lambda: _consume(data))


def _mapped(captions: int, one: Callable) -> tf.data.Dataset:
    texts = tf.constant(sentences(captions))
    seeds = tf.stack([tf.range(captions), tf.zeros([captions], tf.int32)], axis=1)
    return tf.data.Dataset.from_tensor_slices((texts, seeds)).batch(_BATCH).map(one)


def _consume(data: tf.data.Dataset) -> None:
    for _ in data:
        pass
