"""KerasHub towers: what they give is what the backbone alone gives; every method trains on them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf import config, hub_preset
from clipbench_tf.data.hub_tokenizer import HubTokenizer
from clipbench_tf.evaluation.encoders import Encoders
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.evaluation.zero_shot import Classifier
from clipbench_tf.export import card, loaded
from clipbench_tf.export.saved_model import export
from clipbench_tf.method import Method
from clipbench_tf.models import hub_text
from clipbench_tf.models.hub_image import HubImage
from clipbench_tf.models.hub_text import HubText
from clipbench_tf.objectives.image_text import ImageText
from tests.hub_presets import LENGTH, SIZE, preset

TEXTS = ["A red CAT!", "the drawing of an unheard-of zebra and a dog and a cat and a dog", ""]
PICTURES = np.random.default_rng(0).integers(0, 256, [2, SIZE, SIZE, 3], np.uint8)


# How many tokens come before the patches.
BEFORE = {"vit": 1, "clip": 1, "deit": 2, "dinov2": 3, "swin": 0}


@pytest.mark.parametrize(
    "name",
    [
        "resnet",
        "siglip",
        *(pytest.param(n, marks=() if n == "vit" else pytest.mark.slow) for n in BEFORE),
    ],
)
def test_an_image_tower_gives_what_its_backbone_gives(name):
    import keras_hub

    tower = HubImage(preset=preset(name), image_size=SIZE, embed_dim=6)
    features = tower(tf.constant(PICTURES))
    pixels = keras_hub.layers.ImageConverter.from_preset(preset(name))(PICTURES.astype(np.float32))
    backbone = keras_hub.models.Backbone.from_preset(preset(name))
    if name == "siglip":
        pooled = backbone.vision_encoder({"images": pixels})
        x = backbone.vision_encoder.embedding(pixels)
        for layer in [*backbone.vision_encoder.encoder_layers]:
            x = layer(x)
        tokens = backbone.vision_encoder.post_layer_norm(x)
    elif name in BEFORE:
        whole = getattr(backbone, "vision_encoder", backbone)
        named = {"images": pixels} if isinstance(whole.input, dict) else pixels
        sequence, first = np.asarray(whole(named)), BEFORE[name]
        tokens = sequence[:, first:]
        pooled = sequence[:, 0] if first else tokens.mean(1)
        assert tokens.shape[1] == {"swin": 16}.get(name, (SIZE // 16) ** 2)
    else:
        tokens = np.reshape(backbone(pixels), [len(PICTURES), -1, 64])
        pooled = tokens.mean(1)
    np.testing.assert_allclose(features.tokens, tokens, atol=1e-5)
    np.testing.assert_allclose(features.pooled, pooled, atol=1e-5)
    np.testing.assert_allclose(features.embedding, pooled @ tower.proj.kernel.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    "name", ["bert", pytest.param("distil_bert", marks=pytest.mark.slow), "siglip", "clip"]
)
def test_a_text_tower_gives_what_its_backbone_gives_for_its_preprocessor(name):
    import keras_hub

    hub_tokenizer = HubTokenizer(preset=preset(name), context_length=LENGTH)
    ids = hub_tokenizer(tf.constant(TEXTS))
    np.testing.assert_array_equal(ids, tf.function(hub_tokenizer)(tf.constant(TEXTS)))
    tower = HubText(preset=preset(name), context_length=LENGTH, embed_dim=6)
    features = tower(ids)
    tokenizer = hub_preset.tokenizer(preset(name))
    backbone = keras_hub.models.Backbone.from_preset(preset(name))
    if name in ("bert", "distil_bert"):
        kind = "Bert" if name == "bert" else "DistilBert"
        preprocessor = getattr(keras_hub.models, f"{kind}TextClassifierPreprocessor")
        inputs = preprocessor(tokenizer, sequence_length=LENGTH)(TEXTS)
        expected = backbone(inputs)
        real = np.asarray(inputs["padding_mask"]).astype(bool)
        if name == "bert":
            pooled, tokens = expected["pooled_output"], np.asarray(expected["sequence_output"])
        else:
            tokens = np.asarray(expected)
            pooled = tokens[:, 0]
        np.testing.assert_array_equal(ids, inputs["token_ids"])
        np.testing.assert_allclose(features.tokens[real], tokens[real], atol=1e-5)
    elif name == "clip":
        made = keras_hub.models.CLIPPreprocessor(tokenizer, sequence_length=LENGTH)(
            {"prompts": TEXTS, "images": np.zeros([len(TEXTS), SIZE, SIZE, 3])}
        )
        sequence = np.asarray(backbone.text_encoder({"token_ids": made["token_ids"]}))
        ends = np.argmax(np.asarray(made["token_ids"]) == tokenizer.end_token_id, axis=1)
        pooled = sequence[range(len(TEXTS)), ends]
        whole = [0, 2]  # of one that is too long, KerasHub's packer cuts the end token off
        np.testing.assert_array_equal(ids.numpy()[whole], np.asarray(made["token_ids"])[whole])
        cut = np.asarray(backbone.text_encoder({"token_ids": ids[1:2]}))
        pooled[1] = cut[0, -1]
        assert np.ptp(pooled, axis=0).min() > 1e-3  # each caption has its own
    else:
        made = keras_hub.models.SigLIPPreprocessor(tokenizer, sequence_length=LENGTH)(
            {"prompts": TEXTS, "images": np.zeros([len(TEXTS), SIZE, SIZE, 3])}
        )
        whole = np.full([len(TEXTS), 16], tokenizer.pad_token_id)
        whole[:, :LENGTH] = made["token_ids"]
        pooled = backbone.text_encoder({"token_ids": whole})
        np.testing.assert_array_equal(ids, whole[:, :LENGTH])
    np.testing.assert_allclose(features.embedding, pooled @ tower.proj.kernel.numpy(), atol=1e-5)
    words = np.cumsum(np.asarray(ids) == tokenizer.end_token_id, axis=1) < 1
    if name != "siglip":
        words[:, 0] = False
    np.testing.assert_array_equal(features.mask, words)


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
            "runtime.prepare.precision = 'float32'",
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
        "train.Trainer", workdir=folder, strategy=config.build("runtime.prepare")
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
    saved = loaded.SavedEncoders(tmp_path / "model")
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


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Albert", "Electra", "Roberta", "XLMRoberta", "DebertaV3"])
def test_other_backbones_of_text_pool_what_has_read_all_of_it(kind):
    import keras_hub

    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
    sizes |= {"vocab_size" if kind == "Electra" else "vocabulary_size": 20}
    sizes |= {"embedding_dim": 4} if kind in ("Albert", "Electra") else {}
    make = getattr(keras_hub.models, f"{kind}Backbone")
    whole = make(max_sequence_length=8, dropout=0.0, **sizes)
    tower = hub_text._with_tokens(whole, "one")
    ids = np.array([[2, 5, 6, 3], [2, 5, 7, 3]])
    given = {"token_ids": ids, "padding_mask": ids > 0, "segment_ids": 0 * ids}
    pooled, tokens = tower([given[x.name] for x in tower.inputs])
    assert pooled.shape == (2, 8) and tokens.shape == (2, 4, 8)
    assert np.abs(pooled[0] - pooled[1]).max() > 1e-6


def test_chunks_are_refused_where_they_would_change_the_gradient(tmp_path):
    for locked, why in ((False, "batch norms of HubImage"), (True, "of HubText drops others")):
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
        "train.Trainer", workdir=tmp_path / "run", strategy=config.build("runtime.prepare")
    )
    assert [r["split"] for r in trainer.run()["results"]] == ["validation"]
    model = tmp_path / "run" / "saved_model"
    assert card.read(model)["needs"] == ["tensorflow-text"]
    np.testing.assert_allclose(
        scores(loaded.SavedEncoders(model)), scores(trainer.encoders), atol=1e-5
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

    monkeypatch.setattr(loaded.importlib, "import_module", absent)
    with pytest.raises(card.ExportError, match="pip install 'tensorflow-text"):
        loaded._import_operations({"needs": ["tensorflow-text"]})
    loaded._import_operations({"needs": []})
