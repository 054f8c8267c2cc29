"""Converted models compute what the published ones do, from file to SavedModel."""

import json

import keras_hub
import numpy as np
import pytest
import tensorflow as tf
import torch
from transformers import CLIPConfig, CLIPModel

from clipbench_tf import api
from clipbench_tf.conversion import building, origins, targets
from clipbench_tf.conversion.convert import convert, summary
from clipbench_tf.conversion.names.libraries import Origin, Target
from clipbench_tf.models import pixels as statistics
from tests.conversion import torch_clip
from tests.conversion.conftest import TEXTS
from tests.conversion.torch_clip import OpenAI, normalised, randomised

VIT = {"size": 64, "patch": 16, "width": 128, "depth": 2, "embed": 48}
RESNET = {"size": 64, "depths": (1, 2, 1, 1), "width": 8, "embed": 48}
CLASSES = ["circle", "square", "triangle"]


def vit(gelu: bool = False) -> OpenAI:
    visual = torch_clip.VisionTransformer(**VIT, gelu=gelu)
    return randomised(OpenAI(visual, embed=48, gelu=gelu))


def resnet() -> OpenAI:
    return randomised(OpenAI(torch_clip.ModifiedResNet(**RESNET), embed=48))


def converted(origin, path, folder, config=None):
    account = convert(origin, path, folder, classes=CLASSES, templates=["a {}."], config=config)
    return api.load(folder), account


def views(origin, path, pictures, config=None) -> np.ndarray:
    """The pixels that the converted model sees, uint8 [B, H, W, 3]."""
    published = origins.ORIGINS[origin](path, config)
    made, _ = building.method(published)
    return building.encoders(published, made).pixels(tf.constant(pictures))[0].numpy()


def assert_equal(exported, model: OpenAI, seen: np.ndarray, pictures) -> None:
    """Embeddings of `pictures`, seen as the pixels `seen`, and of `TEXTS`, to 1e-4."""
    ids = torch.tensor(api.Tokenizer(context_length=20)(tf.constant(TEXTS)).numpy()).long()
    with torch.no_grad():
        images, texts = model(normalised(seen, *statistics.CLIP), ids)
    close(exported.encode_images(pictures), unit(images.numpy()))
    close(exported.encode_texts(TEXTS), unit(texts.numpy()))
    assert exported.card["temperature"] == pytest.approx(
        float(torch.exp(-model.logit_scale.detach()))
    )


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert np.ptp(theirs, axis=0).max() > 0.01  # the inputs do differ in what they give


def test_there_is_code_for_each_library_that_the_command_offers():
    assert list(origins.ORIGINS) == [*Origin]
    assert list(targets.TARGETS) == [*Target]


@pytest.mark.parametrize("model", [vit, resnet], ids=["vit", "resnet"])
def test_openai_state_dict(model, tmp_path, pictures):
    model = model()
    torch.save(model.state_dict(), tmp_path / "model.pt")
    exported, account = converted("openai", tmp_path / "model.pt", tmp_path / "out")
    seen = views("openai", tmp_path / "model.pt", pictures)
    assert_equal(exported, model, seen, pictures)
    names = {name for weight in account["converted"] for name in weight["theirs"]}
    assert names | {each["name"] for each in account["unused"]} == set(model.state_dict())
    assert json.loads((tmp_path / "out" / "conversion.json").read_text()) == json.loads(
        json.dumps(account)
    )
    assert f"{len(names)} weights converted" in summary(account)[1]


@pytest.mark.slow
def test_openai_torchscript_archive_in_half_precision(tmp_path, pictures):
    model = vit().half()
    traced = torch.jit.trace(
        model.float(),
        (torch.zeros(1, 3, 64, 64), torch.ones(1, 20, dtype=torch.long)),
        check_trace=False,
    )
    traced.half().save(tmp_path / "model.pt")
    exported, account = converted("openai", tmp_path / "model.pt", tmp_path / "out")
    assert_equal(
        exported, model.float(), views("openai", tmp_path / "model.pt", pictures), pictures
    )
    assert all(each["name"].endswith("attn_mask") for each in account["unused"])


@pytest.mark.slow
@pytest.mark.parametrize("gelu", [True, False])
def test_open_clip_trainer_checkpoint_follows_its_configuration(gelu, tmp_path, pictures):
    model = vit(gelu)
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    path, config = tmp_path / "epoch_1.pt", tmp_path / "tiny.json"
    torch.save({"epoch": 1, "optimizer": {"lr": 0.1}, "state_dict": state}, path)
    text = {"context_length": 20, "width": 128, "heads": 2, "layers": 2}
    sizes = {"image_size": 64, "layers": 2, "width": 128, "patch_size": 16}
    told = {"embed_dim": 48, "vision_cfg": sizes, "text_cfg": text}
    config.write_text(json.dumps(told | ({} if gelu else {"quick_gelu": True})))
    exported, account = converted("open_clip", path, tmp_path / "out", config)
    assert_equal(exported, model, views("open_clip", path, pictures, config), pictures)
    assert account["not_weights"] == ["epoch", "optimizer"]


def tiny_transformers() -> CLIPModel:
    vision = {"hidden_size": 128, "intermediate_size": 512, "num_attention_heads": 4}
    vision |= {"num_hidden_layers": 2, "image_size": 64, "patch_size": 16}
    text = {"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4}
    text |= {"num_hidden_layers": 3, "max_position_embeddings": 20, "vocab_size": 49408}
    text |= {"hidden_act": "gelu", "eos_token_id": 49407}
    config = CLIPConfig(projection_dim=48, vision_config=vision, text_config=text)
    torch.manual_seed(0)
    return randomised(CLIPModel(config))


def test_transformers_folder(tmp_path, pictures):
    model = tiny_transformers()
    model.save_pretrained(tmp_path / "theirs")
    exported, account = converted("transformers", tmp_path / "theirs", tmp_path / "out")
    seen = views("transformers", tmp_path / "theirs", pictures)
    ids = torch.tensor(api.Tokenizer(context_length=20)(tf.constant(TEXTS)).numpy()).long()
    with torch.no_grad():
        out = model(input_ids=ids, pixel_values=normalised(seen, *statistics.CLIP))
    close(exported.encode_images(pictures), out.image_embeds.numpy())
    close(exported.encode_texts(TEXTS), out.text_embeds.numpy())
    names = {name for weight in account["converted"] for name in weight["theirs"]}
    assert names | {each["name"] for each in account["unused"]} == set(model.state_dict())


def tiny_keras_hub():
    common = {"num_layers": 2, "num_heads": 2}
    vision = keras_hub.models.CLIPVisionEncoder(
        patch_size=16, hidden_dim=64, intermediate_dim=256, image_shape=(64, 64, 3), **common
    )
    text = keras_hub.models.CLIPTextEncoder(
        vocabulary_size=49408, embedding_dim=32, hidden_dim=32, intermediate_dim=128,
        max_sequence_length=20, **common,
    )  # fmt: skip
    backbone = keras_hub.models.CLIPBackbone(
        vision_encoder=vision, text_encoder=text, projection_dim=24
    )
    random = np.random.default_rng(0)
    # A new backbone has zeros here, and published ones 0, 1, ...: what is there is honoured.
    vision.embedding.position_ids.assign(random.permutation(17)[np.newaxis])
    for weight in backbone.trainable_weights:
        if weight.shape:
            weight.assign(weight + random.normal(0, 0.1, weight.shape))
    return backbone


@pytest.mark.slow
def test_keras_hub_preset(tmp_path, pictures):
    backbone = tiny_keras_hub()
    backbone.save_to_preset(str(tmp_path / "preset"))
    mean, std = (np.array(part) for part in statistics.CLIP)
    keras_hub.layers.CLIPImageConverter(
        image_size=(64, 64), scale=list(1 / (255 * std)), offset=list(-mean / std)
    ).save_to_preset(str(tmp_path / "preset"))
    exported, account = converted("keras_hub", tmp_path / "preset", tmp_path / "out")
    seen = views("keras_hub", tmp_path / "preset", pictures)
    ids = api.Tokenizer(context_length=20)(tf.constant(TEXTS))
    images = backbone.get_vision_embeddings((seen / 255 - mean) / std)
    close(exported.encode_images(pictures), unit(images.numpy()))
    close(exported.encode_texts(TEXTS), unit(backbone.get_text_embeddings(ids).numpy()))
    names = {name for weight in account["converted"] for name in weight["theirs"]}
    assert len(names) == len(backbone.weights)
    assert account["unused"] == []
