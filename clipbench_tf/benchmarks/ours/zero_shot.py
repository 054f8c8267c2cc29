"""Zero-shot classifier and classification with a method in memory."""

import numpy as np
import tensorflow as tf

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.ours.methods import from_gin
from clipbench_tf.benchmarks.samples.captions import class_names, templates
from clipbench_tf.data.text.tokenizer import Tokenizer
from clipbench_tf.evaluation.classifier import Classifier
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import cosine

_BATCH = 64


def classifier(classes: int, precision: str) -> Job:
    """Encodes all prompts of the first `classes` classes."""
    encoders = _encoders(precision)
    names, prompts = class_names()[:classes], templates()
    return Job(lambda: Classifier(encoders, names, prompts).parts[-1]["embedding"].numpy())


def classification(images: int, classes: int, precision: str) -> Job:
    """Encodes decoded pictures and scores them against `classes` random class vectors."""
    encoders = _encoders(precision)
    random = np.random.default_rng(0)
    size = encoders.image_size
    pixels = random.integers(0, 256, (images, size, size, 3), np.uint8)
    batches = [tf.constant(pixels[i : i + _BATCH]) for i in range(0, images, _BATCH)]
    width = encoders.method.image_encoder.embed_dim
    names = {"embedding": tf.math.l2_normalize(tf.random.normal([classes, width]), axis=-1)}

    @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8)])
    def scores(batch: tf.Tensor) -> tf.Tensor:
        return encoders.scorer.score(encoders.scorer.images(encoders.images(batch)), names)

    return Job(lambda: [scores(batch).numpy() for batch in batches])


def _encoders(precision: str) -> MethodEncoders:
    parts = from_gin("clip", precision, _BATCH)
    method, size = parts.method, parts.pipeline.image_views.size
    tokenizer = Tokenizer()
    images = tf.zeros([1, 1, size, size, 3], tf.uint8)
    method.build({"images": images, "ids": tokenizer(tf.constant(["a"]))[:, tf.newaxis]})
    return MethodEncoders(method, tokenizer=tokenizer, scorer=cosine(method), image_size=size)
