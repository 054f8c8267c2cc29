"""Uses an export from Python: encodes pictures and texts, and classifies zero-shot."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from clipbench_tf.data.images.decoding import FORMATS
from clipbench_tf.data.text import cleaning
from clipbench_tf.evaluation.classifier import Classifier
from clipbench_tf.export import card
from clipbench_tf.export.saved_encoders import SavedEncoders

Picture = str | Path | bytes  # the path of a file, or its bytes
_TOGETHER = 128  # pictures or texts that are encoded in one call


class ExportedModel(SavedEncoders):
    """The SavedModel in `folder`, for use from Python. N pictures or texts, E embedding, C classes.

    Raises:
        ExportError: as in `SavedEncoders`.
    """

    def encode_images(self, pictures: Iterable[Picture]) -> np.ndarray:
        """Embeddings of unit length, float32 [N, E].

        Raises:
            ValueError: for a file that cannot be read, or that is no picture.
        """

        pictures = _listed(pictures)

        def embeddings(start: int, part: tf.Tensor) -> tf.Tensor:
            embedding, valid = self.embed_images(part)
            _refuse(pictures, start, valid)
            return embedding

        return self._joined(_read(pictures), embeddings)

    def encode_texts(self, texts: Iterable[str], *, clean: bool = False) -> np.ndarray:
        """Embeddings of unit length, float32 [N, E].

        Args:
            texts: N captions.
            clean: whether to clean them first, as captions are when data is prepared: broken
                Unicode, HTML entities and whitespace (`cleaning.clean`).
        """
        texts = [cleaning.clean(t) for t in _listed(texts)] if clean else _listed(texts)

        def embeddings(start: int, part: tf.Tensor) -> tf.Tensor:
            return self._signature("encode_text")(text=part)["embedding"]

        return self._joined(texts, embeddings)

    def classify(
        self,
        pictures: Iterable[Picture],
        classes: Iterable[str],
        templates: Iterable[str] | None = None,
    ) -> np.ndarray:
        """Probabilities of `classes` by zero-shot classification, float32 [N, C].

        They are the softmax of the similarities by the model's own scorer, at the learnt
        temperature.

        Args:
            pictures: N paths or encoded pictures.
            classes: C names.
            templates: prompts with `{}` for the name; by default those of the model card.

        Raises:
            ValueError: for a file that cannot be read, or that is no picture; without classes, or
                for one without a name.
        """
        classes, templates = _listed(classes), _listed(templates or self.card["templates"])
        if not classes:
            raise ValueError("classify needs at least one class name.")
        card.check_templates(templates)
        pictures = _listed(pictures)
        classifier = Classifier(self, classes, templates)

        def probabilities(start: int, part: tf.Tensor) -> tf.Tensor:
            images, valid = self.represent_images(part)
            _refuse(pictures, start, valid)
            return tf.nn.softmax(classifier.scores(images) / self.card["temperature"])

        return self._joined(_read(pictures), probabilities, width=len(classes))

    def _joined(
        self,
        items: Sequence[str | bytes],
        run: Callable[[int, tf.Tensor], tf.Tensor],
        width: int | None = None,
    ) -> np.ndarray:
        """Calls `run` with each chunk of `items` and its start; joins the results, [N, width]."""
        starts = range(0, len(items), _TOGETHER)
        parts = [run(i, tf.constant(items[i : i + _TOGETHER], tf.string)).numpy() for i in starts]
        return np.concatenate(parts or [np.zeros([0, width or self.card["embed_dim"]], np.float32)])


def load(folder: str | Path) -> ExportedModel:
    """The model of a finished training run, or of an export.

    Args:
        folder: the run folder, or that of a SavedModel.

    Raises:
        ExportError: if `folder` is neither.
    """
    inner = Path(folder) / "saved_model"
    if card.is_export(inner):
        return ExportedModel(inner)
    if (Path(folder) / "config.gin").is_file():
        raise card.ExportError(
            f"The run in {str(folder)!r} has no saved_model/ yet; start its command again to "
            f"finish it."
        )
    return ExportedModel(folder)


def _listed(items: Iterable) -> list:
    """A list of several `items`; one string, path or bytes alone is a mistake."""
    if isinstance(items, str | bytes | Path):
        raise ValueError(f"Give a list, such as [{str(items)[:60]!r}], not one item alone.")
    return list(items)


def _read(pictures: Sequence[Picture]) -> list[bytes]:
    encoded = []
    for number, picture in enumerate(pictures):
        try:
            encoded.append(picture if isinstance(picture, bytes) else Path(picture).read_bytes())
        except TypeError:
            kind = type(picture).__name__
            raise ValueError(
                f"Picture {number} is a {kind}; give the path of a file, or its bytes."
            ) from None
        except OSError as error:
            raise ValueError(
                f"{_name(pictures, number)} cannot be read: {error.strerror}."
            ) from None
    return encoded


def _refuse(pictures: Sequence[Picture], start: int, valid: tf.Tensor) -> None:
    """Raises ValueError for the first of the pictures from `start` on that is not `valid` [B]."""
    bad = [start + n for n, good in enumerate(valid.numpy()) if not good]
    if bad:
        raise ValueError(f"{_name(pictures, bad[0])} cannot be decoded; {FORMATS} is expected.")


def _name(pictures: Sequence[Picture], number: int) -> str:
    picture = pictures[number]
    return f"Picture {number}" if isinstance(picture, bytes) else f"Picture {str(picture)!r}"
