"""The cached classifier is used while it is valid, and rebuilt when it is not."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.evaluation.classifier_cache import ClassifierCache
from tests.checkpoints.full_disk import files_of_at_most

NAMES, TEMPLATES = ["cat", "dog", "ant"], ["{}", "a {}"]
PARTS = [
    {"tokens": np.arange(12, dtype=np.float32).reshape(2, 3, 2), "mask": np.eye(2, 3) > 0},
    {"tokens": np.ones((1, 3, 2), np.float32), "mask": np.ones((1, 3), bool)},
]


class Builder:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> list[dict[str, tf.Tensor]]:
        self.calls += 1
        return [{name: tf.constant(value) for name, value in part.items()} for part in PARTS]


@pytest.fixture
def model(tmp_path):
    (tmp_path / "saved_model/variables").mkdir(parents=True)
    (tmp_path / "saved_model/saved_model.pb").write_bytes(b"graph")
    (tmp_path / "saved_model/variables/variables.data").write_bytes(b"weights")
    return tmp_path / "saved_model"


def assert_is_parts(parts) -> None:
    assert len(parts) == len(PARTS)
    for part, expected in zip(parts, PARTS, strict=True):
        assert part.keys() == expected.keys()
        for name, value in expected.items():
            assert part[name].dtype == value.dtype
            np.testing.assert_array_equal(part[name], value)


def test_a_second_process_finds_it(model):
    build = Builder()
    for _ in range(3):
        assert_is_parts(ClassifierCache(model).parts(NAMES, TEMPLATES, build))
    assert build.calls == 1
    assert {path.name for path in model.parent.iterdir()} == {
        "saved_model",
        "saved_model.classifier.npz",
    }


@pytest.mark.parametrize("changed", ["names", "order", "templates", "weights", "graph", "cut"])
def test_it_is_built_anew_when_anything_changes(changed, model):
    build, names, templates = Builder(), NAMES, TEMPLATES
    cache = ClassifierCache(model)
    cache.parts(names, templates, build)
    if changed == "names":
        names = ["cat", "dog", "bee"]
    elif changed == "order":
        names = NAMES[::-1]
    elif changed == "templates":
        templates = ["{}", "the {}"]
    elif changed == "weights":
        (model / "variables/variables.data").write_bytes(b"wEights")
    elif changed == "graph":
        (model / "saved_model.pb").write_bytes(b"grAph")
    else:
        cache.path.write_bytes(cache.path.read_bytes()[:100])
    assert_is_parts(cache.parts(names, templates, build))
    assert build.calls == 2
    cache.parts(names, templates, build)
    assert build.calls == 2


def test_where_it_cannot_be_kept_it_is_built_each_time(model, caplog):
    build = Builder()
    (model.parent / "saved_model.classifier.partial").mkdir()  # in the way, for root too
    cache = ClassifierCache(model)
    for _ in range(2):
        assert_is_parts(cache.parts(NAMES, TEMPLATES, build))
    assert build.calls == 2
    shutil.rmtree(model.parent / "saved_model.classifier.partial")
    cache.parts(NAMES, TEMPLATES, build)
    assert cache.path.is_file()


def test_a_full_disk_keeps_no_part_of_it(model, caplog):
    cache = ClassifierCache(model)
    with files_of_at_most(100):
        assert_is_parts(cache.parts(NAMES, TEMPLATES, Builder()))
    assert "Cannot cache the classifier" in caplog.text
    assert not list(model.parent.glob("*.partial"))


def test_a_model_may_be_the_present_folder(model, monkeypatch):
    monkeypatch.chdir(model)
    cache = ClassifierCache(Path())
    cache.parts(NAMES, TEMPLATES, Builder())
    assert (model.parent / f"{model.name}.classifier.npz").is_file()
