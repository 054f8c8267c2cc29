"""What other libraries load from our exports computes the same there."""

import keras_hub
import numpy as np
import pytest
import tensorflow as tf
import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

from clipbench_tf import api
from clipbench_tf.conversion import targets
from clipbench_tf.conversion.names.architecture import ConversionError
from clipbench_tf.evaluation import pictures as views
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.method import Method
from clipbench_tf.models import pixels as statistics
from tests.conversion.conftest import TEXTS
from tests.conversion.torch_clip import normalised

SIZE, MERGES = 64, 7677


def method(*, kind="vit", merges=48_894, bias=False, activation="quick_gelu") -> Method:
    """A small method with all its weights away from where they start."""
    if kind == "vit":
        image = api.VisionTransformer(
            image_size=SIZE, patch_size=16, width=64, depth=2, heads=2, embed_dim=24,
            activation=activation, mean=statistics.CLIP[0], std=statistics.CLIP[1],
        )  # fmt: skip
    else:
        image = api.ModifiedResNet(
            image_size=SIZE, depths=(1, 1, 1, 1), width=4, heads=2, embed_dim=24
        )
    text = api.TextTransformer(
        context_length=20, merges=merges, width=64, depth=1, heads=1, embed_dim=24,
        projection_bias=bias, activation=activation,
    )  # fmt: skip
    made = api.Method(
        image_encoder=image,
        text_encoder=text,
        objectives=[api.ImageText(), api.FineGrained(width=5)],
        name="small",
    )
    images = tf.zeros([2, 1, SIZE, SIZE, 3], tf.uint8)
    made.build({"images": images, "ids": tf.ones([2, 1, 20], tf.int32)})
    random = np.random.default_rng(0)
    for variable in made.trainable_variables:
        if variable.shape:
            variable.assign(variable + random.normal(0, 0.05, variable.shape))
    return made


def export(made: Method, folder, scorer=cosine, merges=48_894, **view):
    return api.export(
        made,
        api.Tokenizer(context_length=20, merges=merges),
        folder,
        dataset="none",
        classes=["circle", "square"],
        templates=["a {}"],
        scorer=scorer(made),
        image_size=SIZE,
        **view,
    )


def unit(x) -> np.ndarray:
    return np.asarray(x) / np.linalg.norm(np.asarray(x), axis=-1, keepdims=True)


def close(ours, theirs) -> None:
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert np.ptp(theirs, axis=0).max() > 0.002  # the inputs do differ in what they give


def seen(pictures, resize, interpolation) -> np.ndarray:
    return views.decode(tf.constant(pictures), SIZE, resize, interpolation)[0].numpy()


@pytest.mark.parametrize(
    "merges", [pytest.param(48_894, marks=pytest.mark.slow), MERGES], ids=["all_merges", "fewer"]
)
def test_transformers_loads_model_and_processor(merges, tmp_path, pictures):
    view = {"resize": 1.0, "interpolation": "bicubic"}
    export(method(merges=merges), tmp_path / "saved_model", merges=merges, **view)
    ours = api.load(tmp_path)
    targets.write("transformers", tmp_path, tmp_path / "theirs")
    model = CLIPModel.from_pretrained(tmp_path / "theirs").eval()
    processor = CLIPProcessor.from_pretrained(tmp_path / "theirs")
    inputs = processor(text=TEXTS, return_tensors="pt", padding="max_length", truncation=True)
    pixels = normalised(seen(pictures, **view), *statistics.CLIP)
    ids = api.Tokenizer(context_length=20, merges=merges)(tf.constant(TEXTS)).numpy()
    with torch.no_grad():
        # Captions are cut here so that the end stays; where none is cut, the ids are equal, but
        # theirs are padded with the end's.
        padded = np.where(ids == 0, merges + 513, ids)
        np.testing.assert_array_equal(inputs["input_ids"][::2].numpy(), padded[::2])
        out = model(input_ids=torch.tensor(ids).long(), pixel_values=pixels)
    close(ours.encode_images(pictures), out.image_embeds.numpy())
    close(ours.encode_texts(TEXTS), out.text_embeds.numpy())
    assert ours.card["temperature"] == pytest.approx(float(1 / model.logit_scale.exp()))
    picture = Image.fromarray(seen(pictures, **view)[0])
    theirs = processor(images=picture, return_tensors="pt")["pixel_values"]
    np.testing.assert_allclose(theirs.numpy(), pixels[:1].numpy(), atol=1e-5)


def test_keras_hub_loads_the_preset(tmp_path, pictures):
    export(method(merges=MERGES, activation="gelu"), tmp_path / "saved_model", merges=MERGES)
    ours = api.load(tmp_path)
    targets.write("keras_hub", tmp_path / "saved_model", tmp_path / "theirs")
    backbone = keras_hub.models.CLIPBackbone.from_preset(str(tmp_path / "theirs"))
    converter = keras_hub.layers.CLIPImageConverter.from_preset(str(tmp_path / "theirs"))
    tokenizer = keras_hub.models.CLIPTokenizer.from_preset(str(tmp_path / "theirs"))
    ids = api.Tokenizer(context_length=20, merges=MERGES)(tf.constant(TEXTS)).numpy()
    images = backbone.get_vision_embeddings(converter(seen(pictures, 256 / 224, "bilinear")))
    close(ours.encode_images(pictures), unit(images))
    close(ours.encode_texts(TEXTS), unit(backbone.get_text_embeddings(ids)))
    # Its tokenizer takes lower-case text; the preprocessor makes it so.
    np.testing.assert_array_equal(tokenizer(TEXTS[0]), ids[0, 1 : 1 + len(tokenizer(TEXTS[0]))])


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_open_clip_loads_the_folder(kind, tmp_path, pictures):
    open_clip = pytest.importorskip("open_clip", reason="docs/testing.md says how to install it")
    view = {"resize": 1.0, "interpolation": "bicubic"}
    export(method(kind=kind, bias=True), tmp_path / "saved_model", **view)
    ours = api.load(tmp_path)
    targets.write("open_clip", tmp_path, tmp_path / "theirs")
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{tmp_path / 'theirs'}")
    model = model.eval()
    mean, std = statistics.CLIP if kind == "vit" else statistics.IMAGENET
    ids = torch.tensor(api.Tokenizer(context_length=20)(tf.constant(TEXTS)).numpy()).long()
    with torch.no_grad():
        images = model.encode_image(normalised(seen(pictures, **view), mean, std))
        texts = model.encode_text(ids)
    close(ours.encode_images(pictures), unit(images))
    close(ours.encode_texts(TEXTS), unit(texts))
    picture = transform(Image.fromarray(seen(pictures, **view)[0]))
    expected = normalised(seen(pictures, **view)[:1], mean, std)[0]
    np.testing.assert_allclose(picture.numpy(), expected.numpy(), atol=1e-5)


@pytest.mark.slow
def test_refuses_what_the_other_library_lacks(tmp_path):
    export(method(merges=MERGES), tmp_path / "few" / "saved_model", merges=MERGES)
    with pytest.raises(ConversionError, match="7677 of CLIP's 48894 merges"):
        targets.write("open_clip", tmp_path / "few", tmp_path / "out")
    export(method(kind="resnet"), tmp_path / "resnet" / "saved_model")
    for target in ("transformers", "keras_hub"):
        with pytest.raises(ConversionError, match="no place for a ModifiedResNet"):
            targets.write(target, tmp_path / "resnet", tmp_path / "out")
    export(method(), tmp_path / "filip" / "saved_model", scorer=late_interaction)
    with pytest.raises(ConversionError, match="late_interaction of tokens"):
        targets.write("transformers", tmp_path / "filip", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(ConversionError, match="exists; give another --output"):
        targets.write("transformers", tmp_path / "few", tmp_path / "out")
