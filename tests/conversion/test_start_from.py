"""Training starts from converted weights: a gin file builds the towers, `init_from` fills them."""

import numpy as np
import pytest
import tensorflow as tf
import torch

from clipbench_tf import api, config
from clipbench_tf.conversion import convert
from clipbench_tf.models import pixels as statistics
from clipbench_tf.training.initialization import initialize
from tests.conversion import torch_clip
from tests.conversion.conftest import TEXTS
from tests.conversion.torch_clip import OpenAI, normalised, randomised

VIT = {"size": 64, "patch": 16, "width": 128, "depth": 2, "embed": 48}
RESNET = {"size": 64, "depths": (1, 2, 1, 1), "width": 8, "embed": 48}
TOWERS = {
    "vit": lambda: torch_clip.VisionTransformer(**VIT),
    "resnet": lambda: torch_clip.ModifiedResNet(**RESNET),
}


@pytest.mark.parametrize("kind", TOWERS)
def test_a_method_of_the_gin_file_begins_as_the_published_model(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "export", lambda *given, **named: None)  # which is not read
    model = randomised(OpenAI(TOWERS[kind](), embed=48))
    torch.save(model.state_dict(), tmp_path / "model.pt")
    folder = tmp_path / "weights"
    convert.convert("openai", tmp_path / "model.pt", folder, classes=["a", "b"], templates=["{}"])
    config.parse(["methods/clip.gin", str(folder / "model.gin")])
    method = config.build("method.Method")
    tokenizer = config.build("tokenizer.Tokenizer")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    ids = tokenizer(tf.constant(TEXTS))
    method.build({"images": tf.constant(pixels[:, np.newaxis]), "ids": ids[:, np.newaxis]})
    told = initialize(method, str(folder), tf.distribute.get_strategy())
    assert (told.new, told.resized) == ({}, {})
    assert not any(told.unused.values())
    with torch.no_grad():
        images, texts = model(
            normalised(pixels, *statistics.CLIP), torch.tensor(ids.numpy()).long()
        )
    for ours, theirs in (
        (method.image_encoder(pixels).embedding, images),
        (method.text_encoder(ids).embedding, texts),
    ):
        scale = float(theirs.abs().max())
        np.testing.assert_allclose(np.asarray(ours), theirs.numpy(), atol=1e-4 * scale)
    assert float(method.logit_scale.numpy()) == pytest.approx(float(model.logit_scale.detach()))
    assert tokenizer.context_length == api.Tokenizer(context_length=20).context_length
