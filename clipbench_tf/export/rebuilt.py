"""The method of an export, made anew from the model card and the saved weights alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from clipbench_tf.data.text.tokenizer import Tokenizer
from clipbench_tf.evaluation import scorers
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import LateInteraction, Scorer
from clipbench_tf.export import towers, variables
from clipbench_tf.export.card import ExportError
from clipbench_tf.method import Method
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.image_text import ImageText

_HEAD = "/image_mapping/kernel"  # behind the name of a `FineGrained` objective


def facts(method: Method, scorer: Scorer) -> dict[str, Any]:
    """The field "late_interaction" of the model card, where `scorer` is one."""
    if not isinstance(scorer, LateInteraction):
        return {}
    (objective,) = (o for o in method.objectives if isinstance(o, FineGrained))
    return {
        "late_interaction": {
            "average_positions": scorer.average_positions,
            "count_padding": objective.count_padding,
        }
    }


def possible(card: Mapping[str, Any]) -> bool:
    """Whether `encoders` can be made from this card: not for KerasHub's towers, nor FILIP's of old.

    An export of version 0.4.0 does not tell how FILIP's words are counted; before 0.4.0, none does
    tell its towers.
    """
    known = card["scorer"] == "cosine" or "late_interaction" in card
    return known and "variables" in card and all(map(_own, card["towers"].values()))


def encoders(folder: Path, card: Mapping[str, Any]) -> MethodEncoders:
    """The encoders of the export in `folder`, in float32; its objectives without weights are gone.

    Args:
        folder: of a SavedModel.
        card: its model card, of which `possible` holds.

    Raises:
        ExportError: if the export has one tower alone, or is damaged.
    """
    values = variables.read(folder, card)
    method = _method(card, values)
    assign(method, values, str(folder))
    late = card.get("late_interaction")
    scorer = (
        scorers.late_interaction(method, average_positions=late["average_positions"])
        if late
        else scorers.cosine(method)
    )
    return MethodEncoders(
        method,
        tokenizer=Tokenizer(
            context_length=card["context_length"], merges=card["towers"]["text"]["merges"]
        ),
        scorer=scorer,
        image_size=card["image_size"],
        resize=card["resize"],
        interpolation=card.get("interpolation", "bilinear"),
        exact=True,
    )


def assign(method: Method, values: Mapping[str, np.ndarray], source: str) -> None:
    """Sets the built `method` to `values`, by their path below it.

    Raises:
        ExportError: if a weight of a tower is missing in `source`, or has another shape.
    """
    prefix = f"{method.name}/"
    ours = {v.path.removeprefix(prefix): v for v in method.variables}
    needed = {
        v.path.removeprefix(prefix) for tower in method.towers.values() for v in tower.weights
    }
    if missing := sorted(needed - values.keys()):
        raise ExportError(
            f"{source!r} has no {missing[0]} and lacks {len(missing)} weights of the towers in "
            f"all; give the export of a whole model, or the folder of its run."
        )
    for path in ours.keys() & values.keys():
        variable, value = ours[path], values[path]
        if tuple(variable.shape) == value.shape:
            variable.assign(value)
        elif path in needed:
            raise ExportError(
                f"{path} is {value.shape} in {source!r}, but {tuple(variable.shape)} in its tower; "
                f"the files do not belong together: export the model again."
            )


def _own(tower: Mapping[str, Any]) -> bool:
    return tower["class"] in {kind.__name__ for kind in towers.OWN}


def _method(card: Mapping[str, Any], values: Mapping[str, np.ndarray]) -> Method:
    """Built, with random weights."""
    made = {part: towers.made(described) for part, described in card["towers"].items()}
    objective: ImageText | FineGrained = ImageText()
    if late := card.get("late_interaction"):
        ((path, kernel),) = ((p, v) for p, v in values.items() if p.endswith(_HEAD))
        objective = FineGrained(
            width=kernel.shape[1],
            count_padding=late["count_padding"],
            name=path.removesuffix(_HEAD),
        )
    method = Method(
        image_encoder=made["image"],
        text_encoder=made["text"],
        objectives=[objective],
        name=card["method"],
    )
    size = card["image_size"]
    method.build(
        {
            "images": tf.zeros([2, 1, size, size, 3], tf.uint8),
            "ids": tf.ones([2, 1, card["context_length"]], tf.int32),
        }
    )
    return method
