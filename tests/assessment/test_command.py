import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from clipbench_tf.assessment.assess import assess
from clipbench_tf.assessment.task import Options
from clipbench_tf.data.sources import DatasetError
from clipbench_tf.evaluation.scorers import cosine
from clipbench_tf.export.saved_model import export
from tests.checkpoints.full_disk import files_of_at_most
from tests.evaluation.samples import COLOURS, NAMES, SIZE, png, tiny_method, write_dataset
from tests.scripts import in_process

SCRIPT = Path(__file__).parents[2] / "scripts/evaluate.py"
EXAMPLES = [(png(colour), label) for label, colour in enumerate(COLOURS)] + [(b"no image", 0)]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    method, tokenizer = tiny_method()
    return export(
        method,
        tokenizer,
        tmp_path_factory.mktemp("run") / "saved_model",
        dataset="tiny",
        classes=NAMES,
        templates=("{}",),
        scorer=cosine(method),
        image_size=SIZE,
    )


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
