"""No batch is encoded twice, in one process or in the next."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.assessment.unfinished import kept_encodings
from clipbench_tf.assessment.unfinished.kept_encodings import KeptEncodings


class Bytes:
    """`Encoders` of the first bytes of pictures and texts, which count what they are asked."""

    feature_kind = "pooled"

    def __init__(self):
        self.asked = []

    def represent_images(self, encoded):
        self.asked.append("images")
        return {"tokens": _firsts(encoded)[:, None]}, encoded != b""

    def represent_classes(self, prompts):
        self.asked.append("texts")
        return {"tokens": _firsts(tf.reshape(prompts, [-1])), "mask": prompts[:, 0] != b""}

    def image_features(self, encoded):
        self.asked.append("features")
        return 2 * _firsts(encoded), encoded != b""

    def score(self, images, classes):
        return tf.constant(1.0)

    def score_texts(self, classes, images):
        return tf.constant(2.0)


def _firsts(texts):
    codes = [list(text[:3].ljust(3, b"\0")) for text in texts.numpy()]
    return tf.constant(codes, tf.float32)


PICTURES, OTHERS = tf.constant([b"abc", b"", b"\xff\x00d"]), tf.constant([b"abc", b"x"])
PROMPTS = tf.constant([["one"], ["two"]])


def ask(kept):
    """All answers, as arrays."""
    found = [kept.represent_images(PICTURES), kept.image_features(PICTURES)]
    found += [kept.represent_images(OTHERS), kept.represent_classes(PROMPTS)]
    return [value.numpy() for value in tf.nest.flatten(found)]


def assert_same(one, other):
    assert len(one) == len(other) == 8
    for first, second in zip(one, other, strict=True):
        assert first.dtype == second.dtype
        np.testing.assert_array_equal(first, second)


def test_answers_are_those_of_the_model_and_what_was_saved_is_not_asked_again(tmp_path):
    expected = ask(Bytes())
    encoders = Bytes()
    kept = KeptEncodings(encoders, tmp_path)
    assert_same(ask(kept), expected)
    assert encoders.asked == ["images", "features", "images", "texts"]
    assert not list(tmp_path.iterdir())  # too soon
    kept.save()
    assert_same(ask(kept), expected)
    assert len(encoders.asked) == 4
    later = Bytes()
    again = KeptEncodings(later, tmp_path)
    assert_same(ask(again), expected)
    assert not later.asked and again.feature_kind == "pooled"
    assert (float(again.score({}, {})), float(again.score_texts({}, {}))) == (1, 2)
    again.represent_images(tf.constant([b"abc", b"y"]))
    again.represent_classes(tf.constant([["one", "two"]]))
    assert later.asked == ["images", "texts"]


def test_it_is_written_after_a_while_or_when_it_is_much(tmp_path, monkeypatch):
    times = iter([0.0, 10.0, kept_encodings.PERIOD, kept_encodings.PERIOD])
    kept = KeptEncodings(Bytes(), tmp_path, clock=lambda: next(times))
    kept.represent_images(PICTURES)
    assert not list(tmp_path.iterdir())
    kept.represent_images(OTHERS)
    assert [path.name for path in tmp_path.iterdir()] == ["encoded-000000.npz"]
    monkeypatch.setattr(kept_encodings, "WAITING", 10)
    KeptEncodings(Bytes(), tmp_path).image_features(PICTURES)
    assert len(list(tmp_path.iterdir())) == 2  # beside the first


@pytest.mark.parametrize("length", [0, 100, -100])
def test_what_is_damaged_is_asked_again(length, tmp_path):
    expected = ask(Bytes())
    kept = KeptEncodings(Bytes(), tmp_path)
    ask(kept)
    kept.save()
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:length])
    encoders = Bytes()
    again = KeptEncodings(encoders, tmp_path)
    assert_same(ask(again), expected)
    assert len(encoders.asked) == 4
    again.save()
    last = Bytes()
    assert_same(ask(KeptEncodings(last, tmp_path)), expected)
    assert not last.asked
