"""The model configurations of open_clip, read and written."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipbench_tf.conversion.names.architecture import Architecture, ConversionError
from clipbench_tf.models.pixels import CLIP

FILE = "open_clip_config.json"
# What our towers have, which is also what open_clip assumes where a configuration is silent.
# Others, such as `patch_dropout`, matter in training alone.
_VISION = {
    **{"head_width": 64, "mlp_ratio": 4.0, "ls_init_value": None, "attentional_pool": False},
    **{"no_ln_pre": False, "pos_embed_type": "learnable", "final_ln_after_pool": False},
    **{"pool_type": "tok", "act_kwargs": None, "norm_kwargs": None, "block_type": None},
    **{"qk_norm": False, "scaled_cosine_attn": False, "scale_heads": False, "scale_fc": False},
    **{"scale_attn_inner": False, "scale_attn": False, "timm_model_name": None},
}
_TEXT = {
    **{"mlp_ratio": 4.0, "ls_init_value": None, "embed_cls": False, "no_causal_mask": False},
    **{"final_ln_after_pool": False, "pool_type": "argmax", "proj_type": "linear"},
    **{"act_kwargs": None, "norm_kwargs": None, "block_type": None, "qk_norm": False},
    **{"scaled_cosine_attn": False, "scale_heads": False, "scale_fc": False},
    **{"scale_attn_inner": False, "scale_attn": False, "hf_model_name": None},
    **{"hf_tokenizer_name": None},
}


def read(path: Path) -> dict[str, Any]:
    """The configuration in a file, as {"model_cfg": ..., "preprocess_cfg": ...}.

    Raises:
        ConversionError: if it cannot be read, or is no model that our towers can be.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        found = found if "model_cfg" in found else {"model_cfg": found}
        model = found["model_cfg"]
        vision, text = dict(model["vision_cfg"]), dict(model["text_cfg"])
    except OSError as error:
        raise ConversionError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConversionError(
            f"{path} is no model configuration of open_clip, with vision_cfg and text_cfg. Give "
            f"one of its model_configs, or the {FILE} beside the weights."
        ) from error
    for name, sizes, ours in (("vision_cfg", vision, _VISION), ("text_cfg", text, _TEXT)):
        for key, value in ours.items():
            if sizes.get(key, value) != value:
                raise ConversionError(
                    f"{path} has {key} {sizes[key]!r} in {name}; only models with {value!r} can "
                    f"be converted."
                )
    return found


def activation(config: Mapping[str, Any]) -> str:
    """Of both towers: "quick_gelu" or "gelu"."""
    return "quick_gelu" if config["model_cfg"].get("quick_gelu", False) else "gelu"


def check(config: Mapping[str, Any], towers: Architecture) -> None:
    """Refuses weights that are not those of the configuration.

    Raises:
        ConversionError: naming the size that differs, on both sides.
    """
    model = config["model_cfg"]
    vision, text = model["vision_cfg"], model["text_cfg"]
    sizes = [
        ("embed_dim", model.get("embed_dim"), towers.text["embed_dim"]),
        ("vision_cfg.width", vision.get("width"), towers.image["width"]),
        ("vision_cfg.image_size", vision.get("image_size"), towers.image["image_size"]),
        ("text_cfg.width", text.get("width"), towers.text["width"]),
        ("text_cfg.layers", text.get("layers"), towers.text["depth"]),
        ("text_cfg.heads", text.get("heads"), towers.text["heads"]),
        ("text_cfg.context_length", text.get("context_length"), towers.text["context_length"]),
    ]
    layers = towers.image.get("depth") or list(towers.image["depths"])
    sizes.append(("vision_cfg.layers", vision.get("layers"), layers))
    for name, told, found in sizes:
        if told is not None and told != found:
            raise ConversionError(
                f"The configuration says {name} {told}, but the weights have {found}; give the "
                f"configuration of this model with --config."
            )


def view(config: Mapping[str, Any]) -> dict[str, Any]:
    """Normalisation and interpolation: {"mean", "std"} and {"interpolation"} where it has them."""
    given = config.get("preprocess_cfg", {})
    return {
        "mean": given.get("mean", CLIP[0]),
        "std": given.get("std", CLIP[1]),
        "interpolation": given.get("interpolation", "bicubic"),
    }


def of(towers: Architecture) -> dict[str, Any]:
    """The configuration of `towers`, for open_clip to read.

    Raises:
        ConversionError: if open_clip has no such model.
    """
    image, text = towers.image, towers.text
    _refuse(towers)
    resnet = towers.kind == "ModifiedResNet"
    return {
        "model_cfg": {
            "embed_dim": text["embed_dim"],
            "quick_gelu": text["activation"] == "quick_gelu",
            "vision_cfg": {
                "image_size": image["image_size"],
                "layers": list(image["depths"]) if resnet else image["depth"],
                "width": image["width"],
                "patch_size": None if resnet else image["patch_size"],
                "head_width": image["width"] * (32 if resnet else 1) // image["heads"],
            },
            "text_cfg": {
                "context_length": text["context_length"],
                "vocab_size": 49408,
                "width": text["width"],
                "heads": text["heads"],
                "layers": text["depth"],
                **({"proj_bias": True} if text["projection_bias"] else {}),
            },
        },
        "preprocess_cfg": {
            "mean": list(image["mean"]),
            "std": list(image["std"]),
            "interpolation": towers.interpolation,
        },
    }


def _refuse(towers: Architecture) -> None:
    """Raises ConversionError for two towers with different activations, which open_clip lacks."""
    activations = {towers.text["activation"], towers.image.get("activation", "")} - {""}
    if len(activations) > 1:
        raise ConversionError("open_clip has one activation for both towers; these have two.")
