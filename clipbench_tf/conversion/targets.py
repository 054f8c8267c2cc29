"""Writes an export for other libraries: for each --to, the files that the library loads."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from clipbench_tf.conversion import exported
from clipbench_tf.conversion.exported import Exported
from clipbench_tf.conversion.names import (
    keras_hub_names,
    open_clip_config,
    openai_names,
    transformers_config,
    transformers_names,
)
from clipbench_tf.conversion.names.architecture import ConversionError
from clipbench_tf.conversion.names.layouts import Weight
from clipbench_tf.conversion.names.libraries import Target
from clipbench_tf.conversion.output import refuse_existing, written
from clipbench_tf.data.text import bpe
from clipbench_tf.data.text.vocabulary import MERGES
from clipbench_tf.export.runtimes import tokenizer_files

Write = Callable[[Exported, Path], None]


def write(target: str, model: Path, output: Path) -> list[str]:
    """Writes the export in `model`, of a run or a SavedModel, to the new folder `output`.

    Args:
        target: a key of `TARGETS`.
        model: the folder of a run, of a conversion or of a SavedModel.
        output: is made, whole or not at all.

    Returns:
        Lines of text: what was written, and what the other library does not take over.

    Raises:
        ExportError, ConversionError: for what cannot be written.
    """
    refuse_existing(output)
    found = exported.read(model)
    with written(output) as folder:
        TARGETS[target](found, folder)
    return [f"{len(found.values)} weights written for {target}.", *_lost(target, found)]


def _lost(target: str, found: Exported) -> list[str]:
    lines = ["  left out: the embedding of the mask token, which only training reads"]
    if found.card.get("aligns"):
        lines.append("  left out: the heads that align patches and words")
    if target != Target.TRANSFORMERS and abs(found.towers.resize - 1) > 1e-6:
        lines.append(
            f"  not told: pictures are seen here resized to {found.towers.resize:.4g} times the "
            f"input's side before the crop; resize them so there"
        )
    return lines


def _open_clip(found: Exported, folder: Path) -> None:
    """open_clip_config.json and open_clip_model.safetensors, for `local-dir:<folder>`."""
    if found.merges != MERGES:
        raise ConversionError(
            f"The model's tokenizer has {found.merges} of CLIP's {MERGES} merges, and open_clip's "
            f"has all; write it with --to=transformers or --to=keras_hub."
        )
    config = open_clip_config.of(found.towers)
    _json(folder / open_clip_config.FILE, config)
    state = _theirs(openai_names.weights(found.towers), found.values)
    safetensors.numpy.save_file(state, folder / "open_clip_model.safetensors")


def _transformers(found: Exported, folder: Path) -> None:
    """What `CLIPModel.from_pretrained` and `CLIPProcessor.from_pretrained` read."""
    vocabulary = len(bpe.published(found.merges)[0])
    for name, content in transformers_config.files(found.towers, vocabulary).items():
        _json(folder / name, content)
    length = found.towers.text["context_length"]
    tokenizer_files.write(folder, merges=found.merges, context_length=length)
    state = _theirs(transformers_names.weights(found.towers), found.values)
    safetensors.numpy.save_file(state, folder / "model.safetensors", {"format": "pt"})


def _keras_hub(found: Exported, folder: Path) -> None:
    """A preset of a `CLIPBackbone` with its image converter and tokenizer."""
    backbone = keras_hub_names.backbone(found.towers, len(bpe.published(found.merges)[0]))
    theirs = keras_hub_names.Attributes(backbone, found.towers)
    for name, value in _theirs(keras_hub_names.weights(found.towers), found.values).items():
        theirs.variable(name).assign(value)
    keras_hub_names.save(backbone, found.towers, bpe.published(found.merges), folder)


TARGETS: dict[str, Write] = {
    Target.OPEN_CLIP: _open_clip,
    Target.TRANSFORMERS: _transformers,
    Target.KERAS_HUB: _keras_hub,
}


def _theirs(weights: Iterable[Weight], values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Their arrays by their names.

    Raises:
        ConversionError: for a weight of ours that they have no place for, or the other way round.
    """
    weights, arrays = list(weights), {}
    ours = {weight.ours for weight in weights}
    if differing := sorted(ours ^ values.keys()):
        raise ConversionError(
            f"The library's model and this export differ in {', '.join(differing[:4])}; it cannot "
            f"be written for it."
        )
    for weight in weights:
        assert weight.layout.to_theirs is not None, weight.ours
        parts = weight.layout.to_theirs(values[weight.ours])
        for name, part in zip(weight.theirs, parts, strict=True):
            arrays[name] = np.array(part, order="C")  # ascontiguousarray makes scalars vectors
    return arrays


def _json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
