"""Workers that are killed or told to stop, as real processes."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.distribution.processes import ROOT, finish, start
from tests.training import runs

KILLS = 5
BINDINGS = (
    "train.Trainer.checkpoint_every = 5",
    "train.Trainer.evaluations = 1",
    "recipe.Recipe.warmup_epochs = 0.0",
)


@pytest.fixture
def command(few_drawings):
    """The command that trains in a folder for so many steps."""
    return lambda workdir, steps: runs.command(
        workdir, runs.epochs(steps), *BINDINGS, *few_drawings
    )


def step(workdir: Path) -> int:
    """The last one that is logged."""
    log = workdir / "metrics.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    try:
        return json.loads(lines[-1])["step"]
    except (IndexError, ValueError):
        return 0


def wait_for(workdir: Path, wanted: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 300
    while step(workdir) < wanted:
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < deadline, f"step {wanted} was not reached"
        time.sleep(0.05)


def assert_same_weights(workdir: Path, other: Path) -> None:
    one, two = runs.checkpoint(workdir), runs.checkpoint(other)
    assert set(one) == set(two)
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.slow
def test_a_signal_to_one_worker_stops_both_after_the_same_step_and_one_process_goes_on(
    command, tmp_path
):
    steps = 80
    workers = start(2, command(tmp_path, steps))
    wait_for(tmp_path, 6, workers[0])
    workers[1].send_signal(signal.SIGTERM)
    (first, said), (second, other) = finish(workers, timeout=120)
    assert (first, second) == (143, 143), said + other
    assert "SIGTERM" in other
    [saved] = [line for line in said.splitlines() if line.startswith("Saved at step")]
    assert saved in other
    before = step(tmp_path)
    assert before < steps
    assert f"ckpt-{before}" in (tmp_path / "checkpoints/checkpoint").read_text()

    [(status, said)] = finish(start(1, command(tmp_path, steps)))
    assert status == 0, said[-3000:]
    assert "was saved by 2 workers, this run has 1." in said
    assert f"Going on from step {before} of {steps}." in said
    logged = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in logged] == list(range(1, steps + 1))


@pytest.mark.slow
@pytest.mark.parametrize(("count", "victim"), [(2, 0), (4, 2)])
def test_the_survivors_of_a_kill_name_who_is_gone(command, count, victim, tmp_path):
    workers = start(count, command(tmp_path, 400))
    wait_for(tmp_path, 6, workers[0])
    workers[victim].kill()
    results = finish(workers, timeout=60)
    del results[victim]
    for status, said in results:
        assert status == 75, said[-3000:]
        assert re.search(rf"has lost worker {victim} \(127\.0\.0\.1:\d+\)\. Start the same", said)
        assert "ckpt-5" in said or victim == 0
        assert "Traceback" not in said


@pytest.mark.slow
def test_a_worker_that_hangs_is_named(command, tmp_path):
    workers = start(2, command(tmp_path, 400))
    wait_for(tmp_path, 6, workers[0])
    workers[1].send_signal(signal.SIGSTOP)
    try:
        [(status, said)] = finish(workers[:1], timeout=120)
    finally:
        workers[1].kill()
    assert status == 75, said[-3000:]
    assert "Worker 0 has lost worker 1 (127.0.0.1:" in said


GONE = """
import os, sys
from pathlib import Path
from clipbench_tf import config
from clipbench_tf.distribution import cluster
from clipbench_tf.distribution import handshake
from clipbench_tf.training import build_trainer
meet = handshake.meet
def met(workers, *args, **more):
    meet(workers, *args, **more)
    if workers.index == int(sys.argv[2]):
        os._exit(3)
handshake.meet = met
config.parse(["gin/clip.gin"], [])
build_trainer.build_trainer(Path(sys.argv[1]), timeout=10.0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_none_waits_for_one_that_ended_before_tensorflow_connected_it(victim, tmp_path):
    workers = start(2, [sys.executable, "-c", GONE, str(tmp_path / "run"), str(victim)])
    results = finish(workers, timeout=120)
    assert results[victim][0] == 3
    status, said = results[1 - victim]
    assert status == 1
    assert "Timeout (0:00:20)!" in said
    assert not (tmp_path / "run").exists()


def victims(launcher: subprocess.Popen) -> list[int]:
    """Process numbers of the launcher's workers."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(launcher.pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split(maxsplit=1) for line in found.stdout.splitlines()]
    return [int(pid) for pid, arguments in lines if "train.py" in arguments]


@pytest.mark.slow
def test_kills_at_random_steps_change_nothing(command, tmp_path):
    steps, random_ = 5 * KILLS + 10, random.Random(0)
    [(status, said), _] = finish(start(2, command(tmp_path / "whole", steps)))
    assert status == 0, said[-3000:]
    workdir = tmp_path / "killed"
    launch = [
        sys.executable,
        str(ROOT / "scripts/launch.py"),
        "--workers=2",
        f"--max_restarts={KILLS}",
    ]
    with (tmp_path / "log").open("w+") as log:
        launcher = subprocess.Popen(
            [*launch, "--", *command(workdir, steps)], cwd=ROOT, stdout=log, stderr=log
        )
        for kill in range(KILLS):
            wait_for(workdir, random_.randint(5 * kill + 1, 5 * kill + 5), launcher)
            alive = victims(launcher)
            os.kill(random_.choice(alive), signal.SIGKILL)
            while set(alive) & set(victims(launcher)):
                time.sleep(0.1)
        assert launcher.wait(timeout=600) == 0, (tmp_path / "log").read_text()[-3000:]
    assert_same_weights(tmp_path / "whole", workdir)
