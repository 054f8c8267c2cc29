"""Crops of large JPEGs, decoded smaller: nearly the pixels of the whole picture's crops."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from clipbench_tf.benchmarks.samples import photographs
from clipbench_tf.data.images import cropping
from clipbench_tf.data.images.decoding import decode, decode_smaller, stated_shape
from clipbench_tf.data.images.image_views import ImageViews, View

SIZE = 32
LARGE = photographs.jpegs(3, (331, 271), photographs.SMOOTH)  # eight times a view, and a bit
SEEDS = np.random.default_rng(0).integers(-(2**31), 2**31, [6, 2]).astype(np.int32)


def turned(encoded: bytes, orientation: int) -> bytes:
    """The same picture, stored as a camera that was held so stores it."""
    picture, exif, out = Image.open(io.BytesIO(encoded)), Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    backward = {6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180}[orientation]
    picture.transpose(backward).save(out, "JPEG", exif=exif, quality=95)
    return out.getvalue()


def crops(policy: ImageViews, encoded: bytes, seed: np.ndarray) -> np.ndarray:
    return policy.crop(tf.constant(encoded), tf.constant(seed)).numpy().astype(float)


def of_whole(policy: ImageViews, encoded: bytes, seed: np.ndarray) -> np.ndarray:
    """By Pillow: the whole picture is decoded, cut and resized."""
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded)).convert("RGB"))
    boxes = policy._boxes(tf.constant(picture.size[::-1]), tf.constant(seed)).numpy()
    found = []
    for y, x, height, width in boxes:
        part = picture.crop((x, y, x + width, y + height))
        part = part.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        found.append(np.asarray(part, float).transpose(1, 2, 0))
    return np.stack(found)


@pytest.mark.parametrize("orientation", [None, 3, 6])
@pytest.mark.parametrize("least", [0.08, 0.5])
def test_crops_are_nearly_those_of_the_whole_picture(least, orientation):
    policy = ImageViews(size=SIZE, views=(View(scale=(least, 1.0)), View(scale=(least, 1.0))))
    for number, seed in enumerate(SEEDS):
        encoded = LARGE[number % 3] if orientation is None else turned(LARGE[0], orientation)
        found, expected = crops(policy, encoded, seed), of_whole(policy, encoded, seed)
        difference = np.abs(found - expected)
        assert difference.mean() < 2.0
        assert difference[:, 1:-1, :, 1:-1].max() < 16  # edges lie between smaller pixels
        assert np.abs(found[:, 1:] - expected[:, :-1]).mean() > 4  # a view's pixel off


def test_they_are_decoded_smaller(monkeypatch):
    seen = []
    real = cropping.halvings
    monkeypatch.setattr(cropping, "halvings", lambda *a: seen.append(real(*a)) or seen[-1])
    whole = ImageViews(size=SIZE, views=(View(scale=(1.0, 1.0), ratio=(1.2, 1.25)),))
    part = ImageViews(size=SIZE, views=(View(scale=(1.0, 1.0)), View(scale=(0.01, 0.01))))
    whole.crop(LARGE[0], SEEDS[0])
    part.crop(LARGE[0], SEEDS[0])
    assert [int(n) for n in seen] == [3, 0]


@pytest.mark.parametrize(
    ("sides", "expected"), [((63, 99), 0), ((64, 99), 1), ((127, 128), 1), ((128, 300), 2)]
)
def test_no_crop_is_enlarged_for_it(sides, expected):
    boxes = tf.constant([[0, 0, *sides], [5, 5, *sides[::-1]]])
    assert int(cropping.halvings(boxes, SIZE)) == expected
    assert int(cropping.halvings(tf.constant([[0, 0, 9999, 9999]]), SIZE)) == 3


@pytest.mark.parametrize("halvings", range(4))
def test_a_smaller_picture_is_the_mean_of_its_pixels(halvings):
    factor = 2**halvings
    smaller = decode_smaller(tf.constant(LARGE[0]), tf.constant(halvings), tf.constant(1))
    found = smaller.numpy().astype(float)
    assert found.shape == (-(-271 // factor), -(-331 // factor), 3)
    height, width = 271 // factor, 331 // factor
    picture = decode(tf.constant(LARGE[0])).numpy()[: height * factor, : width * factor]
    means = picture.reshape(height, factor, width, factor, 3).mean((1, 3))
    assert np.abs(found[:height, :width] - means).mean() < 1.5


def test_the_stated_shape_is_that_of_a_jpeg_only():
    assert stated_shape(tf.constant(LARGE[0])).numpy().tolist() == [271, 331]
    out = io.BytesIO()
    Image.new("RGB", (300, 300)).save(out, "PNG")
    for other in (out.getvalue(), b"", b"\xff"):
        assert stated_shape(tf.constant(other)).numpy().tolist() == [0, 0]


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk(mode):
    out = io.BytesIO()
    Image.open(io.BytesIO(LARGE[1])).convert(mode).save(out, "JPEG", quality=95)
    policy = ImageViews(size=SIZE, views=(View(scale=(0.9, 1.0)),))
    found = crops(policy, out.getvalue(), SEEDS[0])
    whole = decode(tf.constant(out.getvalue()))
    expected = policy._columns(whole, policy._boxes(tf.shape(whole)[:2], SEEDS[0]), 1)
    assert np.abs(found - expected.numpy()).mean() < 1.5


@pytest.mark.parametrize("cut", [2, 20, 300, 0.5])
def test_damaged_ones_are_errors(cut):
    broken = LARGE[0][: cut if isinstance(cut, int) else int(cut * len(LARGE[0]))]
    policy = ImageViews(size=SIZE, views=(View(scale=(0.9, 1.0)),))
    with pytest.raises(tf.errors.InvalidArgumentError):
        policy.crop(tf.constant(broken), tf.constant(SEEDS[0]))
