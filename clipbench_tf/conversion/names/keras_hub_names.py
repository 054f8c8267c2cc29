"""KerasHub's `CLIPBackbone`: its weights, named by the attributes that lead to them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from clipbench_tf import hub_preset
from clipbench_tf.conversion.names.architecture import Architecture, ConversionError
from clipbench_tf.conversion.names.layouts import (
    SAME,
    SCALAR,
    Layout,
    Weight,
    heads_bias,
    heads_in,
    heads_out,
    with_mask_row,
)
from clipbench_tf.conversion.names.libraries import Origin
from clipbench_tf.conversion.names.openai_names import norm
from clipbench_tf.conversion.names.published import Published
from clipbench_tf.models.pixels import CLIP

ACTIVATIONS = ("quick_gelu", "gelu")
# A table and the rows of it that the positions have.
POSITIONS = Layout(
    lambda table, rows: table[rows.astype(np.int64).reshape(-1)],
    lambda table: (table, np.arange(len(table))[np.newaxis]),
)
VISION, TEXT = "vision_encoder", "text_encoder"


class Attributes(Mapping[str, np.ndarray]):
    """The weights of a backbone by dotted attributes; numbers are places in lists.

    Args:
        backbone: a KerasHub `CLIPBackbone`.
        towers: its sizes.
    """

    def __init__(self, backbone: keras.Model, towers: Architecture) -> None:
        self._found: dict[str, keras.Variable] = {}
        for weight in weights(towers):
            for name in weight.theirs:
                self._found[name] = attribute(backbone, name)
        known = {id(variable) for variable in self._found.values()}
        for variable in backbone.weights:
            if id(variable) not in known:
                self._found[variable.path.replace("/", ".")] = variable

    def variable(self, name: str) -> keras.Variable:
        """The weight itself."""
        return self._found[name]

    def __getitem__(self, name: str) -> np.ndarray:
        return np.asarray(keras.ops.convert_to_numpy(self._found[name]), np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def attribute(backbone: keras.Model, name: str) -> keras.Variable:
    """The weight of `backbone` that dotted attributes lead to.

    Raises:
        ConversionError: if there is none, as with another version of KerasHub.
    """
    found: Any = backbone
    for part in name.split("."):
        try:
            found = found[int(part)] if part.isdecimal() else getattr(found, part)
        except (AttributeError, IndexError) as error:
            raise ConversionError(
                f"The backbone has no weight {name}; its layers are not those of CLIP in the "
                f"version of KerasHub that this was written for."
            ) from error
    return found


def published(preset: str) -> Published:
    """The weights of the CLIP in `preset`, a folder or a name that KerasHub downloads.

    Raises:
        ValueError: if there is no such preset.
        ConversionError: if it is no CLIP, or one whose layers differ from OpenAI's.
    """
    backbone = hub_preset.whole_backbone(preset)
    towers = architecture(backbone, *hub_preset.image_scale(preset))
    tensors = Attributes(backbone, towers)
    return Published(
        origin=Origin.KERAS_HUB,
        method="clip",
        towers=towers,
        weights=tuple(weights(towers)),
        tensors=tensors,
        shapes={name: tuple(tensors.variable(name).shape) for name in tensors},
    )


def architecture(backbone: keras.Model, scale: Any, offset: Any) -> Architecture:
    """The sizes of the towers.

    Args:
        backbone: a `CLIPBackbone`.
        scale, offset: of its image converter (see `hub_preset.image_scale`).

    Raises:
        ConversionError: if it is none, or its layers differ from OpenAI's.
    """
    if type(backbone).__name__ != "CLIPBackbone":
        raise ConversionError(
            f"The preset is a {type(backbone).__name__}; only a CLIPBackbone can be converted."
        )
    vision, text = backbone.vision_encoder, backbone.text_encoder
    for name, tower in ((VISION, vision), (TEXT, text)):
        if tower.intermediate_dim != 4 * tower.hidden_dim:
            raise ConversionError(
                f"The {name} has intermediate_dim {tower.intermediate_dim}; only four times its "
                f"hidden_dim, {4 * tower.hidden_dim}, can be converted."
            )
        if tower.intermediate_activation not in ACTIVATIONS:
            raise ConversionError(
                f"The {name} has the activation {tower.intermediate_activation!r}; only "
                f"{' and '.join(ACTIVATIONS)} can be converted."
            )
    mean, std = _normalisation(scale, offset)
    image = {
        "image_size": vision.image_shape[0],
        "patch_size": vision.patch_size,
        "width": vision.hidden_dim,
        "depth": vision.num_layers,
        "heads": vision.num_heads,
        "embed_dim": backbone.projection_dim,
        "activation": vision.intermediate_activation,
        "mean": mean,
        "std": std,
    }
    words = {
        "context_length": text.max_sequence_length,
        "width": text.hidden_dim,
        "depth": text.num_layers,
        "heads": text.num_heads,
        "embed_dim": backbone.projection_dim,
        "activation": text.intermediate_activation,
        "projection_bias": False,
    }
    return Architecture("VisionTransformer", image, words)


def _normalisation(scale: Any, offset: Any) -> tuple[list[float], list[float]]:
    """(mean, std) of pixels in 0..1, of an image converter; OpenAI's if it has none."""
    if np.size(scale) == 1 and np.size(offset) == 1 and not np.any(offset):
        return list(CLIP[0]), list(CLIP[1])
    std = 1 / (255 * np.broadcast_to(np.asarray(scale, np.float64), [3]))
    mean = -np.broadcast_to(np.asarray(offset, np.float64), [3]) * std
    return [round(float(x), 8) for x in mean], [round(float(x), 8) for x in std]


def weights(towers: Architecture) -> Iterator[Weight]:
    """Every weight of both towers and of the temperature."""
    embedding = f"{VISION}.embedding."
    yield Weight("visual/conv1/kernel", (f"{embedding}patch_embedding.kernel",), SAME)
    yield Weight("visual/class_embedding", (f"{embedding}class_embedding",), SAME)
    positions = (f"{embedding}position_embedding.embeddings", f"{embedding}position_ids")
    yield Weight("visual/positional_embedding", positions, POSITIONS)
    yield from _norm("visual/ln_pre", f"{VISION}.pre_layer_norm")
    yield from _blocks("visual", VISION, towers.image["depth"], towers.image["heads"])
    yield from _norm("visual/ln_post", f"{VISION}.layer_norm")
    yield Weight("visual/proj/kernel", ("vision_projection.kernel",), SAME)
    embedding = f"{TEXT}.embedding."
    table = f"{embedding}token_embedding.embeddings"
    yield Weight("text/token_embedding/embeddings", (table,), with_mask_row())
    table = f"{embedding}position_embedding.position_embeddings"
    yield Weight("text/positional_embedding", (table,), SAME)
    yield from _blocks("text", TEXT, towers.text["depth"], towers.text["heads"])
    yield from _norm("text/ln_final", f"{TEXT}.layer_norm")
    yield Weight("text/proj/kernel", ("text_projection.kernel",), SAME)
    yield Weight("logit_scale", ("clip_head.logit_scale",), SCALAR)


def _blocks(ours: str, theirs: str, depth: int, heads: int) -> Iterator[Weight]:
    for number in range(depth):
        block = f"{ours}/transformer/block_{number}"
        prefix = f"{theirs}.encoder_layers.{number}."
        parts = [f"{prefix}attention.{part}_dense" for part in ("query", "key", "value")]
        kernels, biases = (tuple(f"{p}.{kind}" for p in parts) for kind in ("kernel", "bias"))
        yield Weight(f"{block}/attn/in_proj/kernel", kernels, heads_in(heads))
        yield Weight(f"{block}/attn/in_proj/bias", biases, heads_bias(heads))
        output = f"{prefix}attention.output_dense"
        yield Weight(f"{block}/attn/out_proj/kernel", (f"{output}.kernel",), heads_out(heads))
        yield Weight(f"{block}/attn/out_proj/bias", (f"{output}.bias",), SAME)
        for mine, name in (("c_fc", "dense_1"), ("c_proj", "dense_2")):
            yield Weight(f"{block}/{mine}/kernel", (f"{prefix}{name}.kernel",), SAME)
            yield Weight(f"{block}/{mine}/bias", (f"{prefix}{name}.bias",), SAME)
        yield from _norm(f"{block}/ln_1", f"{prefix}layer_norm_1")
        yield from _norm(f"{block}/ln_2", f"{prefix}layer_norm_2")


def _norm(ours: str, theirs: str) -> Iterator[Weight]:
    for weight in norm(ours, theirs):
        name = weight.ours.rsplit("/", 1)[1]
        yield weight._replace(theirs=(f"{theirs}.{name}",))


def backbone(towers: Architecture, vocabulary: int) -> keras.Model:
    """A new `CLIPBackbone` of the sizes of `towers`.

    Args:
        towers: to fit.
        vocabulary: number of ids.

    Raises:
        ConversionError: if KerasHub has no such model.
    """
    towers.check_transformers("KerasHub's CLIPBackbone")
    import keras_hub

    image, text = towers.image, towers.text
    size = image["image_size"]
    vision_encoder = keras_hub.models.CLIPVisionEncoder(
        patch_size=image["patch_size"], image_shape=(size, size, 3), **_sizes(image)
    )
    text_encoder = keras_hub.models.CLIPTextEncoder(
        vocabulary_size=vocabulary,
        embedding_dim=text["width"],
        max_sequence_length=text["context_length"],
        **_sizes(text),
    )
    return keras_hub.models.CLIPBackbone(
        vision_encoder=vision_encoder,
        text_encoder=text_encoder,
        projection_dim=text["embed_dim"],
    )


def _sizes(tower: dict[str, Any]) -> dict[str, Any]:
    return {
        "hidden_dim": tower["width"],
        "num_layers": tower["depth"],
        "num_heads": tower["heads"],
        "intermediate_dim": 4 * tower["width"],
        "intermediate_activation": tower["activation"],
    }


def save(
    backbone: keras.Model, towers: Architecture, pieces: tuple[list[str], list[str]], folder: Path
) -> None:
    """Writes a preset: the backbone, its image converter and its tokenizer.

    Args:
        backbone: with its weights.
        towers: have the normalisation and the view.
        pieces: the vocabulary and the merges (see `bpe.published`).
        folder: of the preset.
    """
    import keras_hub

    mean, std = (np.array(towers.image[name]) for name in ("mean", "std"))
    size = towers.image["image_size"]
    backbone.save_to_preset(str(folder))
    keras_hub.layers.CLIPImageConverter(
        image_size=(size, size),
        scale=(1 / (255 * std)).tolist(),
        offset=(-mean / std).tolist(),
        interpolation=towers.interpolation,
    ).save_to_preset(str(folder))
    vocabulary, merges = pieces
    keras_hub.models.CLIPTokenizer(
        vocabulary={piece: number for number, piece in enumerate(vocabulary)}, merges=merges
    ).save_to_preset(str(folder))
