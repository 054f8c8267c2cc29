"""Models made anew from what runs, conversions and exports left on disk."""

import json
import shutil
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf import config
from clipbench_tf.conversion.convert import ACCOUNT
from clipbench_tf.evaluation.classifier import Classifier
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.export import card
from clipbench_tf.export.card import ExportError
from clipbench_tf.export.saved_model import export
from clipbench_tf.restoration import exported_again
from clipbench_tf.restoration.restored import restored
from tests.evaluation.samples import COLOURS, NAMES, SIZE, png, tiny_method
from tests.training.runs import TINY

IMAGES = [png(colour) for colour in COLOURS]


def scores(encoders) -> np.ndarray:
    images, valid = encoders.represent_images(tf.constant(IMAGES))
    assert valid.numpy().all()
    return Classifier(encoders, NAMES, ["{}", "a {} thing"]).scores(images)


def written(folder, make_scorer, **options):
    """An export, and its encoders in memory."""
    method, tokenizer = tiny_method()
    scorer = make_scorer(method, **options)
    export(
        method,
        tokenizer,
        folder,
        dataset="tiny",
        classes=NAMES,
        templates=("{}",),
        scorer=scorer,
        image_size=SIZE,
        resize=1.5,
        interpolation="bicubic",
    )
    return MethodEncoders(
        method,
        tokenizer=tokenizer,
        scorer=scorer,
        image_size=SIZE,
        resize=1.5,
        interpolation="bicubic",
    )


@pytest.mark.parametrize(
    ("make_scorer", "options"),
    [(cosine, {}), (late_interaction, {}), (late_interaction, {"average_positions": True})],
)
def test_an_export_alone_gives_the_same_scores(tmp_path, make_scorer, options):
    expected = written(tmp_path / "model", make_scorer, **options)
    found = restored(tmp_path / "model")
    assert found.card["class_names"] == list(NAMES)
    np.testing.assert_allclose(scores(found.encoders), scores(expected), atol=1e-6)
    assert float(found.encoders.scorer.scale()) == pytest.approx(float(expected.scorer.scale()))


def without(folder, *fields: str) -> None:
    """Makes the card one of an earlier version."""
    facts = card.read(folder)
    card.write({name: value for name, value in facts.items() if name not in fields}, folder)


@pytest.mark.slow
def test_an_old_export_of_filip_needs_its_run_or_the_account_of_its_conversion(tmp_path):
    folder = tmp_path / "saved_model"
    expected = written(folder, late_interaction, average_positions=True)
    expected.scorer.text_tokens = lambda features: (  # as the converted FILIP counts
        expected.method.objectives[1].text_tokens(features)[0],
        tf.ones_like(features.mask),
    )
    without(folder, "late_interaction")
    with pytest.raises(ExportError, match=r"alone does not tell .* give the folder of its run"):
        restored(folder)
    (tmp_path / ACCOUNT).write_text(json.dumps({"method": "filip"}))
    for given in (tmp_path, folder):
        np.testing.assert_allclose(scores(restored(given).encoders), scores(expected), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gin_file", "checkpoint"), [("filip.gin", True), ("clip.gin", True), ("filip.gin", False)]
)
def test_a_run_is_built_by_its_configuration(tmp_path, few_drawings, gin_file, checkpoint):
    """With the weights of its last checkpoint, or those of an old export; its data is gone."""
    data = shutil.copytree(json_folder(few_drawings), tmp_path / "data")
    run = tmp_path / "run"
    here = [b.replace(json_folder(few_drawings), str(data)) for b in few_drawings]
    config.parse([gin_file], [*TINY, *here])
    strategy = config.build("strategy.prepare")
    trainer = config.build("train.Trainer", workdir=run, strategy=strategy)
    config.claim(run)
    method = trainer.method
    method.build(trainer.pipeline.example())
    rng = np.random.default_rng(1)
    for variable in method.trainable_variables:
        variable.assign(variable.numpy() + rng.normal(scale=0.1, size=variable.shape))
    if checkpoint:
        state = tf.train.Checkpoint(variables={v.path: v.value for v in method.variables})
        tf.train.CheckpointManager(state, str(run / "checkpoints"), max_to_keep=1).save()
    else:
        export(
            method,
            trainer.encoders.tokenizer,
            run / "saved_model",
            dataset="tiny",
            classes=NAMES,
            templates=("{}",),
            scorer=trainer.encoders.scorer,
            image_size=trainer.encoders.image_size,
            resize=trainer.encoders.resize,
        )
        without(run / "saved_model", "late_interaction")
    for file in data.glob("*.tfrecord"):
        file.unlink()
    found = restored(run if checkpoint else run / "saved_model")
    assert found.encoders.method is not method
    assert found.card["method"] == method.name
    np.testing.assert_allclose(scores(found.encoders), scores(trainer.encoders), atol=1e-6)


def json_folder(bindings) -> str:
    """The folder in the bindings of `runs.write_data`."""
    return bindings[0].split("'")[1]


def test_says_what_is_missing(tmp_path):
    with pytest.raises(ExportError, match="no folder"):
        restored(tmp_path / "absent")
    with pytest.raises(ExportError, match="holds no SavedModel"):
        restored(tmp_path)


@pytest.mark.slow
def test_names_that_the_card_of_an_old_export_lacks_are_its_answers(tmp_path):
    written(tmp_path / "old", cosine)
    without(tmp_path / "old", "class_names", "weights", "tower")
    model = restored(tmp_path / "old")
    answers = {"classes": tf.constant([NAMES[::-1]])}  # as version 0.4.0 gave them, without k
    with mock.patch.object(tf.saved_model, "load") as load:
        load.return_value.signatures = {"serving_default": lambda image: answers}
        exported_again.write(model, tmp_path / "new")
    assert card.read(tmp_path / "new")["class_names"] == sorted(NAMES)
