import asyncio

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.evaluation.alignment import Alignments
from clipbench_tf.serving.page.alignment import aligned
from tests.evaluation.samples import COLOURS, png
from tests.serving.page.in_memory import InMemory

CAPTION = "Unquestionably green, naïve  漢字"


def test_words_and_cosines_are_those_of_the_method_in_memory(tmp_path):
    served = InMemory(tmp_path)
    picture = png(COLOURS[1])
    found = asyncio.run(aligned(served, picture, CAPTION))
    pixels, _ = served.encoders.pixels(tf.constant([picture]))
    (reference,) = Alignments(served.encoders, pixels.numpy(), [CAPTION]).run()
    assert tuple(found["words"]) == reference.words
    assert reference.words == ("unquestionably", "green", ",", "naïve", "漢字")
    assert found["side"] == 2
    expected = reference.cosines.reshape(4, len(reference.words)).T
    np.testing.assert_allclose(found["cosines"], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("picture", "caption", "message"),
    [(b"none", "cat", "no picture that can be decoded"), (png(COLOURS[0]), " ", "no word")],
)
def test_what_cannot_be_aligned_is_refused(tmp_path, picture, caption, message):
    with pytest.raises(ValueError, match=message):
        asyncio.run(aligned(InMemory(tmp_path), picture, caption))
