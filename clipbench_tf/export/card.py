"""The model card of an export; read without TensorFlow, so that errors appear at once."""

import json
from collections.abc import Sequence
from pathlib import Path

FILE = "assets.extra/clipbench_tf.json"


class ExportError(ValueError):
    """A folder is no export of clipbench_tf, or cannot become one; the message has the remedy."""


def read(folder: Path) -> dict:
    """The model card of the SavedModel in `folder`.

    Raises:
        ExportError: if `folder` does not exist, or holds no SavedModel of clipbench_tf.
    """
    if not folder.is_dir():
        raise ExportError(
            f"There is no folder {str(folder)!r}; give the saved_model folder of a run."
        )
    if not (folder / "saved_model.pb").is_file():
        inner = folder / "saved_model"
        hint = f"did you mean {str(inner)!r}?" if is_export(inner) else "give a folder with one."
        raise ExportError(f"{str(folder)!r} holds no SavedModel (no saved_model.pb); {hint}")
    if not is_export(folder):
        raise ExportError(
            f"The SavedModel in {str(folder)!r} was not exported by clipbench_tf (no {FILE}); "
            f"give the saved_model folder of a run."
        )
    try:
        return json.loads((folder / FILE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExportError(
            f"{str(folder / FILE)!r} is damaged ({error}); export the model again."
        ) from error


def is_export(folder: Path) -> bool:
    """Whether `folder` holds a SavedModel with a model card."""
    return (folder / "saved_model.pb").is_file() and (folder / FILE).is_file()


def write(card: dict, folder: Path) -> None:
    """Writes `card` as JSON into the SavedModel in `folder`."""
    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def check_templates(templates: Sequence[str]) -> None:
    """Refuses prompts that do not name the class.

    Raises:
        ExportError: for a template without `{}`.
    """
    wrong = [template for template in templates if "{}" not in template]
    if wrong:
        raise ExportError(
            f"The template {wrong[0]!r} has no {{}} for the class name; write 'a photo of a {{}}'."
        )
