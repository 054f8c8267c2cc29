"""Methods train on KerasHub towers, are evaluated and exported."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf import config
from clipbench_tf.data.text.hub_tokenizer import HubTokenizer
from clipbench_tf.evaluation.classifier import Classifier
from clipbench_tf.evaluation.encoders import Encoders
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.export import card, saved_encoders
from clipbench_tf.export.saved_model import export
from clipbench_tf.method import Method
from clipbench_tf.models.hub_image import HubImage
from clipbench_tf.models.hub_text import HubText
from clipbench_tf.objectives.image_text import ImageText
from tests.models.hub_presets import LENGTH, SIZE, preset

TEXTS = ["A red CAT!", "the drawing of an unheard-of zebra and a dog and a cat and a dog", ""]
PICTURES = np.random.default_rng(0).integers(0, 256, [2, SIZE, SIZE, 3], np.uint8)


def parse(method: str, image: str, text: str, *more: str) -> None:
    objectives = {
        "slip": ["image_simclr.ImageSimCLR.widths = (8, 8, 4)"],
        "filip": ["fine_grained.FineGrained.width = 8"],
        "declip": [
            "nearest_neighbor.NearestNeighbor.size = 16",
            "image_simsiam.ImageSimSiam.projector_widths = (8, 8, 8)",
            "image_simsiam.ImageSimSiam.predictor_widths = (4, 8)",
            "text_mlm.TextMLM.vocabulary = 17",
        ],
    }
    objectives["defilip"] = objectives["declip"] + objectives["filip"]
    files = [f"methods/{method}.gin", "models/hub_vit.gin", "models/hub_bert.gin"]
    config.parse(
        [*files, "datasets/emoji.gin", "recipes/emoji.gin"],
        [
            f"HUB_IMAGE = '{preset(image)}'",
            f"HUB_TEXT = '{preset(text)}'",
            f"IMAGE_SIZE = {SIZE}",
            f"CONTEXT_LENGTH = {LENGTH}",
            "EMBED_DIM = 8",
            "strategy.prepare.precision = 'float32'",
            "image_views.ImageViews.compiled = False",
            "pipeline.Pipeline.batch_size = 4",
            "pipeline.Pipeline.shuffle_buffer = 16",
            *objectives.get(method, []),
            *more,
        ],
    )


def trained(folder, *arguments: str):
    """A trainer whose method has taken two steps."""
    parse(*arguments)
    trainer = config.build(
        "train.Trainer", workdir=folder, strategy=config.build("strategy.prepare")
    )
    config.check_used()
    trainer.prepare()
    logs = [trainer.method.train_step(batch) for batch in trainer.pipeline.batches().take(2)]
    assert all(np.isfinite(float(v)) for log in logs for v in log.values())
    assert float(logs[0]["loss"]) != float(logs[1]["loss"])
    return trainer


def scores(encoders: Encoders) -> np.ndarray:
    pictures = tf.map_fn(tf.io.encode_png, PICTURES, fn_output_signature=tf.string)
    representation, _ = encoders.represent_images(pictures)
    return Classifier(encoders, ["red cat", "dog"], ["a {}"]).scores(representation)


@pytest.mark.slow
def test_a_convolutional_backbone_trains(tmp_path):
    trained(tmp_path, "clip", "resnet", "siglip")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "image", "text", "scorer"),
    [
        ("filip", "siglip", "siglip", late_interaction),
        ("slip", "vit", "bert", cosine),
        ("declip", "resnet", "bert", cosine),
        ("defilip", "vit", "bert", cosine),
        ("clip", "clip", "clip", cosine),
    ],
)
def test_methods_train_are_exported_and_score_the_same(method, image, text, scorer, tmp_path):
    trainer = trained(tmp_path, method, image, text)
    export(
        trainer.method,
        trainer.pipeline.tokenizer,
        tmp_path / "model",
        dataset="emoji",
        classes=["red cat", "dog"],
        templates=["a {}"],
        scorer=scorer(trainer.method),
        image_size=SIZE,
    )
    assert card.read(tmp_path / "model")["needs"] == ["tensorflow-text"]
    memory = MethodEncoders(
        trainer.method,
        tokenizer=trainer.pipeline.tokenizer,
        scorer=scorer(trainer.method),
        image_size=SIZE,
    )
    saved = saved_encoders.SavedEncoders(tmp_path / "model")
    np.testing.assert_allclose(scores(saved), scores(memory), atol=1e-5)


def test_a_locked_backbone_stays_as_it_is_and_the_rest_learns(tmp_path):
    locked = "hub_image.HubImage.locked = True"
    trainer = trained(tmp_path, "clip", "vit", "bert", locked)
    tower, fresh = (
        trainer.method.image_encoder,
        HubImage(preset=preset("vit"), image_size=SIZE, embed_dim=8),
    )
    fresh.build((None, SIZE, SIZE, 3))
    for ours, theirs in zip(tower.backbone.weights, fresh.backbone.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [v.path.split("/")[-2] for v in tower.trainable_variables] == ["proj"]
    assert trainer.method.text_encoder.backbone.trainable_variables


def test_chunks_are_refused_where_they_would_change_the_gradient(tmp_path):
    for locked, why in ((False, "batch norms of HubImage"), (True, "of HubText draws other")):
        method = Method(
            image_encoder=HubImage(preset=preset("resnet"), image_size=SIZE, locked=locked),
            text_encoder=HubText(preset=preset("bert"), context_length=LENGTH),
            objectives=[ImageText()],
            chunks=2,
        )
        with pytest.raises(ValueError, match=why):
            method.build(
                {
                    "images": np.zeros([2, 1, SIZE, SIZE, 3], np.uint8),
                    "ids": np.ones([2, 1, LENGTH], np.int32),
                }
            )


def test_batch_norms_take_the_statistics_of_all_replicas(two_replicas):
    tower = HubImage(preset=preset("resnet"), image_size=SIZE, embed_dim=6)
    pictures = np.random.default_rng(1).integers(0, 256, [4, SIZE, SIZE, 3], np.uint8)
    with two_replicas.scope():
        spread = HubImage(preset=preset("resnet"), image_size=SIZE, embed_dim=6)
        spread.build((None, SIZE, SIZE, 3))
    tower.build((None, SIZE, SIZE, 3))

    def halves(context):
        return tf.constant(pictures[2 * context.replica_id_in_sync_group :][:2])

    values = two_replicas.experimental_distribute_values_from_function(halves)
    run = tf.function(lambda x: two_replicas.run(lambda y: spread(y, training=True).tokens, [x]))
    both = np.concatenate(two_replicas.experimental_local_results(run(values)))
    np.testing.assert_allclose(both, tower(pictures, training=True).tokens, atol=2e-4)


@pytest.mark.slow
def test_a_run_ends_with_accuracies_and_an_export(few_drawings, tmp_path):
    parse(
        "clip",
        "vit",
        "bert",
        *few_drawings,
        "train.Trainer.evaluation_splits = ['validation']",
        "train.Trainer.evaluations = 1",
        "recipe.Recipe.epochs = 1",
        "recipe.Recipe.warmup_epochs = 0",
        "pipeline.Pipeline.batch_size = 32",
    )
    trainer = config.build(
        "train.Trainer", workdir=tmp_path / "run", strategy=config.build("strategy.prepare")
    )
    assert [r["split"] for r in trainer.run()["results"]] == ["validation"]
    model = tmp_path / "run" / "saved_model"
    assert card.read(model)["needs"] == ["tensorflow-text"]
    np.testing.assert_allclose(
        scores(saved_encoders.SavedEncoders(model)), scores(trainer.encoders), atol=1e-5
    )


def test_a_run_in_bfloat16_computes_in_it():
    keras.config.set_dtype_policy("mixed_bfloat16")
    tower = HubImage(preset=preset("vit"), image_size=SIZE, embed_dim=6)
    assert tower(tf.constant(PICTURES)).tokens.dtype == "bfloat16"
    assert {v.dtype for v in tower.trainable_variables} == {"float32"}


def test_mistakes_are_told_early(tmp_path):
    with pytest.raises(ValueError, match=r"'no/such'.*no folder here.*save_to_preset"):
        HubImage(preset="no/such", image_size=SIZE).build((None, SIZE, SIZE, 3))
    with pytest.raises(ValueError, match=r"made for pictures of \(32, 32, 3\).*image_size"):
        HubImage(preset=preset("vit"), image_size=64).build((None, 64, 64, 3))
    with pytest.raises(ValueError, match=r"GPT2Backbone, is not one.*choose one of BertBackbone"):
        HubText(preset=preset("gpt2"), context_length=8).build((None, 8))
    with pytest.raises(ValueError, match="gives no tokenizer"):
        HubTokenizer(preset=preset("vit"), context_length=8)
    with pytest.raises(ValueError, match="at most 16 tokens"):
        HubText(preset=preset("bert"), context_length=77).build((None, 77))
    parse("declip", "vit", "siglip")
    with pytest.raises(ValueError, match="no mask token"):
        config.build("pipeline.Pipeline")
    parse("clip", "vit", "bert", f"hub_text.HubText.preset = '{preset('siglip')}'")
    with pytest.raises(ValueError, match="one preset for hub_tokenizer"):
        config.build("train.Trainer", workdir=tmp_path, strategy=tf.distribute.get_strategy())


def test_an_export_says_what_it_lacks(monkeypatch):
    def absent(name: str):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(saved_encoders.importlib, "import_module", absent)
    with pytest.raises(card.ExportError, match="pip install 'tensorflow-text"):
        saved_encoders._import_operations({"needs": ["tensorflow-text"]})
    saved_encoders._import_operations({"needs": []})
