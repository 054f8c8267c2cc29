"""The paper's released checkpoints, every tower and head of them."""

from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
import torch

from clipbench_tf import api
from clipbench_tf.conversion import building, origins
from clipbench_tf.conversion.convert import convert
from clipbench_tf.conversion.names import declip_names
from clipbench_tf.data.text.vocabulary import END_ID, MASK_ID, START_ID
from clipbench_tf.features import ImageFeatures, TextFeatures
from clipbench_tf.models import pixels as statistics
from tests.conversion import torch_clip, torch_released
from tests.conversion.conftest import TEXTS
from tests.conversion.torch_clip import normalised, randomised

METHODS = ("clip", "slip", "filip", "declip", "defilip")


def released(method: str, encoder: str) -> torch_released.Released:
    if encoder == "vit":
        visual = torch_clip.VisionTransformer(size=64, patch=16, width=128, depth=2, embed=48)
        widths = {"image_width": 128, "pooled": 128}
    else:
        sizes = {"size": 64, "depths": (1, 1, 1, 1), "width": 8, "embed": 48}
        visual = torch_clip.ModifiedResNet(**sizes, fc=method == "slip")
        widths = {"image_width": 256, "pooled": 256}
    return randomised(torch_released.Released(method, visual, **widths, embed=48))


def theirs(ids: np.ndarray) -> torch.Tensor:
    """Our ids as the released tokenizer numbers them, by hand."""
    numbers = {START_ID: torch_released.START, END_ID: torch_released.END}
    numbers[MASK_ID] = torch_released.MASK
    return torch.tensor([[numbers.get(i, i) for i in row] for row in ids.tolist()])


def close(ours, expected) -> None:
    expected = expected.numpy()
    np.testing.assert_allclose(np.asarray(ours), expected, atol=1e-4 * np.abs(expected).max())
    assert np.ptp(expected, axis=0).max() > 0.002 * np.abs(expected).max()


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm(dim=-1, keepdim=True)


class Pair(NamedTuple):
    """A released model, ours, and the outputs of their towers."""

    model: torch_released.Released
    made: api.Method
    images: ImageFeatures
    texts: TextFeatures
    expected: tuple[torch.Tensor, ...]  # embeddings, pooled, patches; embeddings, words


@pytest.fixture(scope="module", params=[(m, e) for m in METHODS for e in ("vit", "resnet")])
def pair(request, tmp_path_factory, pictures):
    """A released model, what became of it, and what both make of the same inputs."""
    model = released(*request.param)
    path = tmp_path_factory.mktemp("-".join(request.param)) / "ckpt.pth.tar"
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    torch.save({"last_iter": 7, "model": state, "optimizer": {"state": {}}}, path)
    published = origins.declip(path, None)
    made, new = building.method(published)
    assert new == []
    assert published.method == made.name == request.param[0]
    seen = building.encoders(published, made).pixels(tf.constant(pictures))[0]
    ids = api.Tokenizer(context_length=20)(tf.constant(TEXTS)).numpy()
    ids[0, 2] = MASK_ID
    with torch.no_grad():
        expected = model.visual(normalised(seen.numpy(), *statistics.IMAGENET))
        expected += model.text(theirs(ids))
    return Pair(model, made, made.image_encoder(seen), made.text_encoder(ids), expected)


def test_towers_equal(pair):
    model, made, images, texts, (image, _, patches, text, words) = pair
    close(images.embedding, image)
    close(images.tokens, patches)
    close(texts.embedding, text)
    close(texts.tokens, words)
    assert float(made.logit_scale.numpy()) == pytest.approx(float(model.logit_scale))


def test_heads_equal(pair):
    model, made, images, texts, (image, pooled, patches, _, words) = pair
    heads = {objective.name: objective for objective in made.objectives}
    linears = ["linear1", "linear2", "linear3"]
    with torch.no_grad():
        if "image_simclr" in heads:
            expected = torch_released.head(model.predictor_sim, pooled, linears, 2)
            close(heads["image_simclr"].projector(images.pooled), expected)
        if "image_simsiam" in heads:
            projected = torch_released.head(model.projector, image, linears, 3)
            close(heads["image_simsiam"].projector(images.embedding), projected)
            expected = torch_released.head(model.predictor, projected, ["linear1", "layer2"], 1)
            ours = heads["image_simsiam"].predictor(projected.numpy())
            close(ours, expected)
        if "text_mlm" in heads:
            logits = model.text_label_predictor(words)[:, :, declip_names.vocabulary_order()]
            close(heads["text_mlm"].head(texts.tokens), logits)
        if "fine_grained" in heads:
            close(heads["fine_grained"].image_tokens(images), unit(model.image_mapping(patches)))
            close(heads["fine_grained"].text_tokens(texts)[0], unit(model.text_mapping(words)))
    expected = {"clip": 0, "slip": 1, "filip": 1, "declip": 2, "defilip": 3}[made.name]
    assert len(heads.keys() - {"image_text"}) == expected


@pytest.mark.parametrize("encoder", ["vit", "resnet"])
def test_filip_export_scores_as_the_released_code_does(encoder, tmp_path, pictures):
    model = released("filip", encoder)
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    torch.save({"model": state}, tmp_path / "ckpt.pth.tar")
    account = convert(
        "declip",
        tmp_path / "ckpt.pth.tar",
        tmp_path / "out",
        classes=["a", "b"],
        templates=["{}"],
    )
    exported = api.load(tmp_path / "out")
    prompts = [["a red circle", "red"], ["two green squares", "one photo of a green square"]]
    classes = exported.represent_classes(tf.constant(prompts))
    representation, _ = exported.represent_images(tf.constant(pictures))
    ours = exported.score(representation, classes).numpy()

    published = origins.declip(tmp_path / "ckpt.pth.tar", None)
    made, _ = building.method(published)
    seen = building.encoders(published, made).pixels(tf.constant(pictures))[0].numpy()
    tokenizer = api.Tokenizer(context_length=20)
    with torch.no_grad():
        patches = model.visual(normalised(seen, *statistics.IMAGENET))[2]
        patches = unit(model.image_mapping(patches))
        columns = []
        for names in prompts:  # averaged position by position, then one norm of the whole matrix
            words = unit(model.text_mapping(model.text(theirs(tokenizer(names).numpy()))[1]))
            joined = words.mean(dim=0)
            joined = joined / joined.norm()
            columns.append((patches @ joined.T).max(dim=2).values.mean(dim=1))
    np.testing.assert_allclose(ours, torch.stack(columns, dim=1).numpy(), atol=1e-5)
    unused = {each["name"] for each in account["unused"]}
    assert {"text_label_predictor.weight", "text_label_predictor.bias"} <= unused
    assert exported.card["temperature"] == pytest.approx(
        float(torch.exp(-model.logit_scale_dense.detach()))
    )
