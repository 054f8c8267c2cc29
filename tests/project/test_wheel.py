"""The wheel in an environment of its own: console commands, from anywhere, for anybody."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.training.runs import ROOT, TINY, epochs

pytestmark = pytest.mark.slow
NAMES = ("train", "evaluate", "plan", "launch", "benchmark", "leaderboard", "run-suite")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from what git has, so that nothing else can get in."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0")[:-1]:
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*pip, str(folder / "source")], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def commands(wheel, tmp_path_factory) -> Path:
    """The folder of the console commands, in an environment with spaces and letters in its path."""
    environment = tmp_path_factory.mktemp("environment") / "Umgebung für alle"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # The dependencies are those of this environment.
    site = environment / "lib" / version / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin"


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    folder = tmp_path / "ein Ordner é 目录"
    folder.mkdir()
    return folder


def run(commands: Path, folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess:
    """Calls a console command in `folder`, with a home that nobody can write to."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"HOME": "/dev/null/home", "PATH": f"{commands}:{environment['PATH']}"}
    return subprocess.run(
        [commands / f"clipbench-{name}", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_wheel_has_all_that_git_has_of_the_package(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    listed = subprocess.run(
        ["git", "ls-files", "clipbench_tf", "gin"], cwd=ROOT, capture_output=True, text=True
    )
    assert listed.returncode == 0
    names = [n for n in listed.stdout.splitlines() if (ROOT / n).is_file()]
    wanted = {f"clipbench_tf/{n}" if n.startswith("gin/") else n for n in names}
    assert not wanted - inside
    assert not {name for name in inside if name.startswith(("tests/", "scripts/"))}


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_there_and_tells_its_flags(name, commands, elsewhere):
    done = run(commands, elsewhere, name, "--help")
    assert f"clipbench-{name}" in done.stdout, done.stderr
    assert name == "leaderboard" or "--" in done.stdout.split("flags:")[1]


def test_shipped_recipes_and_records_are_found(commands, elsewhere):
    done = run(
        commands, elsewhere, "plan", "--gin_file=gin/paper/table4_clip_vit_b32.gin", "--json"
    )
    assert json.loads(done.stdout)["name"] == "clip", done.stderr
    done = run(commands, elsewhere, "leaderboard", "--html=board.html")
    assert done.returncode == 0 and "| DeFILIP | ViT-B/32 |" in done.stdout, done.stderr
    assert "DeFILIP" in (elsewhere / "board.html").read_text()
    done = run(commands, elsewhere, "train", "--gin_file=gin/none.gin")
    assert done.returncode == 1 and "gin/defilip.gin" in done.stderr


def test_trains_evaluates_and_names_the_next_command(commands, elsewhere):
    bindings = [f"--gin_bindings={b}" for b in (*TINY, epochs(2, examples=4570))]
    bindings.append("--gin_bindings=recipe.Recipe.warmup_epochs = 0")
    done = run(
        commands, elsewhere, "train", "--gin_file=clip.gin", "--workdir=Läufe/ein Lauf", *bindings
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = elsewhere / "Läufe/ein Lauf"
    assert json.loads((folder / "record.json").read_text())["steps"] == 2
    following = done.stdout.splitlines()[-1].partition("export:")[2]
    command, *arguments = shlex.split(following)
    assert command == "clipbench-evaluate"
    assert arguments[-1] == "--splits=validation"
    done = run(commands, elsewhere, "evaluate", *arguments)
    assert done.returncode == 0, done.stderr
    assert (folder / "evaluation-emoji/predictions.png").is_file()


def test_launch_starts_commands(commands, elsewhere):
    done = run(commands, elsewhere, "launch", "--workers=2", "--", "clipbench-leaderboard")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| DeFILIP | ViT-B/32 |") == 2
