import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from clipbench_tf.assessment import names
from clipbench_tf.assessment.assess import TASKS, assess
from clipbench_tf.assessment.progress import Progress
from clipbench_tf.assessment.task import Options
from clipbench_tf.commands.shared import command_line
from clipbench_tf.data.sources import DatasetError
from clipbench_tf.export.saved_encoders import SavedEncoders
from tests.assessment.samples import dataset, pictures
from tests.checkpoints.full_disk import files_of_at_most
from tests.evaluation.samples import COLOURS, NAMES, png, write_dataset
from tests.scripts import in_process

SCRIPT = Path(__file__).parents[2] / "scripts/evaluate.py"
EXAMPLES = [(png(colour), label) for label, colour in enumerate(COLOURS)] + [(b"no image", 0)]


def script(*flags: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, SCRIPT, *flags],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
        check=False,
    )


@pytest.mark.slow
def test_script_prints_accuracies_and_leaves_record_and_sheet(model, tmp_path):
    data = write_dataset(tmp_path, {"test": EXAMPLES, "zero_shot": EXAMPLES[:2]})
    done = script(f"--saved_model={model}", f"--dataset={data}", f"--output={tmp_path / 'out'}")
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads((tmp_path / "out/record.json").read_text())
    test, zero_shot = record["results"]
    assert (test["split"], test["scored"], test["corrupt"]) == ("test", 5, 1)
    assert (zero_shot["split"], zero_shot["scored"]) == ("zero_shot", 2)
    assert (record["model"], record["method"]) == (f"{model.parent.name}/saved_model", "tiny")
    assert (record["dataset"], record["scorer"]) == ("tiny", "cosine")
    assert record["wall_time_seconds"] > 0
    assert {"hardware", "packages", "git_commit"} <= set(record)
    assert f"test: top-1 {test['top1']:.1%}" in done.stdout
    # Independently of `score`, from the two signatures that anyone may call.
    run = tf.saved_model.load(str(model)).signatures
    images = run["encode_image"](image=tf.constant([image for image, _ in EXAMPLES[:5]]))
    prompts = [f(name) for name in NAMES for f in (str, "a {} thing".format)]
    texts = run["encode_text"](text=tf.constant(prompts))["embedding"].numpy()
    scores = images["embedding"].numpy() @ _mean_of_pairs(texts).T
    assert test["top1"] == pytest.approx(np.mean(scores.argmax(axis=1) == np.arange(5)))
    with Image.open(tmp_path / "out/predictions.png") as sheet:
        assert sheet.format == "PNG"


def _mean_of_pairs(texts: np.ndarray) -> np.ndarray:
    mean = texts.reshape(len(NAMES), 2, -1).mean(axis=1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--saved_model=absent"], "There is no folder 'absent'"),
        (["--saved_model=."], "holds no SavedModel"),
        (["--saved_model=.", "extra"], "'extra' is no flag"),
    ],
)
def test_script_refuses_in_one_line(flags, message):
    done = script(*flags)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_script_shows_no_traceback_for_a_wrong_data_set(model):
    status, _, errors = in_process.run("evaluate.py", f"--saved_model={model}", "--dataset=emojo")
    assert status == 1
    assert "Data set 'emojo' is no folder" in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_refuses_a_wrong_split_and_an_unwritable_output(model, tmp_path):
    data = str(write_dataset(tmp_path, {"test": EXAMPLES}))
    with pytest.raises(DatasetError, match="no split 'val'"):
        assess([model], datasets=[data], options=Options(splits=["val"]), output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    (failed,) = assess([model], datasets=[data], output=tmp_path / "file/out")
    assert failed.startswith(f"Cannot write into '{tmp_path}/file/out'")


def test_results_that_find_no_room_are_told_in_one_line(model, tmp_path, capsys):
    data = str(write_dataset(tmp_path, {"test": EXAMPLES}))
    with files_of_at_most(600):
        (failed,) = assess([model], datasets=[data], output=tmp_path / "out")
    assert re.match(r"Cannot write .*too large", failed)
    assert "test: top-1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["emoji,pets"], ["emoji", "pets"]),
        (["data/{a,b}-{0..3}.tar,emoji"], ["data/{a,b}-{0..3}.tar", "emoji"]),
        (["a,list.csv?caption=title,text"], ["a", "list.csv?caption=title,text"]),
        (["list.csv?caption=title,text", "emoji"], ["list.csv?caption=title,text", "emoji"]),
    ],
)
def test_commas_separate_but_in_braces_and_options(values, found):
    assert command_line.separated(values) == found


def test_a_folder_with_a_comma_in_its_name_is_one(tmp_path):
    (tmp_path / "a,b").mkdir()
    assert command_line.separated([f"{tmp_path}/a,b", "c,d"]) == [f"{tmp_path}/a,b", "c", "d"]


def test_the_command_knows_the_tasks_that_there_are():
    assert tuple(TASKS) == names.TASKS


def test_a_task_that_does_not_exist_is_told_with_those_that_do(model):
    status, _, errors = in_process.run("evaluate.py", f"--saved_model={model}", "--tasks=zeroshot")
    assert status == 1
    assert f"no task 'zeroshot'; there are {', '.join(TASKS)}." in errors


def test_a_terminated_evaluation_keeps_what_is_done_and_goes_on(model, tmp_path, monkeypatch):
    data = dataset(tmp_path / "set", {"test": pictures(40), "zero_shot": pictures(30, seed=1)})
    flags = [f"--saved_model={model}", f"--dataset={data}", "--batch_size=4"]
    assert in_process.run("evaluate.py", *flags, f"--output={tmp_path / 'whole'}")[0] == 0
    show = Progress.show

    def terminate(progress: Progress, what: str, done: int, total: int) -> None:
        show(progress, what, done, total)
        if (what, done) == ("zero_shot pictures", 8):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Progress, "show", terminate)
    status, printed, _ = in_process.run("evaluate.py", *flags, f"--output={tmp_path / 'out'}")
    assert status == 128 + signal.SIGTERM
    assert "the same command goes on" in printed
    assert not (tmp_path / "out/record.json").exists()
    monkeypatch.setattr(Progress, "show", show)
    encoded = []
    represent = SavedEncoders.represent_images

    def counted(encoders: SavedEncoders, images: tf.Tensor) -> tuple:
        encoded.append(len(images))
        return represent(encoders, images)

    monkeypatch.setattr(SavedEncoders, "represent_images", counted)
    status, printed, _ = in_process.run("evaluate.py", *flags, f"--output={tmp_path / 'out'}")
    assert status == 0
    assert "Goes on where it was stopped" in printed
    assert sum(encoded) == 30 - 12  # the batch that it had begun is kept, too
    names = ("predictions.npz", "per_class.csv", "confused.csv", "confusion.png", "predictions.png")
    for name in names:
        whole, resumed = (tmp_path / folder / name for folder in ("whole", "out"))
        assert whole.read_bytes() == resumed.read_bytes()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*names, "record.json"}
    record = json.loads((tmp_path / "out/record.json").read_text())
    assert record["resumed"] is True


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_process_ends_and_its_scores_are_there(number, model, tmp_path):
    data, out = dataset(tmp_path / "set", {"test": pictures(30_000)}), tmp_path / "out"
    flags = [f"--saved_model={model}", f"--dataset={data}", f"--output={out}", "--batch_size=1"]
    process = subprocess.Popen(
        [sys.executable, SCRIPT, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().startswith("Zero-shot on tiny")
    assert "test pictures" in process.stdout.readline()  # comes after 30 seconds
    process.send_signal(number)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert "the same command goes on" in printed
    with np.load(out / "unfinished/scored-test.npz") as scored:
        assert 0 < len(scored["places"]) < 30_000


class Terminated:
    """Runs the command on one data set, and ends it by SIGTERM when so much is done."""

    def __init__(self, monkeypatch, model: Path, task: str, data: str) -> None:
        self.patch, self.made = monkeypatch, list[str]()
        self.flags = [f"--saved_model={model}", f"--dataset={data}", f"--tasks={task}"]
        self.flags += ["--batch_size=4"]
        for kind, name in (
            (SavedEncoders, "represent_images"),
            (SavedEncoders, "represent_classes"),
            (SavedEncoders, "image_features"),
            (LogisticRegression, "fit"),
        ):
            monkeypatch.setattr(kind, name, self.counted(getattr(kind, name), name))

    def counted(self, function, name):
        def call(*arguments):
            self.made.append(name)
            return function(*arguments)

        return call

    def run(self, out: Path, at: tuple[str, int] | None = None) -> tuple[int, str]:
        """The exit status and what was printed; at (what, done), or ("fits", made), it is ended."""
        self.made.clear()
        show = Progress.show

        def terminate(progress: Progress, what: str, done: int, total: int) -> None:
            if at in ((what, done), ("fits", self.made.count("fit"))):
                os.kill(os.getpid(), signal.SIGTERM)
            show(progress, what, done, total)

        with self.patch.context() as patch, threadpool_limits(1):
            patch.setattr(Progress, "show", terminate)
            status, printed, _ = in_process.run("evaluate.py", *self.flags, f"--output={out}")
        return status, printed


def results(folder: Path) -> list:
    return json.loads((folder / "record.json").read_text())["results"]


@pytest.mark.parametrize(
    ("task", "stops"),
    [
        ("linear_probe", [("features of train", 20), ("fits", 3)]),
        ("retrieval", [("test pictures", 8), ("test captions", 1)]),
    ],
)
def test_a_terminated_task_goes_on_with_the_same_record_and_does_nothing_twice(
    task, stops, model, tmp_path, monkeypatch
):
    splits = {"train": pictures(40, classes=4), "test": pictures(20, seed=1)}
    data = dataset(tmp_path / "set", splits)
    runs = Terminated(monkeypatch, model, task, data)
    assert runs.run(tmp_path / "whole")[0] == 0
    whole, parts = sorted(runs.made), list[str]()
    for at in stops:
        status, printed = runs.run(tmp_path / "out", at)
        assert status == 128 + signal.SIGTERM and "the same command goes on" in printed
        parts += runs.made
        assert runs.made
    status, printed = runs.run(tmp_path / "out")
    assert status == 0 and "Goes on where it was stopped" in printed
    assert sorted([*parts, *runs.made]) == whole
    assert results(tmp_path / "out") == results(tmp_path / "whole")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["record.json"]


def test_what_was_done_on_other_pictures_or_is_damaged_is_done_anew(model, tmp_path, monkeypatch):
    train, test = pictures(40, classes=4), pictures(12)
    data = dataset(tmp_path / "set", {"train": train, "test": test})
    runs = Terminated(monkeypatch, model, "linear_probe", data)
    at = ("fits", 5)
    assert runs.run(tmp_path / "out", at)[0] == 128 + signal.SIGTERM
    dataset(tmp_path / "set", {"train": train[::-1], "test": test})
    assert runs.run(tmp_path / "whole")[0] == 0
    whole = sorted(runs.made)
    assert runs.run(tmp_path / "out")[0] == 0
    assert sorted(runs.made) == whole and results(tmp_path / "out") == results(tmp_path / "whole")

    assert runs.run(tmp_path / "again", at)[0] == 128 + signal.SIGTERM
    for file in (tmp_path / "again/unfinished").glob("*.npz"):
        file.write_bytes(file.read_bytes()[:-100])
    assert runs.run(tmp_path / "again")[0] == 0
    assert sorted(runs.made) == whole and results(tmp_path / "again") == results(tmp_path / "whole")
