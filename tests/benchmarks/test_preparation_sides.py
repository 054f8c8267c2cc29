"""Both sides of the benchmark of preparation write the same pictures, of photographs as claimed."""

import io

import numpy as np
import pytest
from PIL import Image

from clipbench_tf.benchmarks.ours import preparation as ours
from clipbench_tf.benchmarks.peers import preparation as peers
from clipbench_tf.benchmarks.samples.photographs import SMOOTH, TEXTURED, facts, jpegs


@pytest.mark.parametrize("kind", [TEXTURED, SMOOTH])
def test_both_sides_write_pictures_of_the_same_size_and_level(kind):
    jobs = [side.resized(2, (150, 200), kind, 60, 95) for side in (ours, peers)]
    for job in jobs:
        job.run()
    one, other = (np.reshape(job.answer(), [8, 3]) for job in jobs)
    assert (one[:, :2] == [60, 80]).all() and (other[:, :2] == [60, 80]).all()
    np.testing.assert_allclose(one[:, 2], other[:, 2], atol=1.0)


def test_photographs_are_seeded_and_textured_ones_hold_more_bytes():
    textured = jpegs(2, (500, 375), TEXTURED)
    smooth = jpegs(2, (500, 375), SMOOTH)
    assert textured == jpegs(2, (500, 375), TEXTURED) and textured[0] != textured[1]
    assert all(80_000 < len(one) < 150_000 for one in textured)
    assert all(25_000 < len(one) < 60_000 for one in smooth)


def test_facts_are_sizes_and_mean_levels():
    stream = io.BytesIO()
    Image.new("RGB", (5, 4), (10, 20, 30)).save(stream, "PNG")
    assert facts([stream.getvalue()] * 2) == [5.0, 4.0, 20.0] * 2
