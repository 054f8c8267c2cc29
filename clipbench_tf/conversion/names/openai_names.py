"""The names of OpenAI's CLIP, which open_clip and the paper's released code share."""

from collections.abc import Iterator

from clipbench_tf.conversion.names.architecture import (
    HEAD,
    Architecture,
    ConversionError,
    Shapes,
    blocks,
    side,
    vision_transformer,
)
from clipbench_tf.conversion.names.layouts import (
    COMPOSED,
    COMPOSED_BIAS,
    CONVOLUTION,
    LINEAR,
    SAME,
    SCALAR,
    Layout,
    Weight,
    with_mask_row,
)
from clipbench_tf.data.text.vocabulary import VOCABULARY_SIZE
from clipbench_tf.models.modified_resnet import REDUCTION
from clipbench_tf.models.pixels import CLIP

VISUAL = "visual."
UNUSED = (
    (r".*\.num_batches_tracked", "counts the steps of a batch norm, which nothing reads"),
    (r"(.*\.)?attn_mask", "the causal mask, which the text tower makes itself"),
    (r"(visual\.)?input_resolution|context_length|vocab_size", "a size, seen in the weights too"),
)


def architecture(
    shapes: Shapes, *, text: str = "", activation: str = "quick_gelu", text_heads: int | None = None
) -> Architecture:
    """The sizes of the towers, read from `shapes`.

    Args:
        shapes: by name.
        text: prefix of the names of the text tower.
        activation: of both towers, "quick_gelu" or "gelu".
        text_heads: heads of the text tower, by default one for each 64 of its width.

    Raises:
        ConversionError: if these are no CLIP's weights.
    """
    needed = (f"{text}positional_embedding", f"{text}token_embedding.weight")
    if missing := [name for name in (*needed, "logit_scale") if name not in shapes]:
        raise ConversionError(
            f"There is no {missing[0]} among the {len(shapes)} weights (such as "
            f"{', '.join(list(shapes)[:3])}); give another --from, or the checkpoint of a CLIP."
        )
    context, width = shapes[f"{text}positional_embedding"]
    linear = f"{text}text_projection.weight"  # a layer, in the paper's released code
    embed_dim = shapes[linear][0] if linear in shapes else shapes[f"{text}text_projection"][1]
    words = {
        "context_length": context,
        "width": width,
        "depth": blocks(shapes, f"{text}transformer.resblocks."),
        "heads": text_heads or max(1, width // HEAD),
        "embed_dim": embed_dim,
        "projection_bias": linear in shapes,
        "activation": activation,
    }
    if f"{VISUAL}attnpool.positional_embedding" in shapes:
        return Architecture("ModifiedResNet", _resnet(shapes, embed_dim), words)
    return Architecture("VisionTransformer", _vision(shapes, embed_dim, activation), words)


def _vision(shapes: Shapes, embed_dim: int, activation: str) -> dict:
    if f"{VISUAL}class_embedding" not in shapes:
        raise ConversionError(
            "The image tower is neither a ViT with a class token nor CLIP's ResNet; only these "
            "can be converted."
        )
    width, _, patch_size, _ = shapes[f"{VISUAL}conv1.weight"]
    grid = side(shapes[f"{VISUAL}positional_embedding"][0], f"{VISUAL}positional_embedding")
    return vision_transformer(
        image_size=grid * patch_size,
        patch_size=patch_size,
        width=width,
        depth=blocks(shapes, f"{VISUAL}transformer.resblocks."),
        embed_dim=embed_dim,
        activation=activation,
    )


def _resnet(shapes: Shapes, embed_dim: int) -> dict:
    width = shapes[f"{VISUAL}layer1.0.conv1.weight"][0]
    positions = f"{VISUAL}attnpool.positional_embedding"
    return {
        "image_size": side(shapes[positions][0], positions) * REDUCTION,
        "depths": [blocks(shapes, f"{VISUAL}layer{stage}.") for stage in range(1, 5)],
        "width": width,
        "heads": max(1, 32 * width // HEAD),
        "embed_dim": embed_dim,
        "mean": CLIP[0],
        "std": CLIP[1],
    }


def weights(
    towers: Architecture, *, text: str = "", table: Layout | None = None, fc: bool = False
) -> list[Weight]:
    """Every weight of both towers and of the temperature.

    Args:
        towers: as `architecture` returned them.
        text: prefix of the names of the text tower.
        table: layout of the token embedding; by default one without a row for the mask.
        fc: whether a ResNet's pooled features pass `fc` after the attention pool's own layer, as in
            the released SLIP.
    """
    vision = towers.kind == "VisionTransformer"
    image = _of_vision(towers.image["depth"]) if vision else _of_resnet(towers.image["depths"], fc)
    return [
        *image,
        *_of_text(towers.text, text, table),
        Weight("logit_scale", ("logit_scale",), SCALAR),
    ]


def table_without_mask(rows: int) -> Layout:
    """The layout of a token embedding of OpenAI's `rows`.

    Raises:
        ConversionError: if the vocabulary is not CLIP's.
    """
    if rows != VOCABULARY_SIZE - 1:
        raise ConversionError(
            f"The token embedding has {rows} rows; that of CLIP's vocabulary has "
            f"{VOCABULARY_SIZE - 1}. Another tokenizer cannot be converted."
        )
    return with_mask_row()


def _of_vision(depth: int) -> Iterator[Weight]:
    yield Weight("visual/conv1/kernel", (f"{VISUAL}conv1.weight",), CONVOLUTION)
    for name in ("class_embedding", "positional_embedding"):
        yield Weight(f"visual/{name}", (f"{VISUAL}{name}",), SAME)
    yield from norm("visual/ln_pre", f"{VISUAL}ln_pre")
    yield from _blocks("visual", VISUAL, depth)
    yield from norm("visual/ln_post", f"{VISUAL}ln_post")
    yield Weight("visual/proj/kernel", (f"{VISUAL}proj",), SAME)


def _of_text(sizes: dict, prefix: str, table: Layout | None) -> Iterator[Weight]:
    embedding = (f"{prefix}token_embedding.weight",)
    yield Weight("text/token_embedding/embeddings", embedding, table or with_mask_row())
    yield Weight("text/positional_embedding", (f"{prefix}positional_embedding",), SAME)
    yield from _blocks("text", prefix, sizes["depth"])
    yield from norm("text/ln_final", f"{prefix}ln_final")
    if sizes["projection_bias"]:
        yield from linear("text/proj", f"{prefix}text_projection")
    else:
        yield Weight("text/proj/kernel", (f"{prefix}text_projection",), SAME)


def _blocks(ours: str, theirs: str, depth: int) -> Iterator[Weight]:
    for number in range(depth):
        block = f"{ours}/transformer/block_{number}"
        prefix = f"{theirs}transformer.resblocks.{number}."
        yield Weight(f"{block}/attn/in_proj/kernel", (f"{prefix}attn.in_proj_weight",), LINEAR)
        yield Weight(f"{block}/attn/in_proj/bias", (f"{prefix}attn.in_proj_bias",), SAME)
        yield from linear(f"{block}/attn/out_proj", f"{prefix}attn.out_proj")
        yield from linear(f"{block}/c_fc", f"{prefix}mlp.c_fc")
        yield from linear(f"{block}/c_proj", f"{prefix}mlp.c_proj")
        for name in ("ln_1", "ln_2"):
            yield from norm(f"{block}/{name}", f"{prefix}{name}")


def _of_resnet(depths: list[int], fc: bool) -> Iterator[Weight]:
    for number in (1, 2, 3):
        yield from _convolution("visual", VISUAL, f"conv{number}", f"bn{number}")
    for stage, depth in enumerate(depths, start=1):
        for index in range(depth):
            block, prefix = f"visual/layer{stage}_{index}", f"{VISUAL}layer{stage}.{index}."
            for number in (1, 2, 3):
                yield from _convolution(block, prefix, f"conv{number}", f"bn{number}")
            if not index:
                kernel = (f"{prefix}downsample.0.weight",)
                yield Weight(f"{block}/downsample/kernel", kernel, CONVOLUTION)
                yield from batch_norm(f"{block}/downsample_bn", f"{prefix}downsample.1")
    pool = f"{VISUAL}attnpool."
    positions = (f"{pool}positional_embedding",)
    yield Weight("visual/attnpool/positional_embedding", positions, SAME)
    for name in ("q_proj", "k_proj", "v_proj"):
        yield from linear(f"visual/attnpool/{name}", f"{pool}{name}")
    if not fc:
        yield from linear("visual/proj", f"{pool}c_proj")
        return
    last, first = f"{VISUAL}fc", f"{pool}c_proj"
    both = (f"{last}.weight", f"{first}.weight")
    yield Weight("visual/proj/kernel", both, COMPOSED)
    biases = (f"{last}.weight", f"{first}.bias", f"{last}.bias")
    yield Weight("visual/proj/bias", biases, COMPOSED_BIAS)


def _convolution(ours: str, theirs: str, kernel: str, norm: str) -> Iterator[Weight]:
    yield Weight(f"{ours}/{kernel}/kernel", (f"{theirs}{kernel}.weight",), CONVOLUTION)
    yield from batch_norm(f"{ours}/{norm}", f"{theirs}{norm}")


def linear(ours: str, theirs: str) -> Iterator[Weight]:
    """A dense layer with a bias."""
    yield Weight(f"{ours}/kernel", (f"{theirs}.weight",), LINEAR)
    yield Weight(f"{ours}/bias", (f"{theirs}.bias",), SAME)


def batch_norm(ours: str, theirs: str) -> Iterator[Weight]:
    """A batch norm with its moving statistics."""
    yield from norm(ours, theirs)
    yield Weight(f"{ours}/moving_mean", (f"{theirs}.running_mean",), SAME)
    yield Weight(f"{ours}/moving_variance", (f"{theirs}.running_var",), SAME)


def norm(ours: str, theirs: str) -> Iterator[Weight]:
    """A layer norm."""
    yield Weight(f"{ours}/gamma", (f"{theirs}.weight",), SAME)
    yield Weight(f"{ours}/beta", (f"{theirs}.bias",), SAME)
