"""`Encoders` of an export."""

import importlib
from pathlib import Path

import tensorflow as tf

from clipbench_tf.evaluation.encoders import Representation
from clipbench_tf.export import card

IMAGE, CLASS = "image_", "class_"  # prefixes of the input names of the signature `score`


class SavedEncoders:
    """`Encoders` of the SavedModel in `folder`, without the Python code of its method.

    Raises:
        ExportError: if `folder` holds no SavedModel of clipbench_tf, or a damaged one, or one
            that needs tensorflow-text and that is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.card = card.read(self.folder)
        _import_operations(self.card)
        try:
            self._model = tf.saved_model.load(str(folder))  # kept, or its variables are freed
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise card.ExportError(
                f"The SavedModel in {str(folder)!r} is damaged and cannot be loaded "
                f"({_first_line(error)}); export the model again."
            ) from error
        self._run = self._model.signatures

    def represent_images(self, encoded: tf.Tensor) -> tuple[Representation, tf.Tensor]:
        """String [B] -> tensors [B, ...], and bool [B]: false where the bytes are no image."""
        outputs = self._run["represent_image"](image=encoded)
        valid = outputs.pop("valid")
        return outputs, valid

    def represent_classes(self, prompts: tf.Tensor) -> Representation:
        """String [C, T], the T prompts of each class -> tensors [C, ...]."""
        return self._run["represent_classes"](prompts=prompts)

    def score(self, images: Representation, classes: Representation) -> tf.Tensor:
        """Similarities, float32 [B, C]."""
        inputs = {IMAGE + name: value for name, value in images.items()}
        inputs |= {CLASS + name: value for name, value in classes.items()}
        return self._run["score"](**inputs)["scores"]


def _import_operations(facts: dict) -> None:
    """Imports tensorflow-text if the export needs it; the import registers its operations."""
    if "tensorflow-text" not in facts.get("needs", ()):
        return
    try:
        importlib.import_module("tensorflow_text")
    except ImportError as error:
        raise card.ExportError(
            "This export holds a KerasHub tokenizer, which needs tensorflow-text, and that cannot "
            f"be imported ({error}): pip install 'tensorflow-text==2.21.*'."
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]
