"""The peer gets the captions that ours gets, cut as ours are; it takes a step."""

import importlib.util

import numpy as np
import pytest
import torch

from clipbench_tf.benchmarks.ours.training_step import longest
from clipbench_tf.benchmarks.peers import open_clip_step
from clipbench_tf.benchmarks.peers.open_clip import imported
from clipbench_tf.benchmarks.samples import captions


def test_captions_are_cut_as_ours_are():
    ids = captions.ids(64, natural=True)
    for rows, found in zip(np.split(ids, 4), open_clip_step._trimmed(ids, 16), strict=True):
        length = int(longest(rows[:, None], multiple=8))
        assert found.shape == (16, length) and length < captions.CONTEXT
        np.testing.assert_array_equal(found, rows[:, :length])
        assert not rows[:, length:].any()
    (whole,) = open_clip_step._trimmed(captions.ids(2, natural=False), 2)
    assert whole.shape == (2, captions.CONTEXT)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("open_clip") is None,
    reason="docs/testing.md says how to install open_clip, as .ci/run does",
)
@pytest.mark.parametrize("model", open_clip_step.MODELS)
def test_a_step_changes_the_weights(model, monkeypatch):
    library = imported()
    made = []
    create = library.create_model
    monkeypatch.setattr(
        library, "create_model", lambda *a, **k: made.append(create(*a, **k)) or made[0]
    )
    job = open_clip_step.step(2, 1, "float32", True, model)
    before = [p.detach().clone() for p in made[0].parameters()]
    job.run()
    changed = [not torch.equal(p, q) for p, q in zip(made[0].parameters(), before, strict=True)]
    assert np.mean(changed) > 0.5  # a fresh ResNet has weights without a gradient
