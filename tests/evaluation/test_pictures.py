import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.image_views import evaluation_view
from clipbench_tf.evaluation import pictures
from evaluation.samples import COLOURS, png


def test_decodes_in_order_and_finds_what_is_no_image():
    good = [png(colour, size=20 + i) for i, colour in enumerate(COLOURS)]
    encoded = [good[0], b"no image", good[1], b"", good[2][:40], good[3], good[4]]
    pixels, valid = pictures.decode(tf.constant(encoded), 8, 1.5)
    np.testing.assert_array_equal(valid, [1, 0, 1, 0, 0, 1, 1])
    expected = [evaluation_view(tf.constant(one), 8, 1.5) for one in good]
    np.testing.assert_array_equal(tf.boolean_mask(pixels, valid)[:2], tf.stack(expected[:2]))
    np.testing.assert_array_equal(tf.boolean_mask(pixels, valid)[2:], tf.stack(expected[3:]))
    assert not np.any(tf.boolean_mask(pixels, ~valid))


@pytest.mark.parametrize("encoded", [[], [b"no image"]])
def test_batches_without_any_image(encoded):
    pixels, valid = pictures.decode(tf.constant(encoded, tf.string, [len(encoded)]), 8, 1.0)
    assert pixels.shape == (len(encoded), 8, 8, 3)
    assert not np.any(valid)


def test_names_the_rows_that_are_no_image():
    encoded = tf.constant([png(COLOURS[0]), b"no image", png(COLOURS[1])[:40]])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)no image that .*rows.*\[1 2\]"):
        tf.function(pictures.decode_all)(encoded, 8, 1.0)
    assert pictures.decode_all(encoded[:1], 8, 1.0).shape == (1, 8, 8, 3)
