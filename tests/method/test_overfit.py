"""Each method learns 32 pairs by heart: every loss comes down to its floor.

The batch is the same in every step, pixels and masks included. `floors` says what each term can
reach on it, and why.
"""

import collections
import math

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf import config
from tests.gin_files import DATA

PAIRS = 32
MOST_STEPS = 300  # 30 to 120 are enough
SIZES = {
    "modified_resnet": (
        "modified_resnet.ModifiedResNet.width = 4",
        "modified_resnet.ModifiedResNet.depths = (1, 1, 1, 1)",
        "modified_resnet.ModifiedResNet.heads = 2",
    ),
    "text_transformer": (
        "text_transformer.TextTransformer.width = 32",
        "text_transformer.TextTransformer.depth = 1",
        "text_transformer.TextTransformer.heads = 2",
    ),
    # More than there are pictures: 32 directions of equal distance fit in.
    "image_simclr": ("image_simclr.ImageSimCLR.widths = (128, 128, 64)",),
    "image_simsiam": (
        "image_simsiam.ImageSimSiam.projector_widths = (64, 64, 64)",
        "image_simsiam.ImageSimSiam.predictor_widths = (32, 64)",
    ),
    "nearest_neighbor": ("nearest_neighbor.NearestNeighbor.size = 256",),
}
# Of all views that any method needs: a light and two strong pictures; the caption, its EDA
# version, and the caption masked.
VIEWS = (
    "image_views.ImageViews.views = "
    "[@light/image_views.View(), @strong/image_views.View(), @strong/image_views.View()]",
    "image_views.ImageViews.compiled = False",
    "pipeline.Pipeline.separate_masked_view = True",
    f"pipeline.Pipeline.batch_size = {2 * PAIRS}",
)
CHOSEN = {  # by method: image views, text views
    "clip": ([0], [0]),
    "slip": ([0, 1, 2], [0]),
    "filip": ([1], [0]),
    "declip": ([1, 2], [2, 1]),
    "defilip": ([1, 2], [2, 1]),
}


@pytest.fixture(scope="module")
def everything() -> dict[str, np.ndarray]:
    """32 pairs of the embedded data set, no two of which share a caption in any view."""
    config.parse(["defilip.gin"], [*DATA, *VIEWS])
    batch = next(iter(config.build("pipeline.Pipeline").batches()))
    rows, taken = [], set()
    for row, ids in enumerate(batch["ids"].numpy()):
        captions = {tuple(view) for view in ids}
        if not captions & taken:
            rows.append(row)
            taken |= captions
    assert len(rows) >= PAIRS
    return {name: x.numpy()[rows[:PAIRS]] for name, x in batch.items()}


def mlm_floor(ids: np.ndarray, labels: np.ndarray) -> float:
    """The entropy of what is asked, given all that a causal tower sees of it.

    Captions that begin alike up to a masked word look the same there, whatever the word is: most
    of all those whose first word is masked.
    """
    asked = [
        (tuple(row[: place + 1]), label[place])
        for row, label in zip(ids.tolist(), labels.tolist(), strict=True)
        for place in range(len(row))
        if label[place] != -100
    ]
    seen = collections.Counter(prefix for prefix, _ in asked)
    both = collections.Counter(asked)
    return float(np.mean([math.log(seen[pair[0]] / both[pair]) for pair in asked]))


def nt_xent_floor(pairs: int, temperature: float) -> float:
    """A bound for 2B unit vectors. With p the mean cosine of partners and n that of the others,

    0 <= |sum of all|^2 = 2B + 2B p + 2B (2B - 2) n, thus n - p >= -1 - 1 / (B - 1) as p <= 1; and
    the loss, log(1 + sum of exp((cosine - partner's cosine) / T)), is convex: not less than with
    all cosines at their means.
    """
    return math.log(1 + (2 * pairs - 2) * math.exp(-(1 + 1 / (pairs - 1)) / temperature))


def floors(batch: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """By term: the floor, and how far above it the term may end."""
    return {
        # By the argument above, log(1 + 31 exp(-32 / 31 / temperature)): 1e-5 already at 0.07.
        "image_text": (0.0, 0.05),
        "multi_view": (0.0, 0.05),
        "fine_grained": (0.0, 0.05),
        # The queue holds the last two steps' captions: the neighbour of a caption is what the
        # tower made of it one step ago, the same but for a step. Then this is InfoNCE.
        "nearest_neighbor": (0.0, 0.05),
        # Cosines.
        "image_simsiam": (-1.0, 0.1),
        "image_simclr": (nt_xent_floor(PAIRS, 0.1), 0.02),
        "text_mlm": (mlm_floor(batch["ids"][:, 2], batch["mlm_labels"]), 0.05),
    }


def method_of(name: str) -> keras.Model:
    files = [f"methods/{name}.gin", "models/emoji_resnet.gin"]
    config.parse(files)
    parts = [part for part in SIZES if f"{part}." in gin.config_str()]
    config.parse(files, [binding for part in parts for binding in SIZES[part]])
    return config.build("method.Method")


@pytest.mark.parametrize(
    "name",  # DeFILIP has every term but SimCLR's
    [pytest.param(name, marks=() if name == "defilip" else pytest.mark.slow) for name in CHOSEN],
)
def test_every_term_comes_down_to_its_floor(name, everything):
    images, texts = CHOSEN[name]
    batch = {key: tf.constant(x) for key, x in everything.items()}
    batch["images"] = tf.gather(batch["images"], images, axis=1)
    batch["ids"] = tf.gather(batch["ids"], texts, axis=1)
    method = method_of(name)
    method.build(batch)
    optimizer = keras.optimizers.Adam(4e-3)
    optimizer.build(method.trainable_variables)  # its variables would be traced into the step
    method.compile(optimizer=optimizer)
    step = tf.function(method.train_step, autograph=False)
    bounds = floors(everything)

    def terms() -> dict[str, float]:
        return {k[5:]: float(v) for k, v in step(batch).items() if k.startswith("loss/")}

    first = last = terms()
    for term, (floor, room) in bounds.items():
        assert first.get(term, math.inf) > floor + 9 * room, f"{term} has nothing to learn"
    steps = 1
    while steps < MOST_STEPS and any(x > sum(bounds[term]) for term, x in last.items()):
        last, steps = terms(), steps + 1
    print(f"{name}, {steps} steps:", *(f"{t} {first[t]:.4f} -> {last[t]:.4f};" for t in first))
    for term, value in last.items():
        floor, room = bounds[term]
        assert floor - 1e-5 <= value <= floor + room, f"{term} after {steps} steps"
