"""Where weights come from: for each --from, how they are read and what they are in ours."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clipbench_tf.conversion.names import (
    declip_names,
    keras_hub_names,
    open_clip_config,
    openai_names,
    transformers_names,
)
from clipbench_tf.conversion.names.architecture import ConversionError
from clipbench_tf.conversion.names.libraries import Origin
from clipbench_tf.conversion.names.published import Published, Stripped
from clipbench_tf.conversion.reading import checkpoint

PREFIX = "module."  # PyTorch's, of a model that was trained on several GPUs
Read = Callable[[Path, Path | None], Published]


def openai(path: Path, config: Path | None) -> Published:
    """OpenAI's CLIP: a TorchScript archive or a state dict.

    Args:
        path: the file.
        config: must be None: all that OpenAI published use QuickGELU.
    """
    _no_config(config, Origin.OPENAI)
    return _openai(Origin.OPENAI, checkpoint.read(path), activation="quick_gelu")


def open_clip(path: Path, config: Path | None) -> Published:
    """A state dict of open_clip, also one that its trainer saved.

    Args:
        path: the file, or a folder with open_clip_config.json.
        config: the model's configuration, where it is not beside the weights: nothing in them
            tells GELU from QuickGELU.
    """
    stored = checkpoint.read(path)
    beside = (path if path.is_dir() else path.parent) / open_clip_config.FILE
    if config is None and not beside.is_file():
        raise ConversionError(
            f"There is no {open_clip_config.FILE} beside the weights, which do not tell whether "
            f"they were trained with GELU or QuickGELU; give the model's configuration, one of "
            f"open_clip's model_configs, with --config."
        )
    told = open_clip_config.read(config or beside)
    found = _openai(
        Origin.OPEN_CLIP,
        stored,
        prefix=PREFIX if all(name.startswith(PREFIX) for name in stored) else "",
        activation=open_clip_config.activation(told),
        text_heads=told["model_cfg"]["text_cfg"].get("heads"),
        view=open_clip_config.view(told),
    )
    open_clip_config.check(told, found.towers)
    return found


def _openai(
    origin: Origin,
    stored: checkpoint.Tensors,
    *,
    prefix: str = "",
    activation: str,
    text_heads: int | None = None,
    view: Mapping[str, Any] | None = None,
) -> Published:
    shapes = _shapes(stored, prefix)
    towers = openai_names.architecture(shapes, activation=activation, text_heads=text_heads)
    table = openai_names.table_without_mask(shapes["token_embedding.weight"][0])
    if view is not None:
        towers = towers.seen_as(**view)
    return Published(
        origin=origin,
        method="clip",
        towers=towers,
        weights=tuple(openai_names.weights(towers, table=table)),
        tensors=Stripped(stored, prefix),
        shapes=shapes,
        patterns=openai_names.UNUSED,
        beside=stored.beside,
    )


def declip(path: Path, config: Path | None) -> Published:
    """One of the five methods as the paper's authors released it."""
    _no_config(config, Origin.DECLIP)
    stored = checkpoint.read(path)
    prefix = PREFIX if any(name.startswith(PREFIX) for name in stored) else ""
    shapes = _shapes(stored, prefix)
    towers = declip_names.architecture(shapes)
    return Published(
        origin=Origin.DECLIP,
        method=declip_names.method(shapes),
        towers=towers,
        weights=tuple(declip_names.weights(towers, shapes)),
        tensors=Stripped(stored, prefix),
        shapes=shapes,
        patterns=declip_names.unused(shapes),
        beside=stored.beside,
    )


def transformers(path: Path, config: Path | None) -> Published:
    """A folder of transformers' `CLIPModel`, as save_pretrained writes it."""
    _no_config(config, Origin.TRANSFORMERS)
    folder = path if path.is_dir() else path.parent
    stored = checkpoint.read(path)
    shapes = _shapes(stored)
    told = _json(folder / "config.json", required=True)
    processor = _json(folder / "preprocessor_config.json", required=False)
    towers = transformers_names.architecture(shapes, told, processor)
    return Published(
        origin=Origin.TRANSFORMERS,
        method="clip",
        towers=towers,
        weights=tuple(transformers_names.weights(towers)),
        tensors=stored,
        shapes=shapes,
        patterns=transformers_names.UNUSED,
        beside=stored.beside,
    )


def keras_hub(path: Path, config: Path | None) -> Published:
    """A KerasHub preset of a `CLIPBackbone`: a folder, or a name that KerasHub downloads."""
    _no_config(config, Origin.KERAS_HUB)
    return keras_hub_names.published(str(path))


ORIGINS: dict[str, Read] = {
    Origin.OPENAI: openai,
    Origin.OPEN_CLIP: open_clip,
    Origin.TRANSFORMERS: transformers,
    Origin.KERAS_HUB: keras_hub,
    Origin.DECLIP: declip,
}


def _shapes(tensors: checkpoint.Tensors, prefix: str = "") -> dict[str, tuple[int, ...]]:
    """Shapes by names without `prefix`.

    Raises:
        ConversionError: for a name without the prefix, where others have it.
    """
    without = [name for name in tensors if not name.startswith(prefix)]
    if without:
        raise ConversionError(
            f"{len(without)} of {len(tensors)} weights lack the prefix {prefix!r}, such as "
            f"{without[0]!r}; give a checkpoint of one model alone."
        )
    return {name.removeprefix(prefix): tensors.shape(name) for name in tensors}


def _no_config(config: Path | None, origin: Origin) -> None:
    if config is not None:
        raise ConversionError(f"--from={origin} takes no --config; only --from=open_clip does.")


def _json(path: Path, *, required: bool) -> dict[str, Any]:
    """The content of a JSON file, or nothing if it is not there and not `required`."""
    if not path.is_file() and not required:
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConversionError(
            f"{path} cannot be read: {error.strerror}. Give a folder that save_pretrained wrote."
        ) from error
    except ValueError as error:
        raise ConversionError(f"{path} is damaged ({error}); download it again.") from error
