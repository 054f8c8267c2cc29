"""Boxes against a loop that follows torchvision's text, pixels against Pillow's resize."""

import math

import numpy as np
import pytest
from PIL import Image

from clipbench_tf.data.images import cropping

SCALE, RATIO = (0.2, 1.0), (3 / 4, 4 / 3)
PICTURE = np.random.default_rng(0).integers(0, 256, [90, 120, 3], np.uint8)


def reference_box(shape, numbers, scale, ratio):
    """torchvision's RandomResizedCrop.get_params, drawing from `numbers`."""
    height, width = shape
    n = cropping.TRIES
    for area, shear in zip(numbers[:n], numbers[n : 2 * n], strict=True):
        area = height * width * (scale[0] + area * (scale[1] - scale[0]))
        low, high = math.log(ratio[0]), math.log(ratio[1])
        aspect = math.exp(low + shear * (high - low))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return [int(numbers[-2] * (height - h + 1)), int(numbers[-1] * (width - w + 1)), h, w]
    w, h = width, height
    if width / height < ratio[0]:
        h = round(width / ratio[0])
    elif width / height > ratio[1]:
        w = round(height * ratio[1])
    return [(height - h) // 2, (width - w) // 2, h, w]


@pytest.mark.parametrize("shape", [(64, 64), (375, 500), (500, 333), (30, 400), (400, 30), (1, 1)])
@pytest.mark.parametrize("scale", [SCALE, (0.5, 1.0), (1.0, 1.0)])
def test_boxes_are_torchvisions(shape, scale):
    numbers = np.random.default_rng(1).random([200, cropping.NUMBERS], np.float32)
    boxes = cropping.random_boxes(np.int32(shape), numbers, np.float32(scale), np.float32(RATIO))
    expected = np.array([reference_box(shape, row.tolist(), scale, RATIO) for row in numbers])
    # float32 and float64 may round a side differently, once in a long while.
    assert np.mean(np.all(boxes == expected, axis=1)) > 0.99
    np.testing.assert_allclose(boxes, expected, atol=1)


def test_each_row_has_its_own_policy():
    numbers = np.random.default_rng(2).random([2, cropping.NUMBERS], np.float32)
    both = [np.float32([SCALE, (0.9, 1.0)]), np.float32([RATIO, (1.0, 1.0)])]
    shape = np.int32([200, 300])
    boxes = cropping.random_boxes(shape, numbers, *both)
    for v in range(2):
        alone = cropping.random_boxes(shape, numbers[v : v + 1], both[0][v], both[1][v])
        np.testing.assert_array_equal(boxes[v], alone[0])


def test_boxes_stay_inside_and_have_the_distribution_of_the_policy():
    numbers = np.random.default_rng(3).random([5000, cropping.NUMBERS], np.float32)
    boxes = cropping.random_boxes(
        np.int32([1000, 1000]), numbers, np.float32(SCALE), np.float32(RATIO)
    ).numpy()
    y, x, height, width = boxes.T
    assert y.min() >= 0 and x.min() >= 0
    assert (y + height).max() <= 1000 and (x + width).max() <= 1000
    share, ratio = height * width / 1e6, width / height
    assert share.min() > 0.199 and share.max() <= 1.0
    assert ratio.min() > 0.745 and ratio.max() < 1.34
    assert abs(np.log(ratio).mean()) < 0.01
    # A larger share fits less often; the first try alone would have the mean 0.6.
    assert 0.5 < share.mean() < 0.6
    places = y[height < 900] / (1000 - height[height < 900])
    np.testing.assert_allclose(np.quantile(places, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.03)


@pytest.mark.parametrize("box", [(3, 5, 20, 30), (0, 0, 90, 120), (89, 119, 1, 1), (10, 0, 70, 31)])
def test_resize_is_pillows(box):
    y, x, height, width = box
    columns = cropping.resized_columns(PICTURE, np.int32(box), 32).numpy()
    part = Image.fromarray(PICTURE[y : y + height, x : x + width])
    expected = np.asarray(part.resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(columns.transpose(2, 0, 1) - expected).max() <= 1


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("shape", "shorter"), [((90, 120), 36), ((70, 51), 80), ((64, 64), 73)])
def test_central_crop_is_torchvisions(shape, shorter, interpolation):
    picture, size = PICTURE[: shape[0], : shape[1]], 32
    height, width = (int(shorter * side / min(shape)) for side in picture.shape[:2])
    method = Image.Resampling[interpolation.upper()]
    whole = Image.fromarray(picture).resize((width, height), method)
    top, left = round((height - size) / 2), round((width - size) / 2)
    expected = np.asarray(whole)[top : top + size, left : left + size].astype(int)
    ours = cropping.central(picture, size, shorter, interpolation).numpy()
    assert np.abs(ours - expected).max() <= 1


def test_an_unknown_interpolation_is_refused():
    with pytest.raises(ValueError, match="'nearest' is none of bilinear, bicubic"):
        cropping.central(PICTURE, 32, 36, "nearest")


@pytest.mark.parametrize(("height", "width", "size"), [(64, 50, 64), (90, 96, 32), (1, 7, 20)])
def test_products_and_rows_are_the_same_resize(height, width, size):
    picture = PICTURE[:height, :width]
    for cut in (0, 3):  # pixels at each end of the resized picture that are not kept
        scale = np.float32([(size + 2 * cut) / height, (size + 2 * cut) / width])
        shift = np.float32([-cut, -cut])
        ways = [
            np.reshape(way(picture, scale, shift, size), [size, 3, size])
            for way in (cropping._by_products, cropping._by_rows)
        ]
        np.testing.assert_allclose(*ways, rtol=0, atol=1e-3)
