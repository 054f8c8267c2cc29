"""The command that prints Table 2 for any data set."""

import json
from pathlib import Path

from PIL import Image

from clipbench_tf.data import sources
from tests.scripts.in_process import run


def test_the_table_the_pictures_and_the_numbers(tmp_path: Path) -> None:
    status, output, errors = run(
        "dataset_stats.py", "--dataset=emoji", "--split=validation", f"--output={tmp_path / 'new'}"
    )
    assert status == 0, errors
    rows = [line.split(" | ") for line in output.splitlines() if line.startswith("| ")]
    names = [row[0] for row in rows[2:]]
    assert names == ["| emoji", "| YFCC15M-V2 (paper)", "| YFCC15M-V1 (paper)"]
    examples = sources.load("emoji").split("validation").examples
    assert rows[2][1] == f"{examples:,}"
    numbers = json.loads((tmp_path / "new/statistics.json").read_text())["emoji"]
    assert numbers["examples"] == examples
    assert (numbers["split"], numbers["problems"]) == ("validation", {})
    mean = sum(int(n) * count for n, count in numbers["lengths"].items()) / numbers["captions"]
    assert abs(mean - numbers["mean_length"]) < 1e-9
    for name in ("lengths.png", "words.png"):
        assert Image.open(tmp_path / "new" / name).width > 1000


def test_a_data_set_given_twice_has_two_rows() -> None:
    folder = str(sources.EMBEDDED / "emoji")
    status, output, errors = run(
        "dataset_stats.py", "--dataset=emoji", f"--dataset={folder}", "--split=validation"
    )
    assert status == 0, errors
    assert f"| {folder} | " in output
    assert "| emoji | " in output


def test_mistakes_are_one_line() -> None:
    for arguments, message in (
        (("--dataset=nowhere",), "'nowhere'"),
        (("--dataset=emoji", "--split=trian"), "no split 'trian'"),
        (("--dataset=emoji", "more"), "'more' is no flag"),
    ):
        status, output, errors = run("dataset_stats.py", *arguments)
        assert (status, output) == (1, "")
        assert message in errors
        assert errors.startswith("Error: ")
        assert "Traceback" not in errors
