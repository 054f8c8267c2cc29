"""What a retrieval result says as a record and as a line."""

import json

import numpy as np
import pytest

from clipbench_tf.evaluation.accuracy import wilson
from clipbench_tf.evaluation.retrieval.ranks import ranks
from clipbench_tf.evaluation.retrieval.retrieval_result import RetrievalResult


def result(corrupt: int = 0, uncaptioned: int = 0) -> RetrievalResult:
    """Two pictures with two captions each: the first finds at once, the second third."""
    to_text = np.array([[9, 1, 2, 3], [8, 9, 1, 2]], np.float32)
    to_image = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    pairs = np.array([[0, 0], [0, 1], [1, 2], [1, 3]])
    return RetrievalResult(
        split="test",
        records=2 + corrupt + uncaptioned,
        places=np.array([0, 1]),
        captions=("a", "b", "c", "d"),
        caption_count=5,
        corrupt=corrupt,
        uncaptioned=uncaptioned,
        image_to_text=ranks(to_text, pairs),
        text_to_image=ranks(to_image, pairs[:, ::-1]),
    )


def test_a_record_has_recalls_intervals_chance_and_counts():
    record = json.loads(json.dumps(result(corrupt=1, uncaptioned=2).record()))
    counts = ("records", "pictures", "captions", "distinct_captions", "corrupt", "uncaptioned")
    assert [record[name] for name in counts] == [5, 2, 5, 4, 1, 2]
    assert record["image_to_text_r1"] == 0.5
    assert record["image_to_text_r1_interval"] == list(wilson(0.5, 2))
    assert record["image_to_text_r1_chance"] == pytest.approx(2 / 4)
    assert record["image_to_text_r5"] == 1
    assert record["image_to_text_median_rank"] == 2  # between 1 and 3
    assert record["image_to_text_median_rank_chance"] == pytest.approx(5 / 3)
    assert record["text_to_image_r1"] == 0.75
    assert record["text_to_image_r1_interval"] == list(wilson(0.75, 4))
    assert "ties count in expectation" in record["rule"]


def test_a_line_names_what_was_left_out_only_if_something_was():
    line = result(corrupt=1, uncaptioned=2).line()
    assert line.startswith("test: image to text R@1 50.0% (95% interval ")
    assert "text to image R@1 75.0%" in line and "median rank 2;" in line
    assert line.endswith(
        "2 pictures and 4 captions, 1 corrupt left out, 2 without caption left out"
    )
    assert result().line().endswith("2 pictures and 4 captions")
