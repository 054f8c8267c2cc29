"""Zero-shot evaluation of converted weights beside transformers and NumPy, picture by picture."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from clipbench_tf import api
from clipbench_tf.conversion.convert import convert
from clipbench_tf.data import sources
from clipbench_tf.data.selection import Selection
from clipbench_tf.evaluation.zero_shot import ZeroShot
from clipbench_tf.export.saved_encoders import SavedEncoders
from tests.conversion.torch_clip import randomised

PICTURES, CLASSES = 400, 300


@pytest.fixture(scope="module")
def model():
    shared = {"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 2}
    shared |= {"num_hidden_layers": 2}
    text = {"vocab_size": 49408, "eos_token_id": 49407, "max_position_embeddings": 24}
    config = CLIPConfig(
        projection_dim=32,
        vision_config=shared | {"image_size": 64, "patch_size": 16},
        text_config=shared | text,
    )
    torch.manual_seed(0)
    made = randomised(CLIPModel(config))
    with torch.no_grad():  # so that pictures and names differ in more than what all have in common
        made.vision_model.embeddings.patch_embedding.weight.mul_(40)
        made.text_model.embeddings.token_embedding.weight.mul_(20)
    return made


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("transformers")
    model.save_pretrained(folder / "theirs")
    size = {"shortest_edge": 64}
    crop = {"height": 64, "width": 64}
    CLIPImageProcessor(size=size, crop_size=crop).save_pretrained(folder / "theirs")
    convert("transformers", folder / "theirs", folder / "ours", classes=["a"], templates=["{}"])
    return folder


@pytest.fixture(scope="module")
def emoji():
    """Pictures of the embedded test split, those of the first `CLASSES` classes."""
    whole = sources.load("emoji")
    records = [sources.parse(r) for r in sources.records(whole.split("test"))]
    labels = np.array([int(r["label"]) for r in records])
    order = np.unique(labels)[:CLASSES]
    places = np.flatnonzero(np.isin(labels, order))[:PICTURES]
    return whole, [records[i] for i in places], places


def test_predictions_equal_those_of_transformers_on_the_embedded_pictures(model, saved, emoji):
    whole, records, places = emoji
    reader = Selection(whole.split("test"), places)
    dataset = sources.Dataset("part", {"test": reader}, whole.classes, ("a photo of {}.",))
    (result,) = ZeroShot(
        SavedEncoders(saved / "ours/saved_model"), dataset, splits=["test"]
    ).results()

    processor = CLIPImageProcessor.from_pretrained(saved / "theirs")
    pictures = [_white(Image.open(io.BytesIO(r["image"].numpy()))) for r in records]
    pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
    prompts = [f"a photo of {name}." for name in whole.classes]
    ids = torch.tensor(np.asarray(api.Tokenizer(context_length=24)(prompts))).long()
    with torch.no_grad():
        images = model.get_image_features(pixel_values=pixels)
        texts = model.get_text_features(input_ids=ids)
    images, texts = (getattr(x, "pooler_output", x).double() for x in (images, texts))
    images, texts = (x / x.norm(dim=-1, keepdim=True) for x in (images, texts))
    scores = (images @ texts.T).numpy()
    best = np.sort(scores, axis=1)
    clear = best[:, -1] - best[:, -2] > 1e-6  # beyond what float32 tells apart
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(result.places, np.arange(len(records)))
    np.testing.assert_array_equal(result.predictions[clear], scores.argmax(axis=1)[clear])
    np.testing.assert_allclose(result.scores, scores.max(axis=1), atol=1e-5)
    assert len(np.unique(result.predictions)) > 3


def _white(picture: Image.Image) -> Image.Image:
    """On white, as pictures with an alpha channel are decoded here."""
    picture = picture.convert("RGBA")
    ground = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(ground, picture).convert("RGB")


def test_the_same_embeddings_through_numpy_give_the_same_numbers(saved, emoji):
    whole, records, places = emoji
    classes = whole.classes
    dataset = sources.Dataset(
        "part", {"test": Selection(whole.split("test"), places)}, classes, ("{}", "a photo of {}.")
    )
    (result,) = ZeroShot(
        SavedEncoders(saved / "ours/saved_model"), dataset, splits=["test"]
    ).results()
    model = api.load(saved / "ours")
    images = model.encode_images([r["image"].numpy() for r in records])
    texts = [model.encode_texts([t.replace("{}", n) for n in classes]) for t in dataset.templates]
    joined = np.mean(texts, axis=0)
    scores = images @ (joined / np.linalg.norm(joined, axis=1, keepdims=True)).T
    labels = np.array([int(r["label"]) for r in records])
    own = scores[np.arange(len(labels)), labels]
    above = (scores > own[:, None] + 1e-6).sum(axis=1)
    near = (np.abs(scores - own[:, None]) <= 1e-6).sum(axis=1) - 1  # not told apart in float32
    certain = near == 0
    assert certain.mean() > 0.9
    for k in (1, 5):
        np.testing.assert_array_equal(result.credits[k][certain], (above < k)[certain])
    np.testing.assert_array_equal(result.labels, labels)
    recalls = [result.credits[1][labels == c].mean() for c in np.unique(labels)]
    record = result.record()
    assert record["mean_per_class_recall"] == pytest.approx(np.mean(recalls))
    assert record["top5"] == pytest.approx(result.credits[5].mean())
