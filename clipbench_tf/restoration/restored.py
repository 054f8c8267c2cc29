"""The encoders of a run, a conversion or a SavedModel, in memory, to write them in other forms."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from clipbench_tf import config
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.export import card, rebuilt, variables
from clipbench_tf.export.card import ExportError
from clipbench_tf.planning import from_gin
from clipbench_tf.training.precision import NAME as PRECISION
from clipbench_tf.training.saved_weights import InitializationError, SavedWeights
from clipbench_tf.training.train import Trainer

_ACCOUNT = "conversion.json"  # in the folder of a conversion


class Restored(NamedTuple):
    """A model from disk.

    Attributes:
        encoders: with its weights; they compute in float32.
        card: the model card of its SavedModel. Of a run that has none yet, its "method" and a word
            about its "dataset".
        saved: the folder of the SavedModel; None where a run has none yet.
    """

    encoders: MethodEncoders
    card: dict[str, Any]
    saved: Path | None


def restored(folder: str | Path) -> Restored:
    """The model in `folder`.

    Its weights are those of the SavedModel; of a run without one, those of the latest checkpoint.
    Towers of our own are rebuilt from the model card. KerasHub's towers, a FILIP of version 0.4.0
    and exports of earlier versions are built from the configuration of the run, and take its data
    for absent; KerasHub's presets must be there.

    Args:
        folder: of a run, of a conversion, or of a SavedModel.

    Raises:
        ExportError: if there is no model, or its SavedModel alone does not tell enough.
        ConfigError: if the configuration of a run cannot be built.
    """
    folder = Path(folder)
    inner = folder / "saved_model"
    saved = inner if card.is_export(inner) or not _is_run(folder) else None
    if saved is not None and not card.is_export(inner):
        saved = folder
    if saved is None:
        return _of_run(folder, None)
    facts = card.read(saved)
    if _is_converted_filip(folder, facts):
        # As the converter scores it; version 0.4.0 did not say so in the card.
        late = {"average_positions": True, "count_padding": True}
        facts = {"late_interaction": late, **facts}
    if rebuilt.possible(facts):
        return Restored(rebuilt.encoders(saved, facts), facts, saved)
    run = folder if _is_run(folder) else saved.resolve().parent
    if _is_run(run):
        return _of_run(run, saved)
    raise ExportError(
        f"The SavedModel in {str(saved)!r} alone does not tell how to build its towers and its "
        f"scorer anew ({facts['method']}, {facts['scorer']}); give the folder of its run, with "
        f"its {config.RUN_CONFIG}."
    )


def _is_run(folder: Path) -> bool:
    return (folder / config.RUN_CONFIG).is_file()


def _is_converted_filip(folder: Path, facts: dict[str, Any]) -> bool:
    places = (folder / _ACCOUNT, folder.resolve().parent / _ACCOUNT)
    account = next((place for place in places if place.is_file()), None)
    if account is None or facts["scorer"] == "cosine":
        return False
    return json.loads(account.read_text(encoding="utf-8"))["method"] == "filip"


def _of_run(folder: Path, saved: Path | None) -> Restored:
    """Built by the configuration of the run in `folder`; weights of `saved` or a checkpoint."""
    facts = card.read(saved) if saved else {}
    trainer, _ = from_gin.build([str(folder / config.RUN_CONFIG)], [f"{PRECISION} = 'float32'"])
    method = trainer.method
    method.build(trainer.pipeline.example())
    if saved is not None and "variables" in facts:
        rebuilt.assign(method, variables.read(saved, facts), str(saved))
    else:
        _assign_checkpoint(trainer, folder)
    known = {"method": method.name, "dataset": f"data of {folder.name}", **facts}
    return Restored(trainer.encoders, known, saved)


def _assign_checkpoint(trainer: Trainer, folder: Path) -> None:
    if tf.train.latest_checkpoint(str(folder / "checkpoints")) is None:
        raise ExportError(
            f"The run in {str(folder)!r} has neither a saved_model/ nor a checkpoint yet; start "
            f"its command again to go on with it."
        )
    try:
        source = SavedWeights(str(folder))
        values = {name: source.read(name) for name in source.weights}
    except InitializationError as error:
        raise ExportError(
            f"The latest checkpoint of the run in {str(folder)!r} cannot be read; give a run whose "
            f"checkpoint is whole."
        ) from error
    rebuilt.assign(trainer.method, values, source.path)
