"""Position embeddings of another size, against PyTorch and by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clipbench_tf.training import position_embeddings


def embedding(positions, width=3):
    return np.random.default_rng(0).normal(size=(positions, width)).astype(np.float32)


@pytest.mark.parametrize(("before", "after"), [(2, 3), (7, 12), (12, 7), (5, 1)])
def test_a_grid_is_interpolated_as_torch_does_and_the_class_position_kept(before, after):
    old = embedding(1 + before * before)
    new = position_embeddings.grid(old, 1 + after * after)
    pixels = torch.tensor(old[1:]).reshape(1, before, before, -1).permute(0, 3, 1, 2)
    theirs = F.interpolate(
        pixels, size=(after, after), mode="bicubic", align_corners=False, antialias=True
    )
    expected = theirs.permute(0, 2, 3, 1).reshape(after * after, -1).numpy()
    np.testing.assert_array_equal(new[0], old[0])
    np.testing.assert_allclose(new[1:], expected, atol=1e-5)


@pytest.mark.parametrize("length", [6, 9, 16])
def test_a_longer_line_is_interpolated_as_torch_does(length):
    old = embedding(5)
    expected = F.interpolate(torch.tensor(old.T)[None], size=length, mode="linear")[0].T.numpy()
    np.testing.assert_allclose(position_embeddings.line(old, length), expected, atol=1e-6)


def test_a_shorter_line_is_cut():
    old = embedding(5)
    np.testing.assert_array_equal(position_embeddings.line(old, 3), old[:3])


@pytest.mark.parametrize("resize", [position_embeddings.grid, position_embeddings.line])
def test_the_same_size_keeps_every_bit(resize):
    old = embedding(5)
    np.testing.assert_array_equal(resize(old, 5), old)


@pytest.mark.parametrize(("before", "after"), [(5, 7), (6, 5)])
def test_what_is_no_square_is_refused(before, after):
    with pytest.raises(ValueError, match="are no square of patches and one more"):
        position_embeddings.grid(embedding(before), after)
