"""Small models, and what their SavedModels answer: the reference for every other runtime."""

import functools
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from clipbench_tf import api
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.export.exported_model import ExportedModel
from clipbench_tf.export.saved_model import export
from clipbench_tf.models import pixels as statistics

LENGTH = 24
NAMES = ["a red circle", "two blue squares", "grass", "Nothing, at 9:41 o'clock!"]
TEMPLATES = ["a photo of {}", "{}"]


class Made(NamedTuple):
    """A model in memory, its export, pictures, and what the export computes of them."""

    encoders: MethodEncoders
    saved: ExportedModel
    pictures: list[bytes]
    pixels: np.ndarray  # uint8 [B, H, W, 3]
    ids: np.ndarray  # int32 [B, LENGTH], of NAMES
    image: dict[str, np.ndarray]
    text: dict[str, np.ndarray]


def encoders(kind: str) -> MethodEncoders:
    """Those of a model whose weights and batch statistics are all random."""
    tower = {"width": 16, "depth": 2, "heads": 2, "embed_dim": 6}
    if kind == "resnet":
        image = api.ModifiedResNet(
            image_size=64, depths=(1, 1, 1, 1), width=4, heads=2, embed_dim=6,
            mean=statistics.CLIP[0], std=statistics.CLIP[1],
        )  # fmt: skip
        more, merges = {"activation": "gelu", "projection_bias": True}, 500
    else:
        activation = {"activation": "gelu"} if kind == "vit" else {}
        image = api.VisionTransformer(
            image_size=32, patch_size=8, recompute=True, **tower, **activation
        )
        more, merges = {}, 48_894
    method = api.Method(
        image_encoder=image,
        text_encoder=api.TextTransformer(context_length=LENGTH, merges=merges, **tower, **more),
        objectives=[api.FineGrained(width=5, count_padding=kind == "vit_padding")],
        name=kind,
    )
    size = image.image_size
    images = tf.zeros([2, 1, size, size, 3], tf.uint8)
    method.build({"images": images, "ids": tf.ones([2, 1, LENGTH], tf.int32)})
    rng = np.random.default_rng(7)
    for variable in method.variables:
        if variable.dtype == "float32" and len(variable.shape):
            start = 1.0 if variable.name in ("gamma", "moving_variance") else 0.0
            scale = 0.1 if len(variable.shape) == 1 else 0.3
            variable.assign(start + scale * rng.uniform(-1, 1, variable.shape))
    return MethodEncoders(
        method,
        tokenizer=api.Tokenizer(context_length=LENGTH, merges=merges),
        scorer=(late_interaction if kind.startswith("vit") else cosine)(method),
        image_size=size,
        resize=1.0 if kind == "resnet" else 256 / 224,
        interpolation="bicubic" if kind == "resnet" else "bilinear",
    )


def pictures() -> list[bytes]:
    """Smooth ones of several shapes, and one that is partly transparent."""
    rng = np.random.default_rng(3)
    made = []
    for width, height, mode in ((90, 70, "RGB"), (64, 101, "RGB"), (80, 80, "RGBA")):
        coarse = rng.integers(0, 256, (4, 4, len(mode)), np.uint8)
        buffer = io.BytesIO()
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        smooth.save(buffer, "PNG")
        made.append(buffer.getvalue())
    return made


@functools.cache
def _made(kind: str, folder: Path) -> Made:
    model = encoders(kind)
    export(
        model.method,
        model.tokenizer,
        folder,
        dataset="none",
        classes=NAMES,
        templates=TEMPLATES,
        scorer=model.scorer,
        image_size=model.image_size,
        resize=model.resize,
        interpolation=model.interpolation,
    )
    saved, files = ExportedModel(folder), pictures()
    image, _ = saved.represent_images(tf.constant(files))
    text = saved.represent_classes(tf.constant(NAMES)[:, None])
    text = {name: value[:, 0] for name, value in text.items() if name != "embedding"}
    image["embedding"] = saved.encode_images(files)
    text["embedding"] = saved.encode_texts(NAMES)
    return Made(
        model,
        saved,
        files,
        model.pixels(tf.constant(files))[0].numpy(),
        model.tokenizer(tf.constant(NAMES)).numpy(),
        {name: np.asarray(value) for name, value in image.items()},
        {name: np.asarray(value) for name, value in text.items()},
    )


@pytest.fixture(scope="session")
def _exports(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(params=["vit", pytest.param("resnet", marks=pytest.mark.slow)])
def made(request, _exports) -> Made:
    """Late interaction on a vision transformer, and the cosine on a ResNet."""
    return _made(request.param, _exports / request.param)


def same(got: dict[str, np.ndarray], expected: dict[str, np.ndarray], atol: float = 1e-4) -> None:
    """Compares outputs by name; texts that the export trimmed are compared where it has them."""
    assert set(got) == set(expected)
    for name, value in expected.items():
        found = np.asarray(got[name])
        if name in ("tokens", "mask") and found.shape[1] > value.shape[1]:
            found = found[:, : value.shape[1]]
        assert found.dtype == value.dtype and found.shape == value.shape, name
        np.testing.assert_allclose(found, value, atol=atol)
