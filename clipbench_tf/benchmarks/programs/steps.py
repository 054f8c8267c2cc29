"""One replica's training step and its towers, as programs."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf

from clipbench_tf.benchmarks.ours.methods import Parts, from_gin
from clipbench_tf.benchmarks.programs.stablehlo import save
from clipbench_tf.benchmarks.samples import captions
from clipbench_tf.data.text import masking
from clipbench_tf.features import Batch
from clipbench_tf.planning.costs import devices, towers
from clipbench_tf.planning.costs.workload import workload
from clipbench_tf.planning.plan import plan

PLANNED = ("a100-80g", "h100", "h200")


def training_step(
    folder: Path, name: str, *, method: str, model: str, precision: str, batch: int
) -> None:
    """Pixels, ids and weights -> the step's losses and the gradients of all weights.

    The captions fill 77 positions, most of them with padding. The optimizer is left out.
    """
    with _built(method, model, precision, batch) as parts:
        built = parts.method
        example = _batch(parts, batch)
        keys = sorted(example)
        built.build(_as_batch(keys, [example[key][:1] for key in keys]))
        weights = [v.value for v in built.trainable_variables]

        def step(*values: tf.Tensor) -> list[tf.Tensor]:
            scalars, gradients = built.gradients(_as_batch(keys, values), weights)
            dense = [tf.convert_to_tensor(g) for g in gradients if g is not None]
            return [*(scalars[key] for key in sorted(scalars)), *dense]

        facts = {"unit": "pairs", "count": batch, "precision": precision}
        save(step, [example[key] for key in keys], folder, name, facts | _planned(parts))


def tower(folder: Path, name: str, *, kind: str, model: str, precision: str, batch: int) -> None:
    """Pixels or ids -> embeddings, as an export computes them.

    Args:
        kind: "image" or "text".
    """
    with _built("clip", model, precision, batch) as parts:
        example = _batch(parts, batch)
        inputs = example["images"][:, 0] if kind == "image" else example["ids"][:, 0]
        encoder = parts.method.towers[kind]
        encoder(inputs[:1])
        work = workload(parts.method, parts.pipeline, replicas=1, text_length=77, caption_tokens=0)
        facts = {
            "unit": "pictures" if kind == "image" else "texts",
            "count": batch,
            "precision": precision,
            "flops": towers.costs(encoder, batch, work).forward,
        }
        save(lambda x: [encoder(x, training=False).embedding], [inputs], folder, name, facts)


@contextlib.contextmanager
def _built(method: str, model: str, precision: str, batch: int) -> Iterator[Parts]:
    """The parts of a run; what Keras keeps of them is forgotten in the end.

    XLA must know the number of rows, so the padding of captions is not left out.
    """
    policy = keras.config.dtype_policy()
    try:
        parts = from_gin(method, precision, batch, model=model)
        parts.method.packs_texts = False
        yield parts
    finally:
        keras.config.set_dtype_policy(policy)
        keras.utils.clear_session()


def _batch(parts: Parts, batch: int) -> dict[str, tf.Tensor]:
    """A `Batch` of random pixels and captions with the views that the method reads."""
    pipeline, random = parts.pipeline, np.random.default_rng(0)
    views, side = len(pipeline.image_views.views), pipeline.image_views.size
    count = pipeline.text_views
    ids = captions.ids(batch * count, natural=True).reshape([batch, count, captions.CONTEXT])
    position = np.arange(batch, dtype=np.int64)
    fields = {
        "images": random.integers(0, 256, (batch, views, side, side, 3), np.uint8),
        "ids": ids,
        "position": position,
    }
    if pipeline.mask_probability > 0:
        seeds = np.stack([position, position], axis=1).astype(np.int32)
        masked, labels = masking.mask_tokens(ids[:, 0], seeds, pipeline.mask_probability)
        fields["mlm_labels"] = labels
        ids[:, 0] = masked
    return {key: tf.constant(value) for key, value in fields.items()}


def _as_batch(keys: Sequence[str], values: Sequence[tf.Tensor]) -> Batch:
    return cast(Batch, dict(zip(keys, values, strict=True)))


def _planned(parts: Parts) -> dict[str, Any]:
    """A step's operations, and what the planner expects without optimizer: bytes, milliseconds."""
    work = workload(
        parts.method, parts.pipeline, replicas=1, text_length=captions.CONTEXT, caption_tokens=15
    )
    expected = {}
    for name in PLANNED:
        found = plan(parts.method, work, devices.find(name), 1)
        expected[name] = 1e3 * (found.time.total - found.time.optimizer)
    flops = sum(cost.forward + cost.backward for cost in found.costs.values())
    without = found.memory.total - found.memory.optimizer
    return {"flops": flops, "planned_ms": expected, "planned_bytes": without}
