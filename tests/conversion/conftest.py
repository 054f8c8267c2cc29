import importlib.util
import io

import numpy as np
import pytest
from PIL import Image

from clipbench_tf.benchmarks.peers.open_clip import declare_operators

if importlib.util.find_spec("torchvision"):  # with open_clip, which imports it
    declare_operators()

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
