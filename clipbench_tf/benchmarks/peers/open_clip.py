"""The zero-shot classifier of open_clip, by its own function.

It is no dependency: `pip install --no-deps open-clip-torch timm torchvision` puts it beside
PyTorch.
"""

import importlib
import importlib.util
from typing import Any

import torch

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.samples.captions import class_names, templates

_DECLARED: list[torch.library.Library] = []  # kept, or the operators are forgotten


class PeerError(ValueError):
    """A peer that is not installed; the message says how to install it."""


def imported() -> Any:
    """The module.

    Raises:
        PeerError: if it is not installed.
    """
    if importlib.util.find_spec("open_clip") is None:
        raise PeerError(
            "open_clip is not installed: pip install --no-deps open-clip-torch timm torchvision"
        )
    declare_operators()
    return importlib.import_module("open_clip")


def declare_operators() -> None:
    """Declares operators without which torchvision does not import on PyTorch's CPU build."""
    if not _DECLARED:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(library)


def classifier(classes: int, precision: str) -> Job:
    """Encodes all prompts of the first `classes` classes, tokenizing included, ten at a time."""
    library = imported()
    model = library.create_model("ViT-B-32-quickgelu").eval()
    tokenizer = library.get_tokenizer("ViT-B-32")
    names, prompts = class_names()[:classes], templates()

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            library.build_zero_shot_classifier(
                model, tokenizer, classnames=names, templates=prompts, num_classes_per_batch=10
            )

    return Job(run)
