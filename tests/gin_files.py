"""The gin files, and runs of them made small."""

from pathlib import Path

from clipbench_tf import config

GIN = Path(__file__).parents[1] / "gin"
RUNNABLE = sorted(
    str(path.relative_to(GIN))
    for path in [*GIN.glob("*.gin"), *GIN.glob("paper/*.gin")]
    if path.name != "views.gin"
)
PAPER = [name for name in RUNNABLE if name.startswith("paper/")]
DATA = (
    "strategy.prepare.precision = 'float32'",
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
    strategy = config.build("strategy.prepare")
    built = config.build("train.Trainer", workdir=workdir, strategy=strategy)
    config.check_used()
    return built
