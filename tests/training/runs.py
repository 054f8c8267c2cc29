"""Starts small training runs as a user would, in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

ROOT = Path(__file__).parents[2]
TINY = (
    "modified_resnet.ModifiedResNet.width = 8",
    "modified_resnet.ModifiedResNet.depths = (1, 1, 1, 1)",
    "modified_resnet.ModifiedResNet.heads = 2",
    "text_transformer.TextTransformer.width = 16",
    "text_transformer.TextTransformer.depth = 1",
    "text_transformer.TextTransformer.heads = 2",
    "pipeline.Pipeline.batch_size = 32",
    "train.Trainer.evaluation_splits = ['validation']",
    "train.Trainer.evaluations = 2",
    "train.Trainer.log_every = 1",
    "runtime.prepare.precision = 'float32'",
)


def command(
    workdir: Path,
    *bindings: str,
    gin_file: str = "gin/clip.gin",
    size: Sequence[str] = TINY,
) -> list[str]:
    flags = [f"--gin_bindings={binding}" for binding in (*size, *bindings)]
    script = str(ROOT / "scripts/train.py")
    return [sys.executable, script, f"--gin_file={gin_file}", f"--workdir={workdir}", *flags]


def start(workdir: Path, *bindings: str, gin_file: str = "gin/clip.gin") -> subprocess.Popen:
    return subprocess.Popen(
        command(workdir, *bindings, gin_file=gin_file),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def run(workdir: Path, *bindings: str, gin_file: str = "gin/clip.gin") -> tuple[int, str]:
    """Runs to the end; returns the exit status and all that was printed."""
    process = start(workdir, *bindings, gin_file=gin_file)
    output, _ = process.communicate(timeout=600)
    return process.returncode, output


def epochs(steps: int, batch: int = 32, examples: int = 5638) -> str:
    return f"recipe.Recipe.epochs = {steps * batch / examples}"


def checkpoint(workdir: Path) -> dict[str, np.ndarray]:
    """All values in the latest checkpoint of a run, by name, but for its clock and count."""
    reader = tf.train.load_checkpoint(str(workdir / "checkpoints"))
    names = [
        n
        for n in reader.get_variable_to_shape_map()
        if not n.startswith(("seconds", "save_counter", "_"))
    ]
    return {name: reader.get_tensor(name) for name in names}
