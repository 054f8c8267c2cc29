"""Writes a model from disk as a SavedModel again, with other names, weights or towers."""

from pathlib import Path

import tensorflow as tf

from clipbench_tf.data.readers.labelled import prompts as prompt_sets
from clipbench_tf.data.readers.labelled.class_names import SHIPPED, class_names
from clipbench_tf.export.card import ExportError
from clipbench_tf.export.saved_model import export
from clipbench_tf.restoration.restored import Restored


def write(
    model: Restored,
    folder: Path,
    *,
    weights: str = "float32",
    tower: str = "both",
    classnames: str | None = None,
    prompts: str | None = None,
) -> list[str]:
    """Writes `model` to `folder`; replaces an earlier export there.

    Args:
        model: what `restored` found.
        folder: of the new SavedModel.
        weights, tower: see `export`.
        classnames: a file of names, or "imagenet" (see `class_names`); by default those of the
            model's own SavedModel.
        prompts: a set or a file of them (see `prompts.load`); by default those of the model's own
            SavedModel, or CLIP's 80 for "imagenet".

    Returns:
        Lines of text about what was written.

    Raises:
        ExportError, DatasetError: for names that are missing or wrong, or a folder of something
            else.
    """
    encoders = model.encoders
    both = tower == "both"
    names = _names(model, classnames) if both else ()
    templates = _templates(model, classnames, prompts) if both else ()
    export(
        encoders.method,
        encoders.tokenizer,
        folder,
        dataset=model.card["dataset"],
        classes=names,
        templates=templates,
        scorer=encoders.scorer,
        image_size=encoders.image_size,
        resize=encoders.resize,
        interpolation=encoders.interpolation,
        weights=weights,
        tower=tower,
    )
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    what = "both towers" if both else f"the {tower} tower"
    lines = [f"{model.card['method']}: {what}, {weights} weights, {size / 1e6:.1f} MB."]
    if names:
        lines.append(f"  answers with {len(names)} class names in {len(templates)} prompts each")
    return lines


def _names(model: Restored, classnames: str | None) -> tuple[str, ...]:
    if classnames:
        return class_names([], classnames)
    if "class_names" in model.card:
        return tuple(model.card["class_names"])
    if model.saved is None:
        raise ExportError(
            "The run has no SavedModel yet, whose class names could be taken; give a file of names "
            "as --classnames."
        )
    # Version 0.4.0 kept them in the graph alone: they are the answers for any picture.
    grey = tf.io.encode_png(tf.fill([8, 8, 3], tf.constant(127, tf.uint8)))
    run = tf.saved_model.load(str(model.saved)).signatures["serving_default"]
    return tuple(
        sorted(name.decode() for name in run(image=tf.stack([grey]))["classes"].numpy()[0])
    )


def _templates(model: Restored, classnames: str | None, prompts: str | None) -> tuple[str, ...]:
    if prompts:
        return prompt_sets.load(prompts)
    if classnames == SHIPPED or "templates" not in model.card:
        return prompt_sets.load("clip80")
    return tuple(model.card["templates"])
