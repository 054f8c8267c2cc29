"""Small towers, and the plan's costs of a method with them."""

import tensorflow as tf

from clipbench_tf.data.text.vocabulary import IGNORED_LABEL
from clipbench_tf.features import Batch
from clipbench_tf.method import Method
from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.objective import Objective
from clipbench_tf.planning.costs import memory
from clipbench_tf.planning.costs.operations import Costs
from clipbench_tf.planning.costs.workload import Workload

PAIRS, LENGTH, VIEWS, SIZE = 16, 24, 2, 64


def vit(**options: bool) -> VisionTransformer:
    return VisionTransformer(
        image_size=SIZE, patch_size=16, width=64, depth=3, heads=4, embed_dim=32, **options
    )


def resnet() -> ModifiedResNet:
    return ModifiedResNet(image_size=SIZE, depths=(1, 2, 1, 1), width=16, heads=8, embed_dim=32)


def text(**options: bool) -> TextTransformer:
    return TextTransformer(
        context_length=LENGTH, width=48, depth=3, heads=4, embed_dim=32, **options
    )


def batch() -> Batch:
    """A batch with a label at every position of every caption."""
    return {
        "images": tf.zeros([PAIRS, VIEWS, SIZE, SIZE, 3], tf.uint8),
        "ids": tf.fill([PAIRS, VIEWS, LENGTH], 5),
        "mlm_labels": tf.fill([PAIRS, LENGTH], IGNORED_LABEL + 105),
        "position": tf.range(PAIRS, dtype=tf.int64),
    }


def method(
    *objectives: Objective, recompute: bool = False, image=None, **options: object
) -> Method:
    """Image-text InfoNCE and other `objectives` on small towers, built; padding is computed."""
    made = Method(
        image_encoder=image or vit(recompute=recompute),
        text_encoder=text(recompute=recompute),
        objectives=[ImageText(), *objectives],
        **options,
    )
    made.build(batch())
    made.packs_texts = False  # so that the graph knows its sizes
    return made


def work(made: Method, **changes: object) -> Workload:
    """The workload of `batch`."""
    options: dict = {
        "batch": PAIRS,
        "image_views": VIEWS,
        "text_views": VIEWS,
        "text_length": LENGTH,
        "text_positions": LENGTH,
        "masked": PAIRS * LENGTH,
        "dtype": made.compute_dtype,
        "chunks": made.chunks,
        "recompute_images": made.text_encoder.transformer.recompute,
        "recompute_texts": made.text_encoder.transformer.recompute,
    }
    return Workload(**options | changes)


def costs(made: Method) -> Costs:
    """Costs of a step on `batch`."""
    given = work(made)
    parts = [memory.image_tower(made, given), memory.text_tower(made, given)]
    return sum([*parts, *(memory.signal(o, made, given) for o in made.objectives)], Costs())
