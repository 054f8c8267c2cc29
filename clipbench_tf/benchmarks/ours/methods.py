"""Methods at the paper's sizes, built from the gin files."""

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
    method: str,
    precision: str,
    batch: int,
    recompute: bool = False,
    chunks: int = 1,
    model: str = "vit_b32",
) -> Parts:
    """The parts of a run with the paper's `method`, which is not yet built.

    Args:
        method: name of its file in gin/methods.
        precision: "float32" or "bfloat16".
        batch: pairs in a batch.
        recompute: whether both towers recompute their blocks.
        chunks: of `Method`.
        model: name of its file in gin/models.
    """
    bindings = [
        f"strategy.prepare.precision = {PRECISIONS[precision]!r}",
        f"text_transformer.TextTransformer.recompute = {recompute}",
        f"method.Method.chunks = {chunks}",
    ]
    if model == "vit_b32":
        bindings.append(f"vision_transformer.VisionTransformer.recompute = {recompute}")
    config.parse([f"methods/{method}.gin", f"models/{model}.gin", "recipes/paper.gin"], bindings)
    config.build("strategy.prepare")
    return Parts(
        config.build("method.Method"),
        config.build("pipeline.Pipeline", dataset="emoji", batch_size=batch),
        config.build("recipe.Recipe"),
    )
