"""Exports a trained method as a SavedModel that needs nothing but TensorFlow."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.types.experimental import ConcreteFunction

from clipbench_tf.data.text.hub_tokenizer import HubTokenizer
from clipbench_tf.data.text.tokenizer import Tokenizer
from clipbench_tf.evaluation.classifier import Classifier
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import Scorer
from clipbench_tf.export import alignment, card, rebuilt, towers
from clipbench_tf.export.signatures import signatures
from clipbench_tf.method import Method
from clipbench_tf.record import packages


def export(
    method: Method,
    tokenizer: Tokenizer | HubTokenizer,
    folder: str | Path,
    *,
    dataset: str,
    classes: Sequence[str],
    templates: Sequence[str],
    scorer: Scorer,
    image_size: int,
    resize: float = 256 / 224,
    interpolation: str = "bilinear",
) -> Path:
    """Writes `method` to `folder`, whole or not at all; replaces an earlier export there.

    The signatures, described in `signatures.py`, compute in float32, which every machine supports,
    whatever precision the method was trained in. The model card is the file
    `assets.extra/clipbench_tf.json`. Its `needs` names the packages whose operations the model
    uses besides TensorFlow's own: none, unless the tokenizer is one of KerasHub.

    Args:
        method: built, with the weights to export.
        tokenizer: the one that `method` was trained with.
        folder: of the SavedModel.
        dataset: name of the training data set, for the model card.
        classes: the names that `serving_default` answers with.
        templates: prompts with `{}` for the class name.
        scorer: the method's own similarity.
        image_size: in pixels, as the image tower expects.
        resize, interpolation: see `MethodEncoders`.

    Returns:
        `folder`.

    Raises:
        ExportError: if `folder` holds something else, or there are no classes or templates.
    """
    folder = Path(folder)
    _check(method, folder, classes, templates)
    encoders = MethodEncoders(
        method,
        tokenizer=tokenizer,
        scorer=scorer,
        image_size=image_size,
        resize=resize,
        interpolation=interpolation,
        exact=True,
    )
    module, functions = _servable(encoders, Classifier(encoders, classes, templates), classes)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # for inference only
    tf.saved_model.save(module, str(partial), functions, options)
    card.write(_facts(encoders, functions, module, dataset, classes, templates), partial)
    _swap(partial, folder)
    return folder


def _servable(
    encoders: MethodEncoders, classifier: Classifier, classes: Sequence[str]
) -> tuple[tf.Module, dict[str, ConcreteFunction]]:
    """The module to save, which owns the weights, and its signatures."""
    module = tf.Module(name="clipbench_tf")
    module.tokenizer = encoders.tokenizer
    module.classifier = classifier.parts = [
        {name: tf.Variable(value, trainable=False) for name, value in part.items()}
        for part in classifier.parts
    ]
    with encoders.precision():
        functions = signatures(encoders, classifier, classes)
    # Only what the signatures read is saved: no optimizer, no training heads, no queue.
    read = {v.ref(): v for f in functions.values() for v in f.graph.variables}
    module.weights = list(read.values())
    return module, functions


def _facts(
    encoders: MethodEncoders,
    functions: Mapping[str, ConcreteFunction],
    module: tf.Module,
    dataset: str,
    classes: Sequence[str],
    templates: Sequence[str],
) -> dict[str, Any]:
    """The fields of the model card."""
    embedding = functions["encode_text"].structured_outputs["embedding"]
    return {
        "method": encoders.method.name,
        "dataset": dataset,
        "classes": len(classes),
        "class_names": list(classes),
        "templates": list(templates),
        "image_size": encoders.image_size,
        "resize": encoders.resize,
        "interpolation": encoders.interpolation,
        "context_length": encoders.tokenizer.context_length,
        "embed_dim": int(embedding.shape[-1]),
        "scorer": encoders.scorer.name,
        "temperature": float(1 / encoders.scorer.scale()),
        "aligns": alignment.NAME in functions,
        "precision": "float32",
        "trained_in": keras.config.dtype_policy().name,
        "needs": list(encoders.tokenizer.needs),
        "versions": packages(),
        **towers.facts(encoders.method, module.weights),
        **rebuilt.facts(encoders.method, encoders.scorer),
    }


def _check(method: Method, folder: Path, classes: Sequence[str], templates: Sequence[str]) -> None:
    if not method.built:
        raise card.ExportError(
            "The method has no weights yet; build it and train it before the export."
        )
    if isinstance(classes, str) or isinstance(templates, str):
        raise card.ExportError("classes and templates are lists of strings, not one string.")
    card.check_templates(templates)
    if not classes or not templates:
        raise card.ExportError(
            f"An export needs class names and templates; got {len(classes)} and {len(templates)}."
        )
    if (
        folder.exists()
        and not card.is_export(folder)
        and (folder.is_file() or any(folder.iterdir()))
    ):
        raise card.ExportError(
            f"{str(folder)!r} exists and is not an export; choose another folder or remove it."
        )


def _swap(partial: Path, folder: Path) -> None:
    """Replaces `folder` by `partial`."""
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(partial, folder)
    shutil.rmtree(old, ignore_errors=True)
