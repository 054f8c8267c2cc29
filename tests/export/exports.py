"""Exports of the tiny method, which tests of several rooms read."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf

from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import Scorer
from clipbench_tf.export.exported_model import ExportedModel
from clipbench_tf.export.saved_model import export
from clipbench_tf.method import Method
from tests.evaluation.samples import NAMES, SIZE, tiny_method

CLASSES = (*NAMES, "red")  # one twice, encoded once
TEMPLATES = ("{}", "a {} thing")


class Exported:
    """A SavedModel in `folder`, which nobody may change, and the encoders that it was made of."""

    def __init__(self, folder: Path, encoders: MethodEncoders) -> None:
        self.folder, self.encoders = folder, encoders

    @functools.cached_property
    def model(self) -> ExportedModel:
        """As our users load it; nobody may change it, but a `copy.copy` of it."""
        return ExportedModel(self.folder)

    @functools.cached_property
    def loaded(self):
        """As TensorFlow loads it."""
        return tf.saved_model.load(str(self.folder))


def write(
    folder: Path,
    make_scorer: Callable[[Method], Scorer],
    *,
    method: str = "tiny",
    classes: Sequence[str] = CLASSES,
    change: Callable[[Method], None] = lambda method: None,
) -> Exported:
    """Exports the tiny method to `folder`/saved_model, after `change` of it."""
    made, tokenizer = tiny_method(method)
    change(made)
    scorer = make_scorer(made)
    saved = export(
        made,
        tokenizer,
        folder / "saved_model",
        dataset="tiny",
        classes=classes,
        templates=TEMPLATES,
        scorer=scorer,
        image_size=SIZE,
    )
    encoders = MethodEncoders(made, tokenizer=tokenizer, scorer=scorer, image_size=SIZE, exact=True)
    return Exported(saved, encoders)
