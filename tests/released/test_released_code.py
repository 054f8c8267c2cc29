"""The bindings of docs/text_and_code.md give the released code's losses, from pixels and ids.

The gradient of the total is compared for every weight of the towers and of the heads.
"""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from transformers import CLIPConfig

from tests.gin_files import SMALL, trainer
from tests.released.released import Released, pixels, released_ids
from tests.released.released_weights import all_pairs

PAGE = Path(__file__).parents[2] / "docs/text_and_code.md"
BATCH, QUEUE = 8, 24  # the queue wraps at the end of one caption view: the released one too

TOWERS = (
    "text_transformer.TextTransformer.projection_bias = True",
    "method.Method.temperature = 0.049787",
    "method.Method.temperature_range = (0.002479, 0.049787)",
)
FINE_GRAINED = (
    "fine_grained.FineGrained.selection_count = 16",
    "fine_grained.FineGrained.selection_score = 'own_pair'",
    "fine_grained.FineGrained.count_padding = True",
    "pipeline.Pipeline.trim_captions = False",
    "fine_grained.FineGrained.temperature = 0.049787",
    "fine_grained.FineGrained.temperature_range = (0.002479, 0.049787)",
)
DECLIP = (
    "image_text.ImageText.weight = 0.1",
    "multi_view.MultiView.weight = 0.3",
    "nearest_neighbor.NearestNeighbor.symmetric = False",
    "image_simsiam.ImageSimSiam.synchronized = False",
    "text_mlm.TextMLM.local_mean = True",
)
SEPARATE = ("pipeline.Pipeline.separate_masked_view = True", "text_mlm.TextMLM.text_view = 2")
# What the page's table says, by method.
BINDINGS = {
    "clip": TOWERS,
    "slip": (*TOWERS, "image_simclr.ImageSimCLR.synchronized = False"),
    "filip": (*TOWERS, *FINE_GRAINED, "pipeline.Pipeline.mask_probability = 0.15"),
    "declip": (*TOWERS, *DECLIP),
    "declip, separate": (*TOWERS, *DECLIP, *SEPARATE),
    "defilip": (*TOWERS, *DECLIP, *FINE_GRAINED),
}
# Not about losses: learning rate, weight decay, prompts.
ELSEWHERE = {  # tested with the recipe, the scorers, the method and the tower
    "peak_learning_rate = 5e-4",
    "weight_decay = 0.5",
    "average_positions = True",
    "separate_views = True",
    "frozen_patches = True",
}

SIZES = {
    "image_simclr": ("image_simclr.ImageSimCLR.widths = (48, 40, 24)",),
    "image_simsiam": (
        "image_simsiam.ImageSimSiam.projector_widths = (48, 40, 32)",
        "image_simsiam.ImageSimSiam.predictor_widths = (16, 32)",
    ),
    "nearest_neighbor": (f"nearest_neighbor.NearestNeighbor.size = {QUEUE}",),
    "fine_grained": ("fine_grained.FineGrained.width = 24",),
}


class Recorder(keras.optimizers.SGD):
    """Keeps the gradients and changes nothing."""

    def apply(self, grads, trainable_variables=None):
        pairs = zip(grads, trainable_variables, strict=True)
        self.gradients = {v.path: tf.convert_to_tensor(g).numpy() for g, v in pairs}


def ours(case: str, workdir: Path, count: int):
    """The built method of the paper's recipe, made small, and batches of its pipeline."""
    parts = {"clip": (), "slip": ("image_simclr",), "filip": ("fine_grained",)}.get(
        case, ("image_simsiam", "nearest_neighbor")
    )
    parts += ("fine_grained",) if case == "defilip" else ()
    built = trainer(
        f"paper/table4_{case.split(',')[0]}_vit_b32.gin",
        workdir,
        *SMALL["vision_transformer."],
        *SMALL["text_transformer."],
        *(binding for part in parts for binding in SIZES[part]),
        "EMBED_DIM = 24",
        "IMAGE_SIZE = 56",
        "vision_transformer.VisionTransformer.patch_size = 8",  # 49 patches, as released
        "strategy.prepare.precision = 'float32'",
        "image_views.ImageViews.compiled = False",
        f"pipeline.Pipeline.batch_size = {BATCH}",
        *BINDINGS[case],
    )
    batches = list(built.pipeline.batches().take(count))
    built.method.build(batches[0])
    built.method.compile(optimizer=Recorder())
    return built.method, batches


def peer(case: str, method) -> Released:
    """The released code with its own weights, larger than its initial ones, so that errors show."""
    image, text = method.image_encoder, method.text_encoder
    shared = {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "num_hidden_layers": 1}
    shared["num_attention_heads"] = 2
    config = CLIPConfig(
        projection_dim=24,
        vision_config={
            "hidden_size": image.width,
            "intermediate_size": 4 * image.width,
            "image_size": 56,
            "patch_size": 8,
            **shared,
        },
        text_config={
            "hidden_size": text.width,
            "intermediate_size": 4 * text.width,
            "vocab_size": 49409,
            "max_position_embeddings": 77,
            "bos_token_id": 49407,
            "eos_token_id": 49408,
            **shared,
        },
    )
    queues = [o.queue.numpy() for o in method.objectives if o.name == "nearest_neighbor"]
    torch.manual_seed(0)
    model = Released(
        case.split(",")[0],
        config,
        simclr=(48, 40, 24),
        simsiam=((48, 40, 32), (16, 32)),
        dense=24,
        bank=torch.tensor(queues[0].T, dtype=torch.float64) if queues else None,
    ).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith("logit_scale"):
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model.train()


def expected(case: str, model: Released, batch: dict) -> tuple[float, dict[str, float]]:
    """The released code's total and terms on our batch; leaves gradients in the model."""
    images = [pixels(x) for x in np.swapaxes(batch["images"].numpy(), 0, 1)]
    ids = [torch.tensor(x) for x in released_ids(np.swapaxes(batch["ids"].numpy(), 0, 1))]
    labels = batch.get("mlm_labels")
    if labels is not None:
        labels = torch.tensor(released_ids(labels.numpy()), dtype=torch.long)
    model.zero_grad()
    total, losses = model(images, [x.long() for x in ids], labels)
    total.backward()
    return total.item(), {name: loss.item() for name, loss in losses.items()}


def by_released_name(logged: dict) -> dict[str, float]:
    """Our logged terms under the released code's names."""
    terms = {name[5:]: float(value) for name, value in logged.items() if name[:5] == "loss/"}
    if "multi_view" in terms:  # one mean over four pairs there
        terms["clip"] = (terms.pop("image_text") + 3 * terms.pop("multi_view")) / 4
    names = {
        "image_text": "clip",
        "image_simclr": "simclr",
        "image_simsiam": "simsiam",
        "text_mlm": "mlm",
        "nearest_neighbor": "nn",
        "fine_grained": "fas",
    }
    return {names.get(name, name): value for name, value in terms.items()}


@pytest.mark.parametrize(
    "case",  # DeFILIP has every term of DeCLIP
    [pytest.param(c, marks=pytest.mark.slow if c.startswith("declip") else ()) for c in BINDINGS],
)
def test_every_term_and_the_gradient_of_the_total(case, tmp_path):
    # The queue of declip: the third step finds the captions of the first in it.
    order = [0, 1, 0] if case == "declip" else [0]
    method, batches = ours(case, tmp_path, count=max(order) + 1)
    model = peer(case, method)
    pairs = all_pairs(method, model)
    for pair in pairs:
        if not pair.ours.shape:  # a temperature starts where the released code forces it
            np.testing.assert_allclose(pair.ours, pair.value(), atol=1e-4)
        pair.ours.assign(pair.value())
    for owner in (method, *method.objectives):
        np.testing.assert_allclose(getattr(owner, "_bounds", (3, 6)), (3, 6), atol=1e-4)
    for batch in (batches[i] for i in order):
        total, losses = expected(case, model, batch)
        logged = method.train_step(batch)
        assert by_released_name(logged) == pytest.approx(losses, rel=2e-5)
        assert float(logged["loss"]) == pytest.approx(total, rel=2e-5)
        wholes = [pair.gradient() for pair in pairs]
        noise = 1e-5 * max(np.abs(g).max() for g in wholes)  # a bias before a norm has only that
        for pair, wanted in zip(pairs, wholes, strict=True):
            got = method.optimizer.gradients.get(pair.ours.path, np.zeros_like(wanted))
            limit = 2e-4 * np.abs(wanted).max() + noise
            np.testing.assert_allclose(got, wanted, rtol=0, atol=limit, err_msg=pair.ours.path)


def assignment(binding: str) -> str:
    """`name = value` of a binding, without the class."""
    left, right = binding.split(" = ", 1)
    return f"{left.rsplit('.', 1)[-1]} = {right}"


@pytest.mark.skipif(not PAGE.is_file(), reason="the tests lie apart from the pages")
def test_these_bindings_are_those_of_the_page():
    table = PAGE.read_text(encoding="utf-8").split("| released code | binding |")[1]
    table = table.split("\n\n")[0]
    claimed = {assignment(b) for b in re.findall(r"`([^`]+ = [^`]+)`", table)}
    tested = {assignment(b) for bindings in BINDINGS.values() for b in bindings}
    assert tested == claimed - ELSEWHERE
