"""`usage.json` beside the towers: all that a program needs to feed them, without this package."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clipbench_tf.data.text.hub_tokenizer import HubTokenizer
from clipbench_tf.data.text.vocabulary import LETTERS
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import LateInteraction, Scorer
from clipbench_tf.export import card
from clipbench_tf.export.runtimes import tokenizer_files
from clipbench_tf.record import packages

FILE = "usage.json"


def write(
    encoders: MethodEncoders,
    folder: Path,
    *,
    runtime: str,
    image: Mapping[str, Any],
    text: Mapping[str, Any] | None,
    templates: Sequence[str],
) -> None:
    """Writes `usage.json`, and the tokenizer's files if there is a text tower.

    Args:
        encoders: what was exported.
        folder: exists.
        runtime: that reads the towers.
        image, text: what the runtime has to know of the files of a tower: their names and more.
            None for a tower that was not written.
        templates: prompts with `{}` for the class name.

    Raises:
        ExportError: for a template without `{}`.
    """
    card.check_templates(templates)
    content = {
        "runtime": runtime,
        "method": encoders.method.name,
        "image": {**image, **_pictures(encoders)},
        "text": None if text is None else {**text, **_texts(encoders, folder)},
        "scores": _scores(encoders.scorer, templates),
        "versions": packages(),
    }
    text_of = json.dumps(content, indent=2, ensure_ascii=False)
    (folder / FILE).write_text(text_of + "\n", encoding="utf-8")


def _pictures(encoders: MethodEncoders) -> dict[str, Any]:
    size = encoders.image_size
    return {
        "input": {"name": "pixels", "dtype": "uint8", "shape": ["batch", size, size, 3]},
        "decode": "RGB, upright by its EXIF orientation, transparent parts on white",
        "resize": {
            "shorter_side": round(encoders.resize * size),
            "longer_side": "in proportion, rounded down",
            "interpolation": encoders.interpolation,
            "antialias": True,
        },
        "crop": {"size": size, "place": "centre"},
        "values": "raw, 0 to 255; the model itself subtracts the mean and divides by the deviation",
    }


def _texts(encoders: MethodEncoders, folder: Path) -> dict[str, Any]:
    tokenizer, whole = encoders.tokenizer, encoders.scorer.whole_texts
    vocabulary, length = tokenizer.vocabulary, tokenizer.context_length
    return {
        "input": {"name": "ids", "dtype": "int32", "shape": ["batch", length if whole else "any"]},
        "context_length": length,
        "padding": "to the context length" if whole else "to the longest of the batch, or more",
        "start": vocabulary.start,
        "end": vocabulary.end,
        "pad": vocabulary.pad,
        "clean": "repair broken Unicode (ftfy), resolve HTML entities, join whitespace",
        "tokenizer": _tokenizer(encoders, folder),
    }


def _tokenizer(encoders: MethodEncoders, folder: Path) -> dict[str, Any]:
    """What tokenizes; writes its files, except KerasHub's, which belong to a preset."""
    tokenizer = encoders.tokenizer
    if isinstance(tokenizer, HubTokenizer):
        return {"library": "keras_hub", "preset": Path(tokenizer.preset).name}
    merges = tokenizer.vocabulary.start - LETTERS
    tokenizer_files.write(folder, merges=merges, context_length=tokenizer.context_length)
    return {
        "library": "transformers",
        "class": "CLIPTokenizer",
        "vocabulary": tokenizer_files.VOCABULARY,
        "merges": tokenizer_files.MERGES,
    }


def _scores(scorer: Scorer, templates: Sequence[str]) -> dict[str, Any]:
    """How the outputs of both towers become probabilities of classes."""
    steps = {
        "class": "the mean of `embedding` over the prompts of a class, scaled to unit length",
        "score": "the dot product of a picture's `embedding` and that of the class",
    }
    if isinstance(scorer, LateInteraction):
        steps = {
            "class": "the `tokens` and `mask` of each of its prompts",
            "score": (
                "for a prompt: the mean over the picture's `tokens` of the largest dot product "
                "with those `tokens` of the prompt where `mask` is true (0 if there are none); "
                "for a class: the mean over its prompts"
            ),
        }
        if scorer.average_positions:
            steps["class"] = (
                "one prompt: the mean of `tokens` over its prompts, position by position, divided "
                "by the norm of that whole matrix; `mask` where any prompt's is true"
            )
    return {
        "by": scorer.name,
        "templates": list(templates),
        **steps,
        "temperature": float(1 / scorer.scale()),
        "probabilities": "the softmax over the classes of score / temperature",
    }
