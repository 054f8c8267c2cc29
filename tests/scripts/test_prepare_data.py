"""Preparing data as a command: what it shows, what it refuses, and what a signal does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.preparation.inputs import made_pairs
from tests.data.preparation.inputs.processes import runs, wait_for
from tests.scripts import in_process
from tests.training.runs import ROOT

pytest.importorskip("apache_beam")

SOURCE = "--source=synthetic:1500?size=300"
FLAGS = ("--size=100", "--drop_duplicates=key", "--shard_pairs=400", "--workers=2")

# After how many units what is sent, the exit status, and what the last line has.
ENDS = (
    (4, signal.SIGKILL, -9, "pairs of synthetic"),
    (12, signal.SIGINT, 130, "interrupted."),
    (20, "a worker", 1, "perhaps as memory ran out"),
)


def run(*arguments: str) -> tuple[int, str, str]:
    return in_process.run("prepare_data.py", *arguments)


def start(output: Path, *flags: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "scripts/prepare_data.py", SOURCE, f"--output={output}", *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
    )


def units(output: Path) -> int:
    return len(list(output.glob("preparation/units/*.npz")))


def workers(process: int) -> list[int]:
    """The child processes that are worker processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == process and b"beam_worker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_a_data_set_is_prepared_and_trained_on_as_it_is(tmp_path):
    source = made_pairs.write(tmp_path / "in", train=made_pairs.pairs(12))
    status, output, errors = run(f"--source={source}", f"--output={tmp_path}/out", "--workers=1")
    assert (status, errors) == (0, "")
    assert output.splitlines()[0] == f"12 pairs of {source}"
    assert output.splitlines()[-1].split() == ["pairs", "out", "12"]
    assert made_pairs.read(tmp_path / "out") == made_pairs.pairs(12)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--source=nowhere"], "'nowhere' is no folder and no file"),
        (["--source=emoji", "--filter=best"], "none, quality"),
        (["--source=emoji", "--drop_duplicates=all"], "key, across, picture, caption:N"),
        (["--source=emoji", "--splits=trian"], "no split 'trian'"),
        (["--source=emoji", "--validation=0.1"], "leave the option validation out"),
        (["--source=emoji", "--against=nowhere"], "'nowhere' is no folder"),
        (["--source=emoji", "more"], "'more' is no flag"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_clear_line(arguments, expected, tmp_path):
    status, _, errors = run(*arguments, f"--output={tmp_path}/out")
    assert status == 1, errors
    assert "Traceback" not in errors
    (line,) = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert expected in line
    assert not (tmp_path / "out").exists()


def test_without_beam_the_extra_is_named(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if "preparation" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    status, _, errors = run("--source=emoji", f"--output={tmp_path}/out")
    assert status == 1
    assert "pip install 'clipbench_tf[data]'" in errors


@pytest.mark.slow
def test_killed_and_repeated_it_gives_the_files_of_an_uninterrupted_run(tmp_path):
    out = tmp_path / "out"
    for before, sent, status, last in ENDS:
        process = start(out, *FLAGS)
        wait_for(lambda least=before: units(out) >= least, seconds=300)
        children = workers(process.pid)
        assert len(children) == 2
        if sent == "a worker":
            os.kill(children[0], signal.SIGKILL)
        else:
            process.send_signal(sent)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == status
        assert "Traceback" not in output
        assert not (out / "dataset.json").exists()
        assert last in output.splitlines()[-1]
        wait_for(lambda these=children: not any(map(runs, these)), seconds=10)
    for folder, flags in ((out, FLAGS), (tmp_path / "whole", (*FLAGS[:3], "--workers=1"))):
        process = start(folder, *flags)
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
    assert made_pairs.contents(out) == made_pairs.contents(tmp_path / "whole")
