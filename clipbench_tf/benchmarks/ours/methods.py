"""Methods at ViT-B/32, built from the gin files."""

from typing import NamedTuple

from clipbench_tf import config
from clipbench_tf.data.pipeline import Pipeline
from clipbench_tf.method import Method
from clipbench_tf.training.recipe import Recipe

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


class Parts(NamedTuple):
    """What a run of the paper's recipe is made of; the pipeline is for its settings only."""

    method: Method
    pipeline: Pipeline
    recipe: Recipe


def from_gin(method: str, precision: str, batch: int) -> Parts:
    """The paper's `method`, not yet built, in `precision` ("float32" or "bfloat16")."""
    config.parse(
        [f"methods/{method}.gin", "models/vit_b32.gin", "recipes/paper.gin"],
        [f"runtime.prepare.precision = {PRECISIONS[precision]!r}"],
    )
    config.build("runtime.prepare")
    return Parts(
        config.build("method.Method"),
        config.build("pipeline.Pipeline", dataset="emoji", batch_size=batch),
        config.build("recipe.Recipe"),
    )
