"""Which changes of the inputs of an evaluation are seen."""

from pathlib import Path

import pytest

from clipbench_tf.assessment import provenance
from clipbench_tf.assessment.loaded_model import LoadedModel
from clipbench_tf.assessment.provenance import differences
from clipbench_tf.assessment.task import Options
from clipbench_tf.assessment.zero_shot_task import ZeroShotTask
from clipbench_tf.data import sources
from tests.assessment.samples import CLASSES, dataset, pictures


def test_differences_are_named_for_people():
    before = {"format": 1, "class_names": "a", "shots": 3}
    assert differences(before, {"format": 1, "class_names": "b", "shots": 3}) == ["class names"]
    assert differences(before, {"format": 2, "class_names": "a"}) == ["format", "shots"]
    assert differences(before, dict(before)) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ("picture", ["data"]),
        ("label", ["data"]),
        ("names", ["class names"]),
        ("prompts", ["prompts"]),
        ("splits", ["data", "splits"]),
        ("model", ["model"]),
        ("nothing", []),
    ],
)
def test_all_that_decides_a_result_is_among_the_inputs(changed, told, model, other, tmp_path):
    examples, classes, templates, splits = pictures(8), list(CLASSES), ["{}"], ["test"]
    before = inputs_of(
        model, dataset(tmp_path, {"test": examples, "more": examples}, templates=templates), splits
    )
    image, label = examples[3]
    if changed == "picture":
        examples[3] = pictures(1, seed=5)[0][0], label
    elif changed == "label":
        examples[3] = image, (label + 1) % 7
    elif changed == "names":
        classes[-1] = "mud"
    elif changed == "prompts":
        templates = ["a {}"]
    elif changed == "splits":
        splits = ["more"]
    data = dataset(
        tmp_path, {"test": examples, "more": examples}, classes=classes, templates=templates
    )
    now = inputs_of(other if changed == "model" else model, data, splits)
    assert differences(before, now) == told


def inputs_of(model: Path, data: str, splits: list[str]) -> dict:
    task = ZeroShotTask(Options(splits=splits))
    return provenance.inputs(LoadedModel(model), sources.load(data), task)
