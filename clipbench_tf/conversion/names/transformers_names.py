"""The names of transformers' `CLIPModel`, and its config.json."""

from collections.abc import Iterator, Mapping
from typing import Any

from clipbench_tf.conversion.names.architecture import Architecture, ConversionError, Shapes
from clipbench_tf.conversion.names.layouts import (
    CONVOLUTION,
    JOINED,
    JOINED_BIAS,
    LINEAR,
    SAME,
    SCALAR,
    Weight,
    with_mask_row,
)
from clipbench_tf.conversion.names.openai_names import linear, norm
from clipbench_tf.models.pixels import CLIP

ACTIVATIONS = ("quick_gelu", "gelu")
UNUSED = ((r".*\.position_ids", "the numbers of the positions, 0, 1, ..."),)
# What transformers assumes where config.json is silent.
_VISION = {
    **{"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
    **{"image_size": 224, "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5},
}
_TEXT = {
    **{"hidden_size": 512, "num_hidden_layers": 12, "num_attention_heads": 8},
    **{"max_position_embeddings": 77, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5},
}


def architecture(
    shapes: Shapes, config: Mapping[str, Any], processor: Mapping[str, Any]
) -> Architecture:
    """The sizes of the towers.

    Args:
        shapes: by name.
        config: the content of config.json.
        processor: that of preprocessor_config.json, or nothing, for OpenAI's.

    Raises:
        ConversionError: if it is no CLIP, or one whose layers differ from OpenAI's.
    """
    if config.get("model_type") != "clip" or "visual_projection.weight" not in shapes:
        raise ConversionError(
            f"config.json is of the model type {config.get('model_type')!r}; only a CLIPModel, "
            f"'clip', with both towers can be converted."
        )
    vision, text = _VISION | config.get("vision_config", {}), _TEXT | config.get("text_config", {})
    for name, sizes in (("vision", vision), ("text", text)):
        width = sizes["hidden_size"]
        if sizes["hidden_act"] not in ACTIVATIONS or sizes["layer_norm_eps"] != 1e-5:
            raise ConversionError(
                f"{name}_config has hidden_act {sizes['hidden_act']!r} and layer_norm_eps "
                f"{sizes['layer_norm_eps']}; only {' and '.join(ACTIVATIONS)} with 1e-05 can be "
                f"converted."
            )
        if sizes.get("intermediate_size", 4 * width) != 4 * width:
            raise ConversionError(
                f"{name}_config has intermediate_size {sizes['intermediate_size']}; only four "
                f"times the hidden_size, {4 * width}, can be converted."
            )
    embed_dim = shapes["visual_projection.weight"][0]
    image = {
        "image_size": vision["image_size"],
        "patch_size": vision["patch_size"],
        "width": vision["hidden_size"],
        "depth": vision["num_hidden_layers"],
        "heads": vision["num_attention_heads"],
        "embed_dim": embed_dim,
        "activation": vision["hidden_act"],
        "mean": processor.get("image_mean", CLIP[0]),
        "std": processor.get("image_std", CLIP[1]),
    }
    words = {
        "context_length": text["max_position_embeddings"],
        "width": text["hidden_size"],
        "depth": text["num_hidden_layers"],
        "heads": text["num_attention_heads"],
        "embed_dim": embed_dim,
        "activation": text["hidden_act"],
        "projection_bias": False,
    }
    return Architecture("VisionTransformer", image, words, *_view(processor, image["image_size"]))


def _view(processor: Mapping[str, Any], image_size: int) -> tuple[float, str]:
    """`resize` and `interpolation` of the view for evaluation."""
    size = processor.get("size", image_size)
    shorter = size.get("shortest_edge", image_size) if isinstance(size, Mapping) else size
    return shorter / image_size, "bilinear" if processor.get("resample", 3) == 2 else "bicubic"


def weights(towers: Architecture) -> Iterator[Weight]:
    """Every weight of both towers and of the temperature."""
    vision, text = "vision_model.", "text_model."
    patches = (f"{vision}embeddings.patch_embedding.weight",)
    yield Weight("visual/conv1/kernel", patches, CONVOLUTION)
    yield Weight("visual/class_embedding", (f"{vision}embeddings.class_embedding",), SAME)
    yield _positions("visual", vision)
    yield from norm("visual/ln_pre", f"{vision}pre_layrnorm")
    yield from _blocks("visual", vision, towers.image["depth"])
    yield from norm("visual/ln_post", f"{vision}post_layernorm")
    yield Weight("visual/proj/kernel", ("visual_projection.weight",), LINEAR)
    table = (f"{text}embeddings.token_embedding.weight",)
    yield Weight("text/token_embedding/embeddings", table, with_mask_row())
    yield _positions("text", text)
    yield from _blocks("text", text, towers.text["depth"])
    yield from norm("text/ln_final", f"{text}final_layer_norm")
    yield Weight("text/proj/kernel", ("text_projection.weight",), LINEAR)
    yield Weight("logit_scale", ("logit_scale",), SCALAR)


def _positions(ours: str, theirs: str) -> Weight:
    table = (f"{theirs}embeddings.position_embedding.weight",)
    return Weight(f"{ours}/positional_embedding", table, SAME)


def _blocks(ours: str, theirs: str, depth: int) -> Iterator[Weight]:
    for number in range(depth):
        block = f"{ours}/transformer/block_{number}"
        prefix = f"{theirs}encoder.layers.{number}."
        parts = [f"{prefix}self_attn.{part}_proj" for part in "qkv"]
        kernels, biases = (tuple(f"{p}.{kind}" for p in parts) for kind in ("weight", "bias"))
        yield Weight(f"{block}/attn/in_proj/kernel", kernels, JOINED)
        yield Weight(f"{block}/attn/in_proj/bias", biases, JOINED_BIAS)
        yield from linear(f"{block}/attn/out_proj", f"{prefix}self_attn.out_proj")
        yield from linear(f"{block}/c_fc", f"{prefix}mlp.fc1")
        yield from linear(f"{block}/c_proj", f"{prefix}mlp.fc2")
        yield from norm(f"{block}/ln_1", f"{prefix}layer_norm1")
        yield from norm(f"{block}/ln_2", f"{prefix}layer_norm2")
