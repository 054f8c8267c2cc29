"""Which changes of the data a checksum sees."""

import json
from pathlib import Path

import pytest

from clipbench_tf.assessment import provenance
from clipbench_tf.assessment.loaded_model import LoadedModel
from clipbench_tf.assessment.provenance import data_checksum, differences
from clipbench_tf.assessment.task import Options
from clipbench_tf.assessment.zero_shot_task import ZeroShotTask
from clipbench_tf.data import sources
from tests.assessment.samples import CLASSES, dataset, pictures
from tests.evaluation.samples import png


def checksum(folder: str) -> str:
    return data_checksum(sources.load(folder), ["test"])


def test_it_depends_on_the_records_and_not_on_the_place(tmp_path):
    examples = pictures(40)
    first = checksum(dataset(tmp_path / "a", {"test": examples, "train": examples[:3]}))
    assert checksum(dataset(tmp_path / "b/c", {"test": examples})) == first
    changed = [*examples[:20], (examples[20][0], (examples[20][1] + 1) % 7), *examples[21:]]
    assert checksum(dataset(tmp_path / "d", {"test": changed})) != first
    assert checksum(dataset(tmp_path / "e", {"test": examples[:-1]})) != first
    assert checksum(dataset(tmp_path / "f", {"test": examples[::-1]})) != first


def test_a_manifest_tells_of_every_byte(tmp_path):
    folder = dataset(tmp_path, {"test": pictures(4)})
    before = checksum(folder)
    (tmp_path / "manifest.json").write_text(json.dumps({"sha256": "a"}))
    first = checksum(folder)
    (tmp_path / "manifest.json").write_text(json.dumps({"sha256": "b"}))
    assert len({before, first, checksum(folder)}) == 3


@pytest.mark.parametrize("change", ["add", "remove", "rename", "repaint"])
def test_it_sees_changes_in_folders_of_classes(change, tmp_path):
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for picture in range(3):
            (tmp_path / name / f"{picture}.png").write_bytes(png((number * 99, picture, 0)))
    read = set(sources.load(str(tmp_path)).splits)
    before = data_checksum(sources.load(str(tmp_path)), sorted(read))
    if change == "add":
        (tmp_path / "cat/new.png").write_bytes(png((1, 2, 3)))
    elif change == "remove":
        (tmp_path / "cat/2.png").unlink()
    elif change == "rename":
        (tmp_path / "cat/2.png").rename(tmp_path / "cat/4.png")
    else:
        (tmp_path / "dog/1.png").write_bytes(png((1, 1, 1)))
    assert data_checksum(sources.load(str(tmp_path)), sorted(read)) != before


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
