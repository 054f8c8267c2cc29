"""The rules for classes without pictures, few classes, and pictures that cannot be decoded."""

import numpy as np
import pytest

from clipbench_tf.evaluation.scored import Scored
from clipbench_tf.evaluation.split_result import SplitResult


def scored(labels, predictions, *, valid=None) -> Scored:
    labels, predictions = np.array(labels), np.array(predictions)
    count = len(labels)
    return Scored(
        places=np.arange(count),
        keys=np.array([f"test/{n}" for n in range(count)]),
        valid=np.ones(count, bool) if valid is None else np.array(valid, bool),
        labels=labels,
        predictions=predictions,
        scores=np.zeros(count, np.float32),
        top1=(labels == predictions).astype(float),
        top5=np.ones(count),
        reciprocal_rank=np.where(labels == predictions, 1, 0.25),
    )


def test_pictures_that_cannot_be_decoded_are_counted_named_and_left_out():
    parts = scored([0, -1, 1, -1], [0, -1, 0, -1], valid=[1, 0, 1, 0])
    found = SplitResult.of("test", 9, parts)
    record = found.record()
    assert (record["scored"], record["corrupt"], record["top1"]) == (2, 2, 0.5)
    assert record["corrupt_keys"] == ["test/1", "test/3"]
    np.testing.assert_array_equal(found.places, [0, 2])
    assert "2 corrupt left out" in found.line()


def test_a_class_without_pictures_is_no_part_of_the_mean_recall_and_is_told():
    found = SplitResult.of("test", 9, scored([0, 0, 0, 4], [0, 0, 1, 3]))
    assert found.record()["mean_per_class_recall"] == pytest.approx((2 / 3 + 0) / 2)
    assert found.record()["classes_without_pictures"] == 7
    assert "9 classes, 7 of them without pictures" in found.line()
    full = SplitResult.of("test", 2, scored([0, 1], [0, 0]))
    assert "without pictures" not in full.line()


@pytest.mark.parametrize(("classes", "trivial"), [(2, True), (5, True), (6, False)])
def test_top_5_of_five_classes_or_fewer_is_marked_and_not_printed(classes, trivial):
    found = SplitResult.of("test", classes, scored([0, 1], [0, 0]))
    record = found.record()
    assert record["mean_reciprocal_rank"] == pytest.approx((1 + 0.25) / 2)
    assert record["top5"] == 1
    assert record.get("top5_trivial", False) is trivial
    assert "top1_trivial" not in record
    assert ("top-5" in found.line()) is not trivial
    assert "top-1 50.0%" in found.line()
