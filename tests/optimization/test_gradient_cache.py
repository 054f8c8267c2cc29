"""A batch in chunks gives the gradient of the batch at once."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.method import Method
from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.image_simclr import ImageSimCLR
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.objectives.text_mlm import TextMLM
from tests.method import small_method

BATCH = small_method.batch(count=6, views=2, texts=2)
OBJECTIVES = {
    "clip": lambda: [ImageText()],
    "filip": lambda: [FineGrained(width=4)],
    # Its batch norm sees pictures that a fresh tower finds nearly alike, and magnifies rounding.
    "simclr": lambda: [ImageSimCLR(image_views=(0, 1), widths=(8, 4))],
    "many": lambda: [
        ImageText(weight=0.4),
        TextMLM(),
        NearestNeighbor(size=48),
        FineGrained(width=4, selection=1.0),
    ],
}


@pytest.mark.parametrize(
    "name",  # "many" has what CLIP has, and more
    [pytest.param(n, marks=[pytest.mark.slow] if n == "clip" else []) for n in OBJECTIVES],
)
def test_losses_and_gradients_are_those_of_the_whole_batch(name):
    method = small_method.compiled(OBJECTIVES[name](), BATCH)
    variables = [v.value for v in method.trainable_variables]
    state = [v.numpy() for v in method.non_trainable_variables]
    found = []
    for chunks, graph in ((1, False), (6, False), (3, True)):
        method.chunks = chunks
        for variable, value in zip(method.non_trainable_variables, state, strict=True):
            variable.assign(value)  # the queue, the running statistics
        step = lambda: method.gradients(BATCH, variables)  # noqa: E731
        found.append((tf.function(step, autograph=False) if graph else step)())
    (scalars, gradients), *others = found
    tolerance = 1e-3 if name == "simclr" else 1e-5
    for other_scalars, other_gradients in others:
        for key, value in scalars.items():
            np.testing.assert_allclose(other_scalars[key], value, rtol=1e-5, err_msg=key)
        for one, other, v in zip(gradients, other_gradients, variables, strict=True):
            assert (one is None) == (other is None), v.name
            if one is not None:
                np.testing.assert_allclose(
                    *map(tf.convert_to_tensor, (other, one)), atol=tolerance, rtol=10 * tolerance
                )


def test_a_method_trains_in_chunks_as_without():
    # By what it logs: Adam makes a full step of the rounding in a gradient that is truly zero.
    logs = []
    for chunks in (1, 3):
        keras.utils.set_random_seed(0)
        method = small_method.compiled([ImageText()], BATCH, chunks=chunks)
        logs.append([method.train_step(BATCH) for _ in range(4)])
    for one, other in zip(*logs, strict=True):
        for name, value in one.items():
            np.testing.assert_allclose(other[name], value, rtol=2e-4, err_msg=name)
    assert logs[0][-1]["loss"] < logs[0][0]["loss"]


def test_batch_norms_and_numbers_below_1_are_refused():
    text = TextTransformer(context_length=6, width=4, depth=1, heads=2, embed_dim=6)
    resnet = ModifiedResNet(image_size=32, depths=(1, 1, 1, 1), width=2, heads=2, embed_dim=6)
    towers = {"image_encoder": resnet, "text_encoder": text}
    with pytest.raises(ValueError, match="batch norms of ModifiedResNet"):
        Method(**towers, objectives=[ImageText()], chunks=2)
    with pytest.raises(ValueError, match="chunks is 0"):
        Method(**towers, objectives=[ImageText()], chunks=0)
