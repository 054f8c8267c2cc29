import importlib.util
import io

import numpy as np
import pytest
import torch
from PIL import Image

if importlib.util.find_spec("torchvision"):  # with open_clip, which imports it
    # On PyTorch's CPU build it does not import unless these operators are declared.
    LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        LIBRARY.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

TEXTS = ["a red circle", "Zwei grüne Dreiecke ✨ on a very long line of words that goes on", ""]


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    random = np.random.default_rng(0)
    found = []
    for size in ((64, 64), (90, 70), (40, 100)):
        buffer = io.BytesIO()
        smooth = Image.fromarray(random.integers(0, 256, (5, 5, 3), np.uint8)).resize(size)
        smooth.save(buffer, "PNG")
        found.append(buffer.getvalue())
    return found
