"""A method of a few thousand weights, and batches for it."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from clipbench_tf.data.text.vocabulary import END_ID, MASK_ID, START_ID
from clipbench_tf.features import Batch
from clipbench_tf.method import Method
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.objective import Objective
from clipbench_tf.optimization.recipe import Recipe

SIZE = 8
LENGTH = 6
STEPS_PER_EPOCH = 4
RECIPE = Recipe(epochs=3, warmup_epochs=1)


def batch(count: int = 4, views: int = 1, texts: int = 1, seed: int = 0, start: int = 0) -> Batch:
    """Random pictures and captions; pieces are few, so that some stand in several captions."""
    random = np.random.default_rng(seed)
    ids = random.integers(1, 9, (count, texts, LENGTH))
    ids[..., 0], ids[..., -2:] = START_ID, (END_ID, 0)
    labels = np.full((count, LENGTH), -100)
    labels[:, 2], ids[:, 0, 2] = ids[:, 0, 2], MASK_ID
    images = random.integers(0, 256, (count, views, SIZE, SIZE, 3))
    return {
        "images": tf.constant(images, tf.uint8),
        "ids": tf.constant(ids, tf.int32),
        "mlm_labels": tf.constant(labels, tf.int32),
        "position": tf.range(start, start + count, dtype=tf.int64),
    }


def towers(width: int = 8) -> dict[str, keras.layers.Layer]:
    """A vision transformer and a text transformer of one block each."""
    return {
        "image_encoder": VisionTransformer(
            image_size=SIZE, patch_size=4, width=width, depth=1, heads=2, embed_dim=6
        ),
        "text_encoder": TextTransformer(
            context_length=LENGTH, width=4, depth=1, heads=2, embed_dim=6
        ),
    }


def compiled(
    objectives: Sequence[Objective] = (),
    sample: Batch | None = None,
    *,
    width: int = 8,
    recipe: Recipe = RECIPE,
    **arguments: object,
) -> Method:
    """A method as a training run makes it, ready to train."""
    method = Method(**towers(width), objectives=objectives or [ImageText()], **arguments)
    recipe.compile(method, batch() if sample is None else sample, STEPS_PER_EPOCH)
    return method
