"""`Encoders` of an export."""

import importlib
from pathlib import Path
from typing import Any

import tensorflow as tf

from clipbench_tf.evaluation.encoders import Representation
from clipbench_tf.export import card

IMAGE, CLASS = "image_", "class_"  # prefixes of the input names of `score` and `score_texts`


class SavedEncoders:
    """`Encoders` of the SavedModel in `folder`, without the Python code of its method.

    An export of version 0.3.0 or before has fewer signatures: its `image_features` are embeddings
    (`feature_kind` says so), and its `score_texts` are those of `score`, if that is a cosine. One
    of a single tower has that tower's alone.

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
        outputs = self._signature("represent_image")(image=encoded)
        valid = outputs.pop("valid")
        return outputs, valid

    def represent_classes(self, prompts: tf.Tensor) -> Representation:
        """String [C, T], the T prompts of each class -> tensors [C, ...]."""
        return self._signature("represent_classes")(prompts=prompts)

    def score(self, images: Representation, classes: Representation) -> tf.Tensor:
        """Similarities of pictures to texts, float32 [B, C]."""
        return self._signature("score")(**_inputs(images, classes))["scores"]

    def score_texts(self, classes: Representation, images: Representation) -> tf.Tensor:
        """Similarities of texts to pictures, float32 [C, B].

        Raises:
            ExportError: for late interaction in an export of version 0.3.0 or before.
        """
        if "score_texts" in self._run:
            return self._run["score_texts"](**_inputs(images, classes))["scores"]
        if self.card["scorer"] != "cosine":
            raise card.ExportError(
                f"The export in {str(self.folder)!r} cannot compare texts with pictures by "
                f"{self.card['scorer']}, since an earlier version wrote it; export the model again."
            )
        return tf.transpose(self.score(images, classes))

    @property
    def feature_kind(self) -> str:
        """What `image_features` returns: "pooled", before the projection, or "embedding"."""
        return "pooled" if "image_features" in self._run else "embedding"

    def image_features(self, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """String [B] -> float32 [B, D] for probes, and bool [B]: false where there is no image."""
        if self.feature_kind == "pooled":
            outputs = self._run["image_features"](image=encoded)
            return outputs["features"], outputs["valid"]
        images, valid = self.represent_images(encoded)
        return (images["embedding"], valid) if "embedding" in images else self.embed_images(encoded)

    def embed_images(self, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """String [B] -> float32 [B, E] of unit length, and bool [B]: false where there is none."""
        encode = self._signature("encode_image")
        if "valid" in encode.structured_outputs:
            outputs = encode(image=encoded)
            return outputs["embedding"], outputs["valid"]
        _, valid = self.represent_images(encoded)  # of version 0.4.0, which takes pictures alone
        embedding = encode(image=tf.boolean_mask(encoded, valid))["embedding"]
        shape = [tf.size(encoded, tf.int64), embedding.shape[1]]
        return tf.scatter_nd(tf.where(valid), embedding, shape), valid

    def _signature(self, name: str) -> Any:
        """The signature `name`.

        Raises:
            ExportError: if the export does not have it, as it holds one tower alone.
        """
        if name not in self._run:
            raise card.ExportError(
                f"The export in {str(self.folder)!r} holds the {self.card.get('tower')} tower "
                f"alone, and has no {name!r}; give an export of both."
            )
        return self._run[name]


def _inputs(images: Representation, classes: Representation) -> Representation:
    """The inputs of `score` and `score_texts`."""
    inputs = {IMAGE + name: value for name, value in images.items()}
    return inputs | {CLASS + name: value for name, value in classes.items()}


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
