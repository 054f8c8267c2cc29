"""Exports a trained method as a SavedModel that needs nothing but TensorFlow."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from clipbench_tf.data.text.hub_tokenizer import HubTokenizer
from clipbench_tf.data.text.tokenizer import Tokenizer
from clipbench_tf.evaluation.classifier import Classifier
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import Scorer
from clipbench_tf.export import alignment, card, rebuilt, towers, warmup
from clipbench_tf.export.signatures import SignatureMaker, Signatures
from clipbench_tf.export.stored_weights import StoredWeights
from clipbench_tf.method import Method
from clipbench_tf.record import packages

TOWERS = ("both", "image", "text")

# Callable from Python without the inputs that have defaults.
_CALLABLE = {"serving_default", "classify", "classify_represented"}


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
    weights: str = "float32",
    tower: str = "both",
) -> Path:
    """Writes `method` to `folder`, whole or not at all; replaces an earlier export there.

    The signatures, described in `signatures.py`, compute in float32, which every machine supports,
    whatever precision the method was trained in. Beside them lie a model card
    (`assets.extra/clipbench_tf.json`), whose `needs` names the packages that an export with a
    tokenizer of KerasHub needs, and the requests that TensorFlow Serving warms up with.

    Args:
        method: built, with the weights to export.
        tokenizer: the one that `method` was trained with.
        folder: of the SavedModel; it is returned.
        dataset: name of the training data set, for the model card.
        classes: the names that `serving_default` answers with.
        templates: prompts with `{}` for the class name.
        scorer: the method's own similarity.
        image_size: in pixels, as the image tower expects.
        resize, interpolation: see `MethodEncoders`.
        weights: how they are stored, see `StoredWeights`.
        tower: "both", or one alone, "image" or "text", whose signatures and weights are written.

    Raises:
        ExportError: if `folder` holds something else, there are no classes or templates, or an
            option is unknown.
    """
    folder = Path(folder)
    _check(method, folder, classes, templates, tower)
    encoders = MethodEncoders(
        method,
        tokenizer=tokenizer,
        scorer=scorer,
        image_size=image_size,
        resize=resize,
        interpolation=interpolation,
        exact=True,
    )
    stored = StoredWeights(method, weights)
    module, functions = _servable(encoders, stored, classes, templates, tower)
    facts = _facts(encoders, dataset, classes, templates) | _kept(encoders, module, stored, tower)
    facts["aligns"] = alignment.NAME in functions
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # for inference only
    with _replaced(folder) as partial:
        tf.saved_model.save(module, str(partial), _saved(functions), options)
        card.write(facts, partial)
        warmup.write(partial, functions, image_size)
    return folder


def _servable(
    encoders: MethodEncoders,
    stored: StoredWeights,
    classes: Sequence[str],
    templates: Sequence[str],
    tower: str,
) -> tuple[tf.Module, Signatures]:
    """The module to save, which owns the weights, and its signatures."""
    module = tf.Module(name="clipbench_tf")
    maker = SignatureMaker(encoders, stored)
    functions: Signatures = {}
    if tower != "text":
        functions |= maker.of_images()
    if tower != "image":
        module.tokenizer = encoders.tokenizer
        functions |= maker.of_texts()
    if tower == "both":
        classifier = Classifier(encoders, classes, templates)
        module.classifier = classifier.parts = [
            {name: tf.Variable(value, trainable=False) for name, value in part.items()}
            for part in classifier.parts
        ]
        functions |= maker.of_both(classifier, classes, templates)
        images, texts = (
            functions[name].get_concrete_function().structured_outputs
            for name in ("represent_image", "represent_classes")
        )
        functions |= maker.of_scores({n: v for n, v in images.items() if n != "valid"}, texts)
        functions |= maker.of_tokens()
    else:
        functions["serving_default"] = functions[f"encode_{tower}"]
    # Only what the signatures read is saved: no optimizer, no training heads, no queue.
    graphs = [function.get_concrete_function().graph for function in functions.values()]
    read = {v.ref(): v for graph in graphs for v in graph.variables}
    module.weights = list(read.values())
    for name in _CALLABLE & functions.keys():
        setattr(module, name, functions[name])
    return module, functions


def _saved(functions: Signatures) -> Signatures:
    """As graphs, but for those with defaults: TensorFlow traces a function again to save it."""
    return {
        name: function if name in _CALLABLE else function.get_concrete_function()
        for name, function in functions.items()
    }


def _facts(
    encoders: MethodEncoders, dataset: str, classes: Sequence[str], templates: Sequence[str]
) -> dict[str, Any]:
    """The fields of the model card that do not depend on how it is stored."""
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
        "embed_dim": encoders.embed_dim(),
        "scorer": encoders.scorer.name,
        "temperature": float(1 / encoders.scorer.scale()),
        "precision": "float32",
        "trained_in": keras.config.dtype_policy().name,
        "versions": packages(),
        "towers": towers.facts(encoders.method),
        **rebuilt.facts(encoders.method, encoders.scorer),
    }


def _kept(
    encoders: MethodEncoders, module: tf.Module, stored: StoredWeights, tower: str
) -> dict[str, Any]:
    """The fields about how it is stored."""
    paths = stored.paths()
    return {
        "weights": stored.precision,
        "tower": tower,
        "needs": [] if tower == "image" else list(encoders.tokenizer.needs),
        "variables": [paths.get(variable.ref(), "") for variable in module.weights],
    }


def _check(
    method: Method, folder: Path, classes: Sequence[str], templates: Sequence[str], tower: str
) -> None:
    if tower not in TOWERS:
        raise card.ExportError(f"There is no tower {tower!r}; there are {', '.join(TOWERS)}.")
    if not method.built:
        raise card.ExportError(
            "The method has no weights yet; build it and train it before the export."
        )
    if isinstance(classes, str) or isinstance(templates, str):
        raise card.ExportError("classes and templates are lists of strings, not one string.")
    card.check_templates(templates)
    if tower == "both" and not (classes and templates):
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


@contextlib.contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """Yields a folder to write into, which takes the place of `folder` if nothing fails."""
    partial, old = (folder.with_name(f"{folder.name}.{end}") for end in ("partial", "old"))
    for earlier in (partial, old):
        shutil.rmtree(earlier, ignore_errors=True)
    yield partial
    if folder.exists():
        os.replace(folder, old)
    os.replace(partial, folder)
    shutil.rmtree(old, ignore_errors=True)
