"""Two real workers: they meet, and TensorFlow then connects them on the same ports."""

import subprocess
import sys

import pytest

from tests.distribution.processes import finish, start
from tests.training.runs import ROOT

WORKER = """
import os, sys
from clipbench_tf.distribution import cluster
from clipbench_tf.distribution import handshake
from clipbench_tf.distribution import replicas
from clipbench_tf.distribution import strategy
handshake.meet(cluster.read(), "a = 1")
strategy = strategy.prepare()
with strategy.scope():
    found = replicas.of_workers(strategy, replicas.worker() + 5)
    print("found", replicas.workers(), strategy.num_replicas_in_sync, found)
"""


def test_tensorflow_connects_workers_that_have_met():
    for status, output in finish(start(2, [sys.executable, "-c", WORKER])):
        assert status == 0, output
        assert "found 2 2 [5, 6]" in output


@pytest.mark.slow
def test_what_one_worker_cannot_start_none_starts(tmp_path):
    (tmp_path / "foreign").write_text("")  # the chief alone looks into the run folder
    command = [sys.executable, "scripts/train.py", "--gin_file=gin/clip.gin"]
    done = subprocess.run(
        [
            sys.executable,
            "scripts/launch.py",
            "--workers=2",
            "--",
            *command,
            f"--workdir={tmp_path}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    errors = sorted(line for line in done.stdout.splitlines() if "] Error: " in line)
    assert "holds foreign. Choose another --workdir" in errors[0]
    assert errors[1:] in ([], ["[1] Error: Worker 0 cannot start; see what it prints."])
