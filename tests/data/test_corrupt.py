"""What is dropped, what is reported, when it ends, and that the rest comes through in order."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from clipbench_tf.data.corrupt import CorruptDataError, CorruptTally, skip_corrupt
from clipbench_tf.data.images.decoding import FORMATS, decode


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, [16, 16, 3], np.uint8)
    Image.fromarray(noise).save(out, kind)
    return out.getvalue()


PNG, JPEG = picture("PNG"), picture("JPEG")
FLIPPED = PNG[:300] + bytes([PNG[300] ^ 0xFF]) + PNG[301:]  # fails its checksum
BAD = {
    "png": PNG[:400],
    "jpeg": JPEG[:300],
    "empty": b"",
    "text": b"404 Not Found",
    "sum": FLIPPED,
}


def records(images: dict[str, bytes]) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(
        {"key": list(images), "image": list(images.values()), "number": range(len(images))}
    )


def first_pixels(element):
    return {
        "corner": tf.ensure_shape(decode(element["image"])[:2, :2], [2, 2, 3]),
        "number": element["number"],
        "text": element["key"],
    }


def numbers(dataset: tf.data.Dataset) -> list[int]:
    return [int(element["number"]) for element in dataset]


def test_drops_and_names_what_cannot_be_decoded():
    images = {"a": PNG, **BAD, **{f"good/{n}": JPEG for n in range(40)}}
    tally = CorruptTally("here", max_fraction=0.5)
    dataset = skip_corrupt(records(images), first_pixels, tally)
    assert dataset.element_spec["corner"].shape == [2, 2, 3]
    results = list(dataset.as_numpy_iterator())
    assert [r["number"] for r in results] == [0, *range(6, 46)]
    assert results[1]["text"] == b"good/0"
    np.testing.assert_array_equal(results[0]["corner"], decode(PNG)[:2, :2])
    assert tally.keys == dict.fromkeys(BAD, 1)
    assert tally.error is None


def test_clean_data_passes_whatever_the_window():
    images = {str(n): PNG for n in range(21)}
    for window in (1, 7, 21, 64):
        tally = CorruptTally("here")
        dataset = skip_corrupt(records(images), first_pixels, tally, window=window)
        assert numbers(dataset) == list(range(21))
        assert not tally.keys


def test_each_key_is_logged_once_but_counted_each_time(caplog):
    tally = CorruptTally("here", max_fraction=0.5)
    data = records({"bad": b"", "good": PNG}).repeat(3)
    with caplog.at_level("WARNING", logger="absl"):
        assert numbers(skip_corrupt(data, first_pixels, tally, window=2)) == [1, 1, 1]
    assert tally.keys == {"bad": 3}
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [f"Skipped bad of here: no caption with a picture as {FORMATS}."]


def test_too_many_end_the_data_set_with_a_clear_error():
    images = {f"k{n}": PNG if n % 10 else b"" for n in range(300)}
    tally = CorruptTally("my pictures", max_fraction=0.05, after=100)
    with pytest.raises(tf.errors.OpError, match="records of my pictures cannot be decoded"):
        numbers(skip_corrupt(records(images), first_pixels, tally, window=16))
    assert isinstance(tally.error, CorruptDataError)
    assert "k0, k10, k20" in str(tally.error) and "max_fraction = 0.05" in str(tally.error)
    assert len(tally.keys) == 12  # those of the first 112 records: nothing is added later


def test_wholly_corrupt_endless_data_ends_too():
    tally = CorruptTally("here")
    endless = records({"bad": b"junk"}).repeat()
    with pytest.raises(tf.errors.OpError):
        numbers(skip_corrupt(endless, first_pixels, tally))
    assert tally.keys["bad"] >= 100


def test_few_at_the_very_start_do_not_end_it():
    images = {"bad": b"", **{str(n): PNG for n in range(250)}}
    tally = CorruptTally("here", max_fraction=0.01)
    assert len(numbers(skip_corrupt(records(images), first_pixels, tally))) == 250


def test_keys_that_are_no_text_are_reported():
    tally = CorruptTally("here")
    tally.report(np.array([b"\xff\xfe"], object), 1, 1)
    assert list(tally.keys) == ["\\xff\\xfe"]
