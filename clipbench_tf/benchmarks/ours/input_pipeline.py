"""The image part of the pipeline."""

import itertools

import tensorflow as tf

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.samples.pictures import different
from clipbench_tf.data.images.image_views import ImageViews, View
from clipbench_tf.distribution.strategy import one_thread_an_operation

_BATCH, _SIZE = 32, 224


def views(pictures: int, large: bool = False) -> Job:
    """A job whose repetition makes two views of each of `pictures` pictures, in batches."""
    one_thread_an_operation()  # as on a machine with GPUs
    image_views = ImageViews(size=_SIZE, views=(View(), View()))
    encoded = list(itertools.islice(itertools.cycle(different(large)), pictures))
    seeds = tf.stack([tf.range(pictures), tf.zeros([pictures], tf.int32)], axis=1)

    def crop(picture: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return image_views.crop(picture, seed), seed

    options = tf.data.Options()
    # The end of an epoch would wait up to a second for tf.data's autotuning thread; the stream of
    # training never ends. All cores are used either way.
    options.autotune.enabled = False
    data = (
        tf.data.Dataset.from_tensor_slices((encoded, seeds))
        .map(crop, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(_BATCH)
        .map(image_views.color, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(4)
        .with_options(options)
    )

    def run() -> None:
        for _ in data:
            pass

    return Job(run)
