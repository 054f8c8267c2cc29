"""Our training step, as `Model.fit` runs it."""

import numpy as np
import tensorflow as tf

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.ours.methods import Parts, from_gin
from clipbench_tf.benchmarks.samples import captions
from clipbench_tf.data.text import masking
from clipbench_tf.data.text.trimming import longest
from clipbench_tf.features import Batch

_STEPS_PER_EPOCH = 1000  # only the learning rate depends on it


def step(
    method: str,
    batch: int,
    batches: int,
    precision: str,
    natural: bool,
    recompute: bool = False,
    chunks: int = 1,
    model: str = "vit_b32",
) -> Job:
    """A job whose repetition is `batches` steps on as many different batches."""
    parts = from_gin(method, precision, batch, recompute, chunks, model)
    data = _data(parts, batch, batches, natural)
    built = parts.method
    built.build(next(iter(data)))
    built.compile(optimizer=parts.recipe.optimizer(built.trainable_variables, _STEPS_PER_EPOCH))
    built.make_train_function()
    iterator = iter(data)

    def run() -> None:
        for _ in range(batches):
            values = built.train_function(iterator)
        for value in values.values():
            value.numpy()  # waits for the result

    return Job(run)


def _data(parts: Parts, batch: int, batches: int, natural: bool) -> tf.data.Dataset:
    """Endlessly repeats the same `batches` batches, with the views that the method reads."""
    pipeline = parts.pipeline
    size, views = pipeline.image_views.size, len(pipeline.image_views.views)
    texts = len(pipeline.caption_views)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (batches, batch, views, size, size, 3), np.uint8)
    rows = captions.ids(batches * batch * texts, natural=natural)
    rows = rows.reshape([batches, batch, texts, captions.CONTEXT])

    def one(images: tf.Tensor, ids: tf.Tensor, first: tf.Tensor) -> Batch:
        if natural and pipeline.trim_captions:
            ids = ids[..., : longest(ids, multiple=8)]
        position = first + tf.range(batch, dtype=tf.int64)
        fields: Batch = {"images": images, "position": position}
        if pipeline.mask_probability > 0:
            seeds = tf.cast(tf.stack([position, position], axis=1), tf.int32)
            masked, fields["mlm_labels"] = masking.mask_tokens(
                ids[:, 0], seeds, pipeline.mask_probability
            )
            rest = ids if pipeline.separate_masked_view else ids[:, 1:]
            parts = [rest, masked[:, None]]
            ids = tf.concat(parts if pipeline.separate_masked_view else parts[::-1], axis=1)
        fields["ids"] = ids
        return fields

    firsts = np.arange(batches, dtype=np.int64) * batch
    return tf.data.Dataset.from_tensor_slices((images, rows, firsts)).map(one).cache().repeat()
