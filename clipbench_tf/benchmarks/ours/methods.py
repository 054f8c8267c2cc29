"""Methods at ViT-B/32, built from the gin files."""

from typing import NamedTuple

from clipbench_tf import config
from clipbench_tf.data.pipeline import Pipeline
from clipbench_tf.method import Method
from clipbench_tf.optimization.recipe import Recipe

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


class Parts(NamedTuple):
    """The parts of a run of the paper's recipe; of the pipeline, only the settings are used."""

    method: Method
    pipeline: Pipeline
    recipe: Recipe


def from_gin(
    method: str, precision: str, batch: int, recompute: bool = False, chunks: int = 1
) -> Parts:
    """The parts of a run with the paper's `method`, which is not yet built.

    Args:
        method: name of its file in gin/methods.
        precision: "float32" or "bfloat16".
        batch: pairs in a batch.
        recompute: whether both towers recompute their blocks.
        chunks: of `Method`.
    """
    config.parse(
        [f"methods/{method}.gin", "models/vit_b32.gin", "recipes/paper.gin"],
        [
            f"strategy.prepare.precision = {PRECISIONS[precision]!r}",
            f"vision_transformer.VisionTransformer.recompute = {recompute}",
            f"text_transformer.TextTransformer.recompute = {recompute}",
            f"method.Method.chunks = {chunks}",
        ],
    )
    config.build("strategy.prepare")
    return Parts(
        config.build("method.Method"),
        config.build("pipeline.Pipeline", dataset="emoji", batch_size=batch),
        config.build("recipe.Recipe"),
    )
