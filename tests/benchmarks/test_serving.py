"""The load test of the server, on a tiny export."""

import pytest

from clipbench_tf.benchmarks import serving
from clipbench_tf.evaluation.scorers import cosine
from clipbench_tf.export.card import ExportError
from clipbench_tf.export.saved_model import export
from tests.evaluation.samples import NAMES, SIZE, tiny_method


def test_it_says_what_it_needs(tmp_path):
    with pytest.raises(ExportError, match="--saved_model"):
        next(serving.cases())
    with pytest.raises(ExportError, match="no SavedModel"):
        next(serving.cases(saved_model=str(tmp_path)))


@pytest.mark.slow
def test_both_servers_answer_every_client(tmp_path):
    method, tokenizer = tiny_method()
    export(
        method,
        tokenizer,
        tmp_path / "saved_model",
        dataset="tiny",
        classes=NAMES,
        templates=("{}",),
        scorer=cosine(method),
        image_size=SIZE,
    )
    folder = str(tmp_path / "saved_model")
    *loads, memory = serving.cases(folder, repetitions=1, requests=200, seconds=0.2)
    assert [one["case"] for one in loads] == [
        f"{signature}, {clients}"
        for signature in ("encode_text", "encode_image", "serving_default")
        for clients in ("1 client", "8 clients", "64 clients")
    ]
    for one in loads:
        assert one["ours"] > 0 < one["peer"]
        for times in one["milliseconds"].values():
            assert 0 < times["p50"] <= times["p99"]
    assert len(memory["rss"]) == 11 and min(memory["rss"]) > 0
