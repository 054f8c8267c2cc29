import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from clipbench_tf.data.images.image_views import ImageViews, View, evaluation_view
from clipbench_tf.evaluation import pictures
from tests.evaluation.samples import COLOURS, png


def encoded_as(kind: str, picture: Image.Image, **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def test_training_and_evaluation_see_what_a_viewer_shows():
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = Image.linear_gradient("L").resize((16, 8)).convert("RGB")
    held = encoded_as("JPEG", wide, exif=exif)
    clear = encoded_as("WEBP", Image.new("RGBA", (8, 8), (0, 0, 0, 0)), lossless=True)
    pixels, valid = pictures.decode(tf.constant([held, clear]), 8, 1.0)
    upright = encoded_as("PNG", ImageOps.exif_transpose(Image.open(io.BytesIO(held))))
    expected = evaluation_view(tf.constant(upright), 8, 1.0)
    assert valid.numpy().all()
    np.testing.assert_allclose(pixels[0].numpy().astype(int), expected, atol=8)
    assert np.all(pixels[1] == 255)
    views = ImageViews(size=8, views=[View(blur_sigma=(0.1, 1.0))])
    crops = [views.crop(one, tf.constant([1, 2])).numpy().astype(int) for one in (held, upright)]
    np.testing.assert_allclose(*crops, atol=8)
    assert np.all(views.crop(clear, tf.constant([1, 2])) == 255)


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
