"""KerasHub towers give what the backbone alone gives."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf import hub_preset
from clipbench_tf.data.text.hub_tokenizer import HubTokenizer
from clipbench_tf.models import hub_text
from clipbench_tf.models.hub_image import HubImage
from clipbench_tf.models.hub_text import HubText
from tests.models.hub_presets import LENGTH, SIZE, preset

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
    "name",
    ["bert", "siglip", *(pytest.param(n, marks=pytest.mark.slow) for n in ("distil_bert", "clip"))],
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
