"""A SavedModel of ours, ready to be evaluated."""

import importlib
from pathlib import Path

import tensorflow as tf

from clipbench_tf.evaluation.encoders import Representation
from clipbench_tf.export import card

IMAGE, CLASS = "image_", "class_"  # prefixes of the inputs of the signature `score`


class SavedEncoders:
    """`Encoders` of the SavedModel in `folder`; none of its Python code is needed.

    Raises:
        ExportError: if the folder holds no SavedModel of ours, or one that needs tensorflow-text
            where that is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.card = card.read(self.folder)
        _import_operations(self.card)
        try:
            self._model = tf.saved_model.load(str(folder))  # what it holds lives as long as it
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise card.ExportError(
                f"The SavedModel in {str(folder)!r} is damaged and cannot be loaded "
                f"({_first_line(error)}); export the model again."
            ) from error
        self._run = self._model.signatures

    def represent_images(self, encoded: tf.Tensor) -> tuple[Representation, tf.Tensor]:
        """String [B] -> tensors [B, ...], and bool [B]: false for what is no image."""
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
    """Importing tensorflow-text is what gives TensorFlow its operations."""
    if "tensorflow-text" not in facts.get("needs", ()):
        return
    try:
        importlib.import_module("tensorflow_text")
    except ImportError as error:
        raise card.ExportError(
            "This export holds a KerasHub tokenizer, which needs the operations of "
            f"tensorflow-text, and that cannot be imported ({error}): "
            f"pip install 'tensorflow-text==2.21.*'."
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]
