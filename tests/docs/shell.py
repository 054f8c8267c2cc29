"""Runs what the pages say to type into a shell, on a tiny model in the place that they name."""

import os
import subprocess
import sys
from pathlib import Path

from clipbench_tf.evaluation.scorers import late_interaction
from clipbench_tf.export.saved_model import export
from tests.docs import pages
from tests.evaluation.samples import COLOURS, NAMES, SIZE, png, tiny_method


def prepared(folder: Path) -> Path:
    """Makes runs/clip and runs/defilip, and some pictures, in `folder`; returns the export."""
    method, tokenizer = tiny_method()
    made = export(
        method,
        tokenizer,
        folder / "runs/clip/saved_model",
        dataset="tiny",
        classes=NAMES,
        templates=("{}", "a {} thing"),
        scorer=late_interaction(method),
        image_size=SIZE,
    )
    (folder / "runs/defilip").symlink_to(folder / "runs/clip")
    for name, colour in zip(("cat.png", "picture.png"), COLOURS, strict=False):
        (folder / name).write_bytes(png(colour))
    return made


def block(page: str, command: str) -> str:
    """The block of shell in the text of a page that has `command` in it."""
    (found,) = [b.text for b in pages.blocks(page) if b.language == "bash" and command in b.text]
    return found


def environment() -> dict[str, str]:
    """In which `python` and `saved_model_cli` are those of this interpreter."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(pages.ROOT)}


def output(text: str, folder: Path) -> str:
    """What the lines in `text` print in `folder`; fails where one of them does."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
