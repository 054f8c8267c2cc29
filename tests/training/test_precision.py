"""DeFILIP in bfloat16 and in float32: its curves differ by less than those of seeds do."""

import subprocess
import sys

import numpy as np
import pytest

from clipbench_tf import hardware
from tests.training.runs import ROOT

SEEDS, STEPS, WINDOW = (0, 1, 2), 88, 22


@pytest.mark.bfloat16
@pytest.mark.slow
def test_curves_in_bfloat16_lie_within_the_spread_over_seeds(tmp_path):
    fast = hardware.cpu_bfloat16() is not None
    seeds = {"float32": SEEDS, "mixed_bfloat16": SEEDS if fast else SEEDS[:1]}  # minutes each
    file, cases = tmp_path / "curves.npz", [f"{p}:{s}" for p, some in seeds.items() for s in some]
    # A process, as this one does not rewrite its graphs as a run does (tests/conftest.py).
    run = subprocess.run(
        [sys.executable, "-m", "tests.training.curves", str(file), str(STEPS), *cases],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    logged = np.load(file)
    for name in sorted({key.split(" ")[1] for key in logged}):
        exact, low = (
            np.stack([logged[f"{p}:{s} {name}"].reshape(-1, WINDOW).mean(1) for s in some])
            for p, some in seeds.items()
        )
        spread = np.ptp(exact, axis=0)
        distance = np.abs(low.mean(0) - exact.mean(0))
        print(name, exact.mean(0), low.mean(0), spread, distance)
        assert (distance <= spread).all(), f"{name}: {distance} apart, spread {spread}"
        if name == "loss":
            assert exact[:, 0].min() - exact[:, -1].max() > 5 * spread.max()
