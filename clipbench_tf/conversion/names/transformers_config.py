"""The configuration files of transformers' `CLIPModel` and its image processor."""

from typing import Any

from clipbench_tf.conversion.names.architecture import Architecture


def files(towers: Architecture, vocabulary: int) -> dict[str, dict[str, Any]]:
    """The content of each JSON file.

    Args:
        towers: to describe.
        vocabulary: number of ids, the last two of them start and end.

    Raises:
        ConversionError: if transformers has no such model.
    """
    towers.check_transformers("transformers' CLIPModel")
    image, text = towers.image, towers.text
    vision = _tower(image) | {"image_size": image["image_size"], "patch_size": image["patch_size"]}
    words = _tower(text) | {
        "max_position_embeddings": text["context_length"],
        "vocab_size": vocabulary,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": 0,
    }
    config = {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": text["embed_dim"],
        "vision_config": {"model_type": "clip_vision_model", **vision},
        "text_config": {"model_type": "clip_text_model", **words},
    }
    size = image["image_size"]
    processor = {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": round(size * towers.resize)},
        "resample": 3 if towers.interpolation == "bicubic" else 2,
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": list(image["mean"]),
        "image_std": list(image["std"]),
        "do_convert_rgb": True,
    }
    return {"config.json": config, "preprocessor_config.json": processor}


def _tower(sizes: dict[str, Any]) -> dict[str, Any]:
    return {
        "hidden_size": sizes["width"],
        "intermediate_size": 4 * sizes["width"],
        "num_hidden_layers": sizes["depth"],
        "num_attention_heads": sizes["heads"],
        "hidden_act": sizes["activation"],
        "layer_norm_eps": 1e-5,
        "projection_dim": sizes["embed_dim"],
    }
