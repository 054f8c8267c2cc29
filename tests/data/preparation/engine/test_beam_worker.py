"""A worker process never outlives the one that started it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.data.preparation.inputs.processes import runs, wait_for

ROOT = Path(__file__).parents[4]
WORKER = """
import sys, time, types
sys.modules["apache_beam"] = types.ModuleType("apache_beam")
for name in ("apache_beam.runners", "apache_beam.runners.worker"):
    sys.modules[name] = types.ModuleType(name)
harness = types.ModuleType("sdk_worker_main")
harness.main = lambda arguments: time.sleep(float(sys.argv[3]))
sys.modules["apache_beam.runners.worker"].sdk_worker_main = harness
from clipbench_tf.data.preparation.engine import beam_worker
beam_worker.main(sys.argv[1], sys.argv[2])
"""
STARTER = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2], str(os.getpid()), "600"])
input()
"""


def test_it_ends_when_its_starter_is_killed(tmp_path):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, WORKER, tmp_path], cwd=ROOT, stdin=subprocess.PIPE
    )
    wait_for(lambda: os.listdir(tmp_path))
    (process,) = map(int, os.listdir(tmp_path))
    assert runs(process)
    starter.kill()
    starter.wait()
    wait_for(lambda: not runs(process))
    assert os.listdir(tmp_path) == [str(process)]  # the sign of an end that was not meant


def test_it_removes_its_mark_when_all_is_done(tmp_path):
    arguments = [sys.executable, "-c", WORKER, tmp_path, str(os.getpid()), "0"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == []
