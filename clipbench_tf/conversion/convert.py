"""Published weights -> a folder with a SavedModel, a checkpoint to start from, and an account."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from clipbench_tf.conversion import building, model_gin
from clipbench_tf.conversion.names.architecture import ConversionError
from clipbench_tf.conversion.names.published import Published, Unused
from clipbench_tf.conversion.origins import ORIGINS
from clipbench_tf.conversion.output import written
from clipbench_tf.export.saved_model import export
from clipbench_tf.method import Method
from clipbench_tf.record import packages

ACCOUNT = "conversion.json"


def convert(
    origin: str,
    checkpoint: Path,
    output: Path,
    *,
    classes: Sequence[str],
    templates: Sequence[str],
    config: Path | None = None,
) -> dict[str, Any]:
    """Converts published weights and writes them to the folder `output`, all of it or nothing.

    It holds `saved_model`, as a run leaves it; `checkpoints/ckpt-0` and `model.gin`, to start
    training from; and `conversion.json`, whose content is returned: what became of every weight.

    Args:
        origin: a key of `ORIGINS`.
        checkpoint: a file or folder; of KerasHub, also the name of a preset.
        output: is replaced if it is an earlier conversion.
        classes: that the export answers with.
        templates: prompts with `{}` for the class name.
        config: of open_clip's model.

    Raises:
        ConversionError, CheckpointFormatError, ExportError: for what cannot be converted.
    """
    _check(output)
    published = ORIGINS[origin](checkpoint, config)
    unused = published.unused()
    method, new = building.method(published)
    with written(output) as folder:
        _export(published, method, folder, classes, templates)
        _checkpoint(published, method, folder / "checkpoints")
        (folder / "model.gin").write_text(model_gin.text(published.towers), encoding="utf-8")
        account = _account(published, checkpoint, unused, new)
        text = json.dumps(account, indent=2, ensure_ascii=False) + "\n"
        (folder / ACCOUNT).write_text(text, encoding="utf-8")
    return account


def _export(
    published: Published,
    method: Method,
    folder: Path,
    classes: Sequence[str],
    templates: Sequence[str],
) -> None:
    encoders = building.encoders(published, method)
    export(
        method,
        encoders.tokenizer,
        folder / "saved_model",
        dataset=f"weights of {published.origin}",
        classes=classes,
        templates=templates,
        scorer=encoders.scorer,
        image_size=encoders.image_size,
        resize=encoders.resize,
        interpolation=encoders.interpolation,
    )


def _checkpoint(published: Published, method: Method, folder: Path) -> None:
    """Saves the converted weights by the names that a run's checkpoint has."""
    converted = {f"{method.name}/{weight.ours}" for weight in published.weights}
    variables = {v.path: v.value for v in method.variables if v.path in converted}
    state = tf.train.Checkpoint(variables=variables)
    tf.train.CheckpointManager(state, str(folder), max_to_keep=1).save(checkpoint_number=0)


def _account(
    published: Published, checkpoint: Path, unused: Sequence[Unused], new: Sequence[str]
) -> dict[str, Any]:
    """What became of every weight, as JSON values."""
    towers = published.towers
    return {
        "from": published.origin,
        "checkpoint": checkpoint.name,
        "method": published.method,
        "image_tower": {"kind": towers.kind, **towers.image},
        "text_tower": towers.text,
        "view": {"resize": towers.resize, "interpolation": towers.interpolation},
        "converted": [
            {"ours": w.ours, "theirs": {name: list(published.shapes[name]) for name in w.theirs}}
            for w in published.weights
        ],
        "unused": [each._asdict() for each in unused],
        "not_weights": list(published.beside),
        "new": list(new),
        "versions": packages(),
    }


def summary(account: dict[str, Any]) -> list[str]:
    """Lines of text about an account."""
    tower = account["image_tower"]
    theirs = {name for weight in account["converted"] for name in weight["theirs"]}
    lines = [
        f"{account['method']} of {account['from']}: {tower['kind']} at {tower['image_size']} px, "
        f"width {tower['width']}; text of {account['text_tower']['depth']} layers, width "
        f"{account['text_tower']['width']}.",
        f"{len(theirs)} weights converted, {len(account['unused'])} deliberately unused.",
    ]
    reasons: dict[str, list[str]] = {}
    for each in account["unused"]:
        reasons.setdefault(each["reason"], []).append(each["name"])
    for reason, names in reasons.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        lines.append(f"  unused: {names[0]}{more} ({reason})")
    if account["not_weights"]:
        lines.append(f"  not weights: {', '.join(account['not_weights'])}")
    for name in account["new"]:
        lines.append(f"  new: {name}")
    return lines


def _check(output: Path) -> None:
    """Raises ConversionError if `output` holds something else than an earlier conversion."""
    if output.is_file() or (
        output.is_dir() and not (output / ACCOUNT).is_file() and any(output.iterdir())
    ):
        raise ConversionError(
            f"{str(output)!r} exists and is no earlier conversion; give another --output."
        )
