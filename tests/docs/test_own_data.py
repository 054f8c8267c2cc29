"""The README's commands for data of one's own, on pictures made here."""

import csv
import io
import json
import re
import shlex
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.docs import pages
from tests.scripts import in_process
from tests.training.runs import TINY

pytestmark = pytest.mark.skipif(not pages.THERE, reason="the tests lie apart from the pages")
COLOURS = {"red": (220, 30, 30), "green": (20, 160, 60), "blue": (30, 60, 220)}
EACH = 15  # pictures of a colour


def pictures() -> list[tuple[str, str, bytes]]:
    """(name, colour, JPEG), in an order that mixes colours."""
    random, made = np.random.default_rng(0), []
    for number in range(EACH * len(COLOURS)):
        colour = list(COLOURS)[number % len(COLOURS)]
        pixels = random.integers(0, 40, [48, 64, 3]) + np.array(COLOURS[colour]) * 0.8
        out = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(out, "JPEG")
        made.append((f"{number:03d}.jpg", colour, out.getvalue()))
    return made


@pytest.fixture
def folder(tmp_path) -> Path:
    """photos/ with a table, cc3m/ with tars, classes/ with a folder for each class."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "cc3m").mkdir()
    with (tmp_path / "photos/captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "caption"])
        for name, colour, jpeg in pictures():
            (tmp_path / "photos" / name).write_bytes(jpeg)
            rows.writerow([name, f"a {colour} thing, seen\nfrom the front"])
            (tmp_path / "classes" / colour).mkdir(parents=True, exist_ok=True)
            (tmp_path / "classes" / colour / name).write_bytes(jpeg)
    for shard in range(2):
        with tarfile.open(tmp_path / f"cc3m/{shard:05d}.tar", "w") as tar:
            for name, colour, jpeg in pictures()[shard::2]:
                stem = name.removesuffix(".jpg")
                text = json.dumps({"caption": f"a {colour} thing", "key": stem}).encode()
                for member, content in ((name, jpeg), (f"{stem}.json", text)):
                    header = tarfile.TarInfo(member)
                    header.size = len(content)
                    tar.addfile(header, io.BytesIO(content))
    return tmp_path


def commands() -> list[list[str]]:
    """The words of the two commands that the README gives."""
    block = re.search(r"<!-- own -->\n```bash\n(.*?)```", pages.README.read_text(), re.DOTALL)
    return [shlex.split(line) for line in block[1].splitlines()]


def placed(flag: str, folder: Path, dataset: str) -> str:
    """The flag with its paths in `folder`, and another `dataset` to train on."""
    name, _, value = flag.partition("=")
    value = dataset if name == "--dataset" and value.endswith(".csv") else value
    return f"{name}={folder / value}" if value and name != "--gin_file" else flag


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["photos/captions.csv", "cc3m", "classes"])
def test_the_commands_train_and_evaluate(folder, dataset):
    train, evaluate = commands()
    tiny = [b for b in TINY if not b.startswith("train.Trainer.evaluation_splits")]
    bindings = [*tiny, "recipe.Recipe.epochs = 2", "recipe.Recipe.warmup_epochs = 1"]
    flags = [placed(flag, folder, dataset) for flag in train[2:]]
    flags += [f"--gin_bindings={binding}" for binding in bindings]
    status, output, errors = in_process.run("train.py", *flags)
    assert status == 0, errors
    record = json.loads((folder / "runs/mine/record.json").read_text())
    assert [(r["split"], r["scored"], r["classes"]) for r in record["results"]] == [("all", 45, 3)]
    assert record["dataset"] == Path(dataset).name
    flags = [placed(flag, folder, dataset) for flag in evaluate[2:]]
    status, output, errors = in_process.run("evaluate.py", *flags)
    assert status == 0, errors
    assert "all: top-1" in output
    written = folder / "runs/mine/evaluation-classes"
    evaluated = json.loads((written / "record.json").read_text())["results"]
    own = [{k: new[k] for k in old} for old, new in zip(record["results"], evaluated, strict=True)]
    assert own == record["results"]


def test_missing_pictures_are_named_before_training_starts(folder):
    for path in sorted((folder / "photos").glob("*.jpg"))[:12]:
        path.unlink()
    flags = [placed(flag, folder, "photos/captions.csv") for flag in commands()[0][2:]]
    binding = "--gin_bindings=pipeline.Pipeline.batch_size = 8"
    status, _, errors = in_process.run("train.py", *flags, binding)
    assert status == 1
    assert "000.jpg" in errors and "009.jpg" in errors and "011.jpg" not in errors
    assert not (folder / "runs/mine").exists()
