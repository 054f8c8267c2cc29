"""The numbers of a zero-shot evaluation equal those of NumPy from the same embeddings."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.assessment.assess import assess
from clipbench_tf.assessment.task import Options
from tests.assessment.samples import CLASSES, dataset, pictures

PROMPTS = ("{}", "a {} thing", "the colour {}")
EXAMPLES = [*pictures(30), (b"no image", 1), *pictures(29, seed=1)]
GOOD = np.delete(np.arange(60), 30)


@pytest.fixture(scope="module")
def outcome(model, tmp_path_factory):
    """The folder of an evaluation, and scores [59, 7] by NumPy from the exported embeddings."""
    folder = tmp_path_factory.mktemp("numpy")
    data = dataset(folder / "set", {"test": EXAMPLES}, templates=PROMPTS)
    assert assess([model], datasets=[data], options=Options(batch_size=7), output=folder) == []
    run = tf.saved_model.load(str(model)).signatures
    images = run["encode_image"](image=tf.constant([EXAMPLES[i][0] for i in GOOD]))
    texts = run["encode_text"](text=tf.constant([p.format(c) for c in CLASSES for p in PROMPTS]))
    classes = texts["embedding"].numpy().reshape(len(CLASSES), len(PROMPTS), -1)
    classes = classes.mean(axis=1)
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    return folder, images["embedding"].numpy() @ classes.T


def test_every_prediction_is_the_argmax_of_the_embeddings_products(outcome):
    folder, scores = outcome
    saved = np.load(folder / "predictions.npz")
    labels = np.array([EXAMPLES[i][1] for i in GOOD])
    assert len(np.unique(scores.argmax(axis=1))) > 2  # else this says little
    np.testing.assert_array_equal(saved["test/prediction"], scores.argmax(axis=1))
    np.testing.assert_allclose(saved["test/score"], scores.max(axis=1), atol=1e-6)
    np.testing.assert_array_equal(saved["test/label"], labels)
    np.testing.assert_array_equal(saved["test/place"], GOOD)
    np.testing.assert_array_equal(saved["test/key"], [f"test/{place}" for place in GOOD])
    np.testing.assert_array_equal(saved["test/corrupt_key"], ["test/30"])
    np.testing.assert_array_equal(saved["classes"], CLASSES)
    ranks = (-scores).argsort(axis=1).argsort(axis=1)[np.arange(59), labels]
    np.testing.assert_array_equal(saved["test/top1"], ranks < 1)
    np.testing.assert_array_equal(saved["test/top5"], ranks < 5)


def test_the_record_and_the_tables_follow_from_the_predictions(outcome):
    folder, _ = outcome
    (result,) = json.loads((folder / "record.json").read_text())["results"]
    saved = np.load(folder / "predictions.npz")
    labels, predicted = saved["test/label"], saved["test/prediction"]
    right = predicted == labels
    assert result["top1"] == right.mean()
    assert result["top5"] == saved["test/top5"].mean()
    recalls = [right[labels == c].mean() for c in range(7)]
    assert result["mean_per_class_recall"] == pytest.approx(np.mean(recalls))
    with (folder / "per_class.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == list(CLASSES)
    assert [int(row["pictures"]) for row in rows] == np.bincount(labels, minlength=7).tolist()
    np.testing.assert_allclose([float(row["recall"]) for row in rows], recalls, atol=5e-5)
    with (folder / "confused.csv").open(encoding="utf-8", newline="") as file:
        pairs = {
            (int(r["true"]), int(r["predicted"])): int(r["pictures"]) for r in csv.DictReader(file)
        }
    both = [(a, b) for a, b in zip(labels.tolist(), predicted.tolist(), strict=True) if a != b]
    assert pairs == {pair: both.count(pair) for pair in both}
    first = result["most_confused"][0]
    assert first["pictures"] == max(pairs.values())


def test_the_order_and_the_size_of_batches_change_no_prediction(model, outcome, tmp_path):
    folder, _ = outcome
    data = dataset(tmp_path / "set", {"test": EXAMPLES[::-1]}, templates=PROMPTS)
    assess([model], datasets=[data], options=Options(batch_size=60), output=tmp_path / "out")
    one, other = (np.load(at / "predictions.npz") for at in (folder, tmp_path / "out"))
    np.testing.assert_array_equal(one["test/prediction"], other["test/prediction"][::-1])
