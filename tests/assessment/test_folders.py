"""Evaluations lie in folders of their own, whole or not at all."""

import json
from pathlib import Path

import pytest

from clipbench_tf.assessment.folders import EvaluationFolder, OutputError, folders, unique_names

ONE = ["zero_shot"]


def test_one_evaluation_lies_beside_its_model_or_where_the_output_says(tmp_path):
    model = tmp_path / "clip/saved_model"
    assert folders([model], ["data/pets?labels=a"], ONE, None) == {
        (0, 0, 0): tmp_path / "clip/evaluation-pets"
    }
    assert folders([model], ["pets"], ONE, Path("out")) == {(0, 0, 0): Path("out")}
    assert folders([model], ["pets"], ["retrieval"], None) == {
        (0, 0, 0): tmp_path / "clip/evaluation-pets-retrieval"
    }


def test_no_two_evaluations_share_a_folder(tmp_path):
    models = [tmp_path / "a/clip/saved_model", tmp_path / "b/clip/saved_model", tmp_path / "b/x"]
    sets = ["one/val", "two/val", "two/val?labels=b", "emoji", "tfds:cifar10"]
    for output in (None, tmp_path / "out"):
        found = folders(models, sets, ["zero_shot", "retrieval"], output)
        assert len(found) == 3 * 5 * 2
        assert len(set(found.values())) == 3 * 5 * 2
    beside = folders([tmp_path / "a", tmp_path / "b"], ["emoji"], ONE, None)
    assert set(beside.values()) == {tmp_path / f"evaluation-{n}-emoji" for n in "ab"}


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["emoji", "data/pets"], ["emoji", "pets"]),
        (["a/val", "b/val"], ["a-val", "b-val"]),
        (["x/a/val", "y/a/val", "emoji"], ["x-a-val", "y-a-val", None]),
        (["val", "val"], ["val", "val-2"]),
        (["data/{000..331}.tar"], ["000..331-.tar"]),
        (["tfds:cifar10"], ["tfds-cifar10"]),
        (["/"], ["root"]),
    ],
)
def test_names_are_as_short_as_tells_them_apart(paths, names):
    found = unique_names(paths)
    assert len(set(found)) == len(paths)
    assert all(a == b for a, b in zip(found, names, strict=True) if b)


def finish(folder: EvaluationFolder, inputs: dict, text: str) -> None:
    unfinished, _ = folder.claim(inputs)

    def write(into: Path) -> list[str]:
        assert into == unfinished
        (into / "table.csv").write_text(text)
        return ["table.csv"]

    folder.finish({"inputs": inputs, "summary": []}, write)


def test_an_evaluation_is_replaced_at_once_when_another_is_whole(tmp_path):
    folder = EvaluationFolder(tmp_path / "out")
    finish(folder, {"model": 1}, "first")
    assert folder.finished({"model": 1})[0]["files"] == ["table.csv"]
    assert folder.finished({"model": 2}) == (None, ["model"])
    unfinished, resumed = folder.claim({"model": 2})
    (unfinished / "scored.npz").write_text("half")
    assert not resumed
    assert folder.finished({"model": 1})[0] is not None  # the earlier one is there still
    assert folder.claim({"model": 2}) == (unfinished, True)
    finish(folder, {"model": 2}, "second")
    assert {path.name for path in folder.path.iterdir()} == {"record.json", "table.csv"}
    assert (folder.path / "table.csv").read_text() == "second"


def test_what_is_unfinished_of_other_inputs_is_not_gone_on_with(tmp_path):
    folder = EvaluationFolder(tmp_path)
    unfinished, _ = folder.claim({"model": 1, "batch_size": 4})
    (unfinished / "scored-test.npz").write_text("half")
    assert folder.claim({"model": 1, "batch_size": 5}) == (unfinished, False)
    assert not (unfinished / "scored-test.npz").exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"inputs": {"model": 1}}', '{"results": []}'])
def test_a_record_that_is_none_is_replaced(text, tmp_path):
    (tmp_path / "record.json").write_text(text)
    assert EvaluationFolder(tmp_path).finished({"model": 1}) == (None, ["form of the record"])


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"Cannot write into '.*/file/out': Not a directory"):
        EvaluationFolder(tmp_path / "file/out").claim({})


def test_a_record_is_not_there_while_its_files_are_replaced(tmp_path, monkeypatch):
    folder = EvaluationFolder(tmp_path)
    finish(folder, {"model": 1}, "first")
    seen = []
    monkeypatch.setattr(
        "clipbench_tf.assessment.folders.os.replace",
        lambda source, target: (
            seen.append((Path(target).name, folder.record.exists())),
            Path(source).rename(target),
        ),
    )
    finish(folder, {"model": 2}, "second")
    moved = [entry for entry in seen if entry[0] == "table.csv"]
    assert moved == [("table.csv", False)]
    assert json.loads(folder.record.read_text())["inputs"] == {"model": 2}
