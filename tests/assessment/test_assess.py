"""Models times data sets in one call: what is done is kept, and what fails stops nothing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from clipbench_tf.assessment.assess import assess
from clipbench_tf.assessment.comparisons import comparisons
from clipbench_tf.assessment.loaded_model import DeviceError
from clipbench_tf.assessment.task import Options
from clipbench_tf.data.sources import DatasetError
from clipbench_tf.export.saved_encoders import SavedEncoders
from tests.assessment.samples import CLASSES, dataset, pictures

FILES = {
    "record.json",
    "predictions.npz",
    "per_class.csv",
    "confused.csv",
    "predictions.png",
    "confusion.png",
}


def record_in(folder: Path) -> dict:
    return json.loads((folder / "record.json").read_text())


@pytest.fixture
def no_model(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(SavedEncoders, "__init__", refuse)


def test_every_model_and_data_set_has_a_folder_and_is_done_once(
    model, other, tmp_path, capsys, request
):
    sets = [
        dataset(tmp_path / n / "val", {"test": pictures(12, seed=i)}) for i, n in enumerate("ab")
    ]
    out = tmp_path / "out"
    assert assess([model, other], datasets=sets, output=out) == []
    found = {path.parent.relative_to(out) for path in out.rglob("record.json")}
    first, second = model.parent.name, other.parent.name
    assert {str(path) for path in found} == {f"{m}/{d}-val" for m in (first, second) for d in "ab"}
    for folder in found:
        assert {path.name for path in (out / folder).iterdir()} == FILES
    records = [record_in(out / folder) for folder in sorted(found)]
    assert len({record["inputs"]["model"] for record in records}) == 2
    assert len({record["inputs"]["data"] for record in records}) == 2
    printed = capsys.readouterr().out
    request.getfixturevalue("no_model")
    assert assess([model, other], datasets=sets, output=out) == []
    again = capsys.readouterr().out
    assert again.count("Not evaluated again") == 4
    results = [line for line in printed.splitlines() if line.startswith("  test: top-1")]
    assert len(results) == 4
    assert [line for line in again.splitlines() if line.startswith("  test: top-1")] == results
    assert [record_in(out / folder) for folder in sorted(found)] == records


def test_a_record_tells_what_it_is_of(model, tmp_path):
    data = dataset(tmp_path / "set", {"test": [*pictures(12), (b"no image", 0)]})
    assess([model], datasets=[data], output=tmp_path / "out")
    record = record_in(tmp_path / "out")
    assert set(record["inputs"]) == {
        "format",
        "task",
        "model",
        "data",
        "splits",
        "class_names",
        "prompts",
    }
    assert record["inputs"]["task"] == "zero_shot"
    assert record["records"] == {"test": 13}
    assert record["source"] == data
    assert record["devices"] == ["CPU:0"]
    assert set(record["files"]) == FILES - {"record.json"}
    assert {"hardware", "packages", "git_commit", "date", "wall_time_seconds"} <= set(record)
    (result,) = record["results"]
    assert (result["scored"], result["corrupt"], result["corrupt_keys"]) == (12, 1, ["test/12"])


def test_what_is_of_other_inputs_or_incomplete_is_evaluated_anew(model, tmp_path, capsys):
    examples, out = pictures(8), tmp_path / "out"
    data = dataset(tmp_path / "set", {"test": examples})
    assess([model], datasets=[data], output=out)
    dataset(tmp_path / "set", {"test": [*examples[:-1], pictures(1, seed=5)[0]]}, templates=["{}"])
    assess([model], datasets=[data], output=out)
    assert f"Evaluated anew in {out}, changed: data, prompts." in capsys.readouterr().out
    assert record_in(out)["templates"] == ["{}"]
    (out / "confusion.png").unlink()
    assess([model], datasets=[data], output=out)
    assert "changed: confusion.png." in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == FILES


def test_other_weights_are_evaluated_anew(model, other, tmp_path, capsys):
    data = dataset(tmp_path / "set", {"test": pictures(8)})
    mine = tmp_path / "run/saved_model"
    shutil.copytree(model, mine)
    assess([mine], datasets=[data])
    shutil.rmtree(mine)
    shutil.copytree(other, mine)
    assess([mine], datasets=[data])
    assert "changed: model." in capsys.readouterr().out
    assert record_in(tmp_path / "run/evaluation-set")["method"] == "other"


def test_what_fails_is_told_and_the_rest_is_done(model, tmp_path, capsys):
    bad = dataset(tmp_path / "bad", {"test": [(b"no image", 0)] * 3})
    good = dataset(tmp_path / "good", {"test": pictures(8)})
    (failed,) = assess([model], datasets=[bad, good], output=tmp_path / "out")
    assert failed.startswith(f"{model.parent.name}/saved_model on {bad}, zero_shot: Split test")
    assert "no picture that can be decoded (3 tried)" in failed
    assert record_in(tmp_path / "out" / model.parent.name / "good")["results"]


def test_two_devices_share_the_pictures_and_give_the_results_of_one(model, tmp_path):
    data = dataset(tmp_path / "set", {"test": [*pictures(21), (b"no image", 0), *pictures(10)]})
    for devices in (["cpu:0"], ["CPU:0", "CPU:1"]):
        out = tmp_path / f"{len(devices)}"
        options = Options(batch_size=4)
        assert (
            assess([model], datasets=[data], options=options, output=out, on_devices=devices) == []
        )
    one, two = (np.load(tmp_path / name / "predictions.npz") for name in "12")
    assert one.files == two.files
    for name in one.files:
        np.testing.assert_array_equal(one[name], two[name])
    assert record_in(tmp_path / "2")["devices"] == ["CPU:0", "CPU:1"]
    with pytest.raises(DeviceError, match=r"no device 'TPU:0'; there are CPU:0, CPU:1"):
        assess([model], datasets=[data], on_devices=["tpu:0"])


def test_what_cannot_be_evaluated_is_told_before_the_first_evaluation(model, tmp_path, no_model):
    good = dataset(tmp_path / "good", {"test": pictures(8)})
    unlabelled = dataset(tmp_path / "unlabelled", {"test": [(b"x", -1)]}, classes=())
    with pytest.raises(DatasetError, match="no class names"):
        assess([model], datasets=[good, unlabelled], output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_retrieval_is_a_task_with_a_record_of_its_own(model, tmp_path, capsys):
    data = dataset(tmp_path / "set", {"test": pictures(9)})
    assert assess([model], datasets=[data], tasks=["retrieval"], output=tmp_path / "out") == []
    record = record_in(tmp_path / "out")
    (result,) = record["results"]
    assert (result["pictures"], result["distinct_captions"]) == (9, 1)
    assert result["image_to_text_r1"] == 1  # there is one caption
    assert record["inputs"]["task"] == "retrieval"
    printed = capsys.readouterr().out
    assert "Retrieval on tiny" in printed and "image to text R@1 100.0%" in printed
    assess([model], datasets=[data], tasks=["retrieval"], output=tmp_path / "out")
    assert "Not evaluated again" in capsys.readouterr().out


def test_two_models_on_one_set_are_compared_picture_by_picture(model, other, tmp_path, capsys):
    data = dataset(tmp_path / "set", {"test": [*pictures(40), (b"no image", 0)]})
    out = tmp_path / "out"
    assert assess([model, other], datasets=[data], output=out) == []
    first, second = model.parent.name, other.parent.name
    right = [np.load(out / n / "set/predictions.npz")["test/top1"] == 1 for n in (first, second)]
    assert np.any(right[0] != right[1])
    printed = capsys.readouterr().out
    assert "Compared on tiny, picture by picture:" in printed
    line = printed.splitlines()[-1]
    assert f"{right[0].mean():.1%} against {right[1].mean():.1%}" in line
    assert f"{np.sum(right[0] & ~right[1])} only {first}" in line
    assert f"{np.sum(~right[0] & right[1])} only {second}" in line
    assert "of 40 pictures" in line
    (found,) = comparisons({"a": out / first / "set", "b": out / first / "set"})
    assert (found.paired.difference, found.paired.p) == (0, 1)
    (out / second / "set/predictions.npz").write_bytes(b"PK")
    (failed,) = assess([model, other], datasets=[data], output=out)
    assert "predictions.npz" in failed and "evaluated anew" in failed


def test_class_names_and_prompts_may_be_others_than_the_data_has(model, tmp_path):
    data = dataset(tmp_path / "set", {"test": pictures(8)})
    names, prompts = tmp_path / "names.txt", tmp_path / "prompts.txt"
    names.write_text("".join(f"a {name} one\n" for name in CLASSES))
    prompts.write_text("{} here\nthere {}\n")
    assess(
        [model],
        datasets=[data],
        classnames=str(names),
        prompts=str(prompts),
        output=tmp_path / "out",
    )
    assert record_in(tmp_path / "out")["templates"] == ["{} here", "there {}"]
    saved = np.load(tmp_path / "out/predictions.npz")
    assert saved["classes"].tolist() == [f"a {name} one" for name in CLASSES]


def test_probes_are_tasks_with_records_of_their_own(model, tmp_path, capsys):
    splits = {"train": pictures(60), "test": pictures(20, seed=1), "zero_shot": pictures(9, seed=2)}
    data = dataset(tmp_path / "set", splits)
    tasks, out = ["linear_probe", "nearest_neighbours"], tmp_path / "out"
    options = Options(shots=(2, None))
    with threadpool_limits(1):  # regressions as small as these only wait for further threads
        assert assess([model], datasets=[data], tasks=tasks, options=options, output=out) == []
    home = out / model.parent.name
    linear, nearest = (record_in(home / f"set-{task}") for task in tasks)
    assert linear["inputs"]["splits"] == nearest["inputs"]["splits"] == ["train", "test"]
    assert linear["inputs"]["shots"] == [2, None]
    assert linear["records"] == {"train": 60, "test": 20}
    (found,) = linear["results"]
    assert found["full"]["scored"] == 20 and set(found["shots"]) == {"2"}
    printed = capsys.readouterr().out
    assert "2-shot linear probe, test" in printed and "nearest neighbours, test" in printed
    with threadpool_limits(1):
        assess([model], datasets=[data], tasks=tasks, options=Options(shots=(3,)), output=out)
    again = capsys.readouterr().out
    assert "changed: shots." in again
    assert again.count("Not evaluated again") == 1


def test_a_probe_of_data_that_are_not_divided_is_refused_at_once(model, tmp_path, no_model):
    data = dataset(tmp_path / "set", {"all": pictures(9)})
    with pytest.raises(DatasetError, match="train"):
        assess([model], datasets=[data], tasks=["linear_probe"], output=tmp_path / "out")
