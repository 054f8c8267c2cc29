"""The five methods as wholes: Figure 1, equations 2, 3, 5, 6 and 7, and the views they need."""

import dataclasses
from pathlib import Path

import gin
import keras
import numpy as np
import pytest

from clipbench_tf import config
from tests.gin_files import PAPER, bound, small, trainer

# Section 3, by hand: alpha is 1 in equation 3; alpha, beta, gamma and lambda are 0.2 in 6 and 7.
EQUATIONS = {
    "clip": {"image_text": 1.0},
    "slip": {"image_text": 1.0, "image_simclr": 1.0},
    "filip": {"fine_grained": 1.0},
    "declip": {
        "image_text": 1 - 0.2 - 0.2 - 0.2,
        "image_simsiam": 0.2,
        "text_mlm": 0.2,
        "multi_view": 0.2,
        "nearest_neighbor": 0.2,
    },
    "defilip": {
        "image_text": 1 - 0.2 - 0.2 - 0.2,
        "image_simsiam": 0.2,
        "text_mlm": 0.2,
        "multi_view": 0.2,
        "nearest_neighbor": 0.2,
        "fine_grained": 0.2,
    },
}
# Which of Figure 1's signals each objective is; multi-view supervision is signal 1 on other views.
SIGNALS = {
    "image_text": 1,
    "image_simclr": 2,
    "image_simsiam": 2,
    "text_mlm": 3,
    "multi_view": 1,
    "nearest_neighbor": 4,
    "fine_grained": 5,
}
FIGURE_1 = {
    "clip": {1},
    "slip": {1, 2},
    "filip": {5},
    "declip": {1, 2, 3, 4},
    "defilip": {1, 2, 3, 4, 5},
}
# Image views and caption views. SLIP's are the captioned one and "two more strong augmented
# views"; DeCLIP "has two augmented views of both image and text".
IMAGE_VIEWS = {
    "clip": ("light",),
    "slip": ("light", "strong", "strong"),
    "filip": ("strong",),
    "declip": ("strong", "strong"),
    "defilip": ("strong", "strong"),
}
CAPTION_VIEWS = {
    "clip": ["plain"],
    "slip": ["plain"],
    "filip": ["plain"],
    "declip": ["plain", "eda"],
    "defilip": ["plain", "eda"],
}
MASKED = {"declip", "defilip"}

# Section 4.1. Of blur and flip it leaves the probability open: MoCo v2's.
STRONG = {
    "scale": (0.2, 1.0),
    "jitter": (0.4, 0.4, 0.4, 0.1),
    "jitter_probability": 0.8,
    "grayscale_probability": 0.2,
    "blur_sigma": (0.1, 2.0),
    "blur_probability": 0.5,
    "flip_probability": 0.5,
}
# Section 4.1 does not count CLIP among those that augment; the released code crops for it.
LIGHT = {
    "scale": (0.5, 1.0),
    "jitter_probability": 0.0,
    "grayscale_probability": 0.0,
    "blur_probability": 0.0,
    "flip_probability": 0.0,
}

every_method = pytest.mark.parametrize(
    "method",  # DeFILIP has every term of DeCLIP
    [pytest.param(m, marks=pytest.mark.slow if m == "declip" else ()) for m in EQUATIONS],
)


def first_step(method: str, workdir: Path) -> tuple[dict, dict]:
    """A batch of the method's gin file, towers made small, and what a step on it logs."""
    built = trainer(f"{method}.gin", workdir, *small(bound(f"{method}.gin")))
    batch = next(iter(built.pipeline.batches()))
    built.method.build(batch)
    built.method.compile(optimizer=keras.optimizers.SGD(1e-3))
    return batch, {name: float(x) for name, x in built.method.train_step(batch).items()}


def test_figure_1():
    for method, weights in EQUATIONS.items():
        assert {SIGNALS[name] for name in weights} == FIGURE_1[method]


@every_method
def test_a_step_sums_what_its_equation_names(method, tmp_path):
    batch, logged = first_step(method, tmp_path)
    terms = {name[5:]: value for name, value in logged.items() if name.startswith("loss/")}
    weights = EQUATIONS[method]
    assert set(terms) == set(weights)
    assert all(np.isfinite(value) and value != 0 for value in terms.values())
    total = sum(weights[name] * value for name, value in terms.items())
    np.testing.assert_allclose(logged["loss"], total, rtol=1e-6)

    assert batch["images"].shape[1] == len(IMAGE_VIEWS[method])
    assert batch["ids"].shape[1] == len(CAPTION_VIEWS[method])
    assert ("mlm_labels" in batch) == (method in MASKED)


def parts(name: str) -> tuple[str, str, int, str]:
    """Method, image encoder, layers of text and YFCC15M version that a file name speaks of."""
    table, method, detail = name.removeprefix("paper/").removesuffix(".gin").split("_", 2)
    if table == "table3":
        return method, "vit_b32", 12, detail
    if table == "table4":
        return method, detail, 12, "v2"
    return method, "vit_b32", int(detail.removeprefix("text")), "v2"


@pytest.fixture(scope="module", params=PAPER)
def row(request):
    """A row of the paper's tables, parsed: its file name and its method."""
    config.parse([request.param])
    return request.param, config.build("method.Method")


def test_a_row_of_the_paper_has_the_equation_and_the_views_of_its_method(row):
    name, built = row
    method = parts(name)[0]
    assert built.name == method
    assert {o.name: o.weight for o in built.objectives} == pytest.approx(EQUATIONS[method])
    np.testing.assert_allclose(built._start, np.log(1 / 0.07), rtol=1e-6)

    policies = {"strong": STRONG, "light": LIGHT}
    views = config.build("image_views.ImageViews").views
    for view, kind in zip(views, IMAGE_VIEWS[method], strict=True):
        assert policies[kind].items() <= dataclasses.asdict(view).items()
    captions = gin.query_parameter("pipeline.Pipeline.caption_views")
    assert [str(op).rsplit(".", 1)[1] for op in captions] == CAPTION_VIEWS[method]
    masked = "pipeline.Pipeline.mask_probability = 0.15" in gin.config_str()
    assert masked == (method in MASKED)


def test_a_row_of_the_paper_has_the_towers_and_the_data_of_its_file_name(row):
    name, built = row
    _, encoder, layers, version = parts(name)
    image, text = built.image_encoder, built.text_encoder
    assert image.image_size == 224 and image.patches == 49
    if encoder == "vit_b32":
        assert type(image).__name__ == "VisionTransformer"
        assert (image.conv1.kernel_size, image.width, image.embed_dim) == ((32, 32), 768, 512)
        assert len(image.transformer.blocks) == 12
    else:
        assert type(image).__name__ == "ModifiedResNet"
        assert (len(image.blocks), image.width, image.embed_dim) == (3 + 4 + 6 + 3, 2048, 1024)
    assert (text.width, len(text.transformer.blocks)) == (512, layers)
    assert text.embed_dim == image.embed_dim
    assert gin.query_parameter("pipeline.Pipeline.dataset") == f"data/yfcc15m_{version}"
    assert gin.query_parameter("train.Trainer.evaluation_dataset") == "data/imagenet"
