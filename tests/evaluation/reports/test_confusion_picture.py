"""The matrix shows the shares, for two classes as for a thousand."""

import numpy as np
import pytest
from PIL import Image

from clipbench_tf.evaluation.reports import confusion_picture
from tests.evaluation.reports.results import result


def random_result(classes: int, count: int, *, right: float, split: str = "test"):
    rng = np.random.default_rng(classes)
    labels = rng.integers(0, classes, count)
    near = (labels + rng.integers(1, 4, count)) % classes
    return result(
        labels, np.where(rng.random(count) < right, labels, near), classes=classes, split=split
    )


@pytest.mark.parametrize("classes", [2, 7, 30])
def test_up_to_thirty_classes_are_shown_in_their_order(classes):
    split = random_result(classes, 500, right=0.6)
    shown = confusion_picture.chosen(split)
    assert shown == list(range(classes))
    shares = confusion_picture.shares(split, shown)
    for true in range(classes):
        of = split.predictions[split.labels == true]
        expected = [np.mean(of == predicted) for predicted in range(classes)]
        np.testing.assert_allclose(shares[true], [*expected, 0])


def test_of_many_classes_the_most_confused_are_shown_and_all_others_are_summed():
    split = random_result(1000, 20000, right=0.7)
    shown = confusion_picture.chosen(split)
    assert 29 <= len(shown) <= 30 and len(set(shown)) == len(shown)
    pairs, counts = np.unique(
        np.stack([split.labels, split.predictions])[:, split.labels != split.predictions],
        axis=1,
        return_counts=True,
    )
    assert set(pairs[:, counts.argmax()]) <= set(shown)
    shares = confusion_picture.shares(split, shown)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    of = split.predictions[split.labels == shown[0]]
    assert shares[0, -1] == pytest.approx(np.mean(~np.isin(of, shown)))


def test_where_nothing_is_confused_the_first_classes_with_pictures_are_shown():
    labels = np.arange(50, 90)
    split = result(labels, labels, classes=100)
    assert confusion_picture.chosen(split) == list(range(50, 80))


def test_a_class_without_pictures_has_an_empty_row():
    split = result([0, 0], [0, 2], classes=3)
    np.testing.assert_array_equal(
        confusion_picture.shares(split, [0, 1, 2]),
        [[0.5, 0, 0.5, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
    )


@pytest.mark.parametrize("classes", [2, 7, 30, 1000])
def test_the_picture_has_a_cell_for_each_share_and_stays_small(classes, tmp_path):
    splits = [
        random_result(classes, 3000, right=0.8),
        random_result(classes, 900, right=0, split="b"),
    ]
    names = [f"class {n} of a rather long name, ½" for n in range(classes)]
    confusion_picture.write(tmp_path / "a.png", names, splits)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[0] < 2600 and pixels.shape[1] < 1300
    green = np.all(pixels == (26, 127, 55), axis=-1)  # the frames of what is right
    shown = sum(len(confusion_picture.chosen(split)) for split in splits)
    outline = 4 * 31 * 2 - 16  # pixels; neighbours share one at most
    assert shown * (outline - 10) <= green.sum() <= shown * (outline + 10)
