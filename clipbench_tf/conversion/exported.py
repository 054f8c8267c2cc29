"""The weights of an export of ours, by the names that they have in its method."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from clipbench_tf.conversion.names.architecture import IMAGE_TOWERS, Architecture, ConversionError
from clipbench_tf.export import card, variables

_WRITTEN = ("visual", "text", "logit_scale")


@dataclasses.dataclass(frozen=True)
class Exported:
    """An export that other libraries can be given.

    Attributes:
        card: its model card.
        towers: what it is made of.
        merges: of its tokenizer.
        values: every weight of the towers and the temperature, by its path below the method.
    """

    card: dict[str, Any]
    towers: Architecture
    merges: int
    values: dict[str, np.ndarray]


def read(folder: Path) -> Exported:
    """The export in `folder`, that of a run or of a SavedModel.

    Raises:
        ExportError: if there is none.
        ConversionError: if it is older, or has no embedding, or other towers than ours.
    """
    inner = folder / "saved_model"
    folder = inner if card.is_export(inner) else folder
    facts = card.read(folder)
    if "towers" not in facts:
        raise ConversionError(
            f"The export in {str(folder)!r} is of an earlier version, which did not keep the names "
            f"of its weights; start its run again with this version to export it anew."
        )
    if facts["scorer"] != "cosine":
        raise ConversionError(
            f"{facts['method']} scores by {facts['scorer']} of tokens, which other libraries do "
            f"not know; only models that score by the cosine of embeddings can be written."
        )
    image, text = dict(facts["towers"]["image"]), dict(facts["towers"]["text"])
    kind = image.pop("class")
    if kind not in IMAGE_TOWERS or text.pop("class") != "TextTransformer":
        raise ConversionError(
            f"The export has a {kind}; only VisionTransformer or ModifiedResNet with "
            f"TextTransformer can be written for other libraries."
        )
    towers = Architecture(kind, image, text, facts["resize"], facts["interpolation"])
    values = {
        path: value
        for path, value in variables.read(folder, facts).items()
        if path.split("/")[0] in _WRITTEN  # the heads that `align` reads are no part of a CLIP
    }
    return Exported(facts, towers, text["merges"], values)
