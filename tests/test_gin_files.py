"""Every file in gin/ that can be run: strict, without dead bindings, and trainable."""

from pathlib import Path

import keras
import numpy as np
import pytest

from clipbench_tf import config
from tests import hub_presets

GIN = Path(__file__).parents[1] / "gin"
RUNNABLE = sorted(
    str(path.relative_to(GIN))
    for path in [*GIN.glob("*.gin"), *GIN.glob("paper/*.gin")]
    if path.name != "views.gin"
)
PAPER = [name for name in RUNNABLE if name.startswith("paper/")]
DATA = (
    "runtime.prepare.precision = 'float32'",
    "pipeline.Pipeline.dataset = 'emoji'",
    "pipeline.Pipeline.batch_size = 4",
    "pipeline.Pipeline.shuffle_buffer = 16",
    "train.Trainer.evaluation_dataset = 'emoji'",
    "train.Trainer.evaluation_splits = ['test']",
)
SMALL = {
    "IMAGE_SIZE = ": ("IMAGE_SIZE = 64", "image_views.ImageViews.compiled = False"),
    "vision_transformer.": (
        "vision_transformer.VisionTransformer.width = 32",
        "vision_transformer.VisionTransformer.depth = 1",
        "vision_transformer.VisionTransformer.heads = 2",
    ),
    "modified_resnet.": (
        "modified_resnet.ModifiedResNet.width = 8",
        "modified_resnet.ModifiedResNet.depths = (1, 1, 1, 1)",
        "modified_resnet.ModifiedResNet.heads = 2",
    ),
    "text_transformer.": (
        "text_transformer.TextTransformer.width = 16",
        "text_transformer.TextTransformer.depth = 1",
        "text_transformer.TextTransformer.heads = 2",
    ),
    "image_simclr.": ("image_simclr.ImageSimCLR.widths = (32, 32, 16)",),
    "nearest_neighbor.": ("nearest_neighbor.NearestNeighbor.size = 64",),
}


def small(text: str) -> list[str]:
    """Bindings that make all parts of the config `text` small."""
    return [b for part, bindings in SMALL.items() if part in text for b in bindings]


def bound(name: str) -> str:
    """The config `name` as gin reads it, includes and all."""
    config.parse([str(GIN / name)])
    import gin

    return gin.config_str()


def trainer(name: str, workdir: Path, *bindings: str):
    config.parse([str(GIN / name)], [*DATA, *bindings])
    strategy = config.build("runtime.prepare")
    built = config.build("train.Trainer", workdir=workdir, strategy=strategy)
    config.check_used()
    return built


def take_steps(built, count: int) -> list[dict]:
    """What `count` steps log."""
    built.prepare()
    batches = built.pipeline.batches().take(count)
    return [{k: float(v) for k, v in built.method.train_step(b).items()} for b in batches]


def test_the_folder_has_the_five_methods_and_every_row_of_the_papers_tables():
    assert {"clip.gin", "slip.gin", "filip.gin", "declip.gin", "defilip.gin"} <= set(RUNNABLE)
    counts = [sum(name.startswith(f"paper/table{n}") for name in PAPER) for n in (3, 4, 5)]
    assert counts == [4, 9, 8]


# The rows of Table 4 take one at full size; Tables 3 and 5 train the same on other data, or with
# other depths.
STEPPED = [name for name in RUNNABLE if name not in PAPER] + ["paper/table4_defilip_vit_b32.gin"]


@pytest.mark.parametrize("name", STEPPED)
def test_parses_strictly_builds_small_and_takes_two_steps(name, tmp_path):
    bindings = small(text := bound(name))
    if "hub_image." in text:
        bindings += hub_presets.bindings()
    if "locked." in text:
        trainer("clip.gin", tmp_path / "clip", *bindings).prepare().save()
        bindings.append(f"locked.Locked.checkpoint = '{tmp_path / 'clip'}'")
    losses = take_steps(trainer(name, tmp_path / "run", *bindings), 2)
    assert all(np.isfinite(value) for step in losses for value in step.values())
    assert losses[0]["loss"] != losses[1]["loss"]


@pytest.mark.parametrize("name", PAPER)
def test_a_row_of_the_paper_parses_strictly_and_follows_the_recipe(name, tmp_path):
    trainer(name, tmp_path, "image_views.ImageViews.compiled = False")
    head = (GIN / name).read_text().split("include")[0]
    assert f"--gin_file=gin/{name}" in head
    assert "32 A100" in head
    assert "Published zero-shot ImageNet top-1" in head
    text = bound(name)
    for line in (
        "recipe.Recipe.epochs = 32",
        "recipe.Recipe.peak_learning_rate = 0.001",
        "recipe.Recipe.weight_decay = 0.1",
        "pipeline.Pipeline.batch_size = 4096",
    ):
        assert line in text


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PAPER if "table4" in name])
def test_a_row_of_the_paper_takes_a_step_at_full_size(name, tmp_path):
    (losses,) = take_steps(trainer(name, tmp_path), 1)
    assert all(np.isfinite(value) for value in losses.values())
    keras.backend.clear_session()
