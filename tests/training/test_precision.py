"""The embedded run in bfloat16 and in float32: its curves differ by less than those of seeds do."""

import json
import subprocess

import numpy as np
import pytest

from clipbench_tf import hardware
from tests.training.runs import ROOT, command, epochs

SEEDS, STEPS, WINDOW = (0, 1, 2), 88, 22


def curves(workdir, precision: str, seed: int) -> dict[str, np.ndarray]:
    """The means of what DeFILIP, as it is configured, logs in each `WINDOW` of steps."""
    bindings = (
        f"runtime.prepare.precision = '{precision}'",
        f"runtime.prepare.seed = {seed}",
        f"pipeline.Pipeline.seed = {seed}",
        epochs(STEPS, batch=128, examples=5638),
        "recipe.Recipe.warmup_epochs = 1",
        "train.Trainer.log_every = 1",
        "train.Trainer.evaluations = 1",
        "train.Trainer.evaluation_splits = ['validation']",
    )
    run = subprocess.run(
        command(workdir, *bindings, gin_file="gin/defilip.gin", size=()),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    entries = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == list(range(1, STEPS + 1))
    names = [name for name in entries[0] if name.startswith("loss")]
    return {
        name: np.reshape([entry[name] for entry in entries], (-1, WINDOW)).mean(1) for name in names
    }


@pytest.mark.bfloat16
@pytest.mark.slow
def test_curves_in_bfloat16_lie_within_the_spread_over_seeds(tmp_path):
    fast = hardware.cpu_bfloat16() is not None
    seeds = {"float32": SEEDS, "mixed_bfloat16": SEEDS if fast else SEEDS[:1]}  # minutes each
    found = {
        precision: [curves(tmp_path / f"{precision}{seed}", precision, seed) for seed in some]
        for precision, some in seeds.items()
    }
    for name in found["float32"][0]:
        exact, low = (np.stack([c[name] for c in runs]) for runs in found.values())
        spread = np.ptp(exact, axis=0)
        distance = np.abs(low.mean(0) - exact.mean(0))
        print(name, exact.mean(0), low.mean(0), spread, distance)
        assert (distance <= spread).all(), f"{name}: {distance} apart, spread {spread}"
        if name == "loss":
            assert exact[:, 0].min() - exact[:, -1].max() > 5 * spread.max()
