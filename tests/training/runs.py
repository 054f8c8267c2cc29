"""Starts small training runs as a user would, in processes of their own."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from clipbench_tf.data import sources

ROOT = Path(__file__).parents[2]
BATCH, EXAMPLES = 32, {"train": 120, "validation": 20}
TINY = (
    "modified_resnet.ModifiedResNet.width = 8",
    "modified_resnet.ModifiedResNet.depths = (1, 1, 1, 1)",
    "modified_resnet.ModifiedResNet.heads = 2",
    "text_transformer.TextTransformer.width = 16",
    "text_transformer.TextTransformer.depth = 1",
    "text_transformer.TextTransformer.heads = 2",
    f"pipeline.Pipeline.batch_size = {BATCH}",
    "train.Trainer.evaluation_splits = ['validation']",
    "train.Trainer.evaluations = 2",
    "train.Trainer.log_every = 1",
    "strategy.prepare.precision = 'float32'",
)


def write_data(folder: Path, classes: int = 200) -> tuple[str, ...]:
    """Some drawings of the first `classes` of the embedded data set; bindings that train on them.

    Their pictures, captions and prompts are soon read and scored.
    """
    whole = sources.load("emoji")
    description = {"name": "emoji", "classes": whole.classes[:classes], "splits": {}}
    for name, count in EXAMPLES.items():
        split = whole.split(name)
        known = (r for r in sources.records(split) if sources.parse(r)["label"] < classes)
        with tf.io.TFRecordWriter(str(folder / f"{name}.tfrecord")) as writer:
            for record in itertools.islice(known, count):
                writer.write(record.numpy())
        description["splits"][name] = {"files": [f"{name}.tfrecord"], "examples": count}
    description["templates"] = whole.templates
    (folder / "dataset.json").write_text(json.dumps(description))
    return (
        f"pipeline.Pipeline.dataset = {str(folder)!r}",
        f"train.Trainer.evaluation_dataset = {str(folder)!r}",
    )


def command(workdir: Path, *bindings: str, gin_file: str = "gin/clip.gin") -> list[str]:
    flags = [f"--gin_bindings={binding}" for binding in (*TINY, *bindings)]
    script = str(ROOT / "scripts/train.py")
    return [sys.executable, script, f"--gin_file={gin_file}", f"--workdir={workdir}", *flags]


def start(workdir: Path, *bindings: str, gin_file: str = "gin/clip.gin") -> subprocess.Popen:
    # As a user's shell has it, unlike that of this suite.
    environment = {n: v for n, v in os.environ.items() if n != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.Popen(
        command(workdir, *bindings, gin_file=gin_file),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environment, "PYTHONUNBUFFERED": "1"},
    )


def run(workdir: Path, *bindings: str, gin_file: str = "gin/clip.gin") -> tuple[int, str]:
    """Runs to the end; returns the exit status and all that was printed."""
    process = start(workdir, *bindings, gin_file=gin_file)
    output, _ = process.communicate(timeout=600)
    return process.returncode, output


def epochs(steps: int, batch: int = BATCH, examples: int = EXAMPLES["train"]) -> str:
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
