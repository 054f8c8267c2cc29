"""scripts/launch.py with tiny workers: output, failures, restarts, signals, nothing left over."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clipbench_tf.distribution.launcher import LaunchError, environments, gpu_parts
from tests.training.runs import ROOT

HANG = 120  # seconds; nothing here needs them
LISTEN = """
import json, os, signal, sys, time
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
"""


def start(worker: str, *flags: str, workers: int = 2) -> subprocess.Popen:
    script = str(ROOT / "scripts/launch.py")
    command = [sys.executable, "-c", LISTEN + worker]
    return subprocess.Popen(
        [sys.executable, script, f"--workers={workers}", *flags, "--", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(worker: str, *flags: str, workers: int = 2) -> tuple[int, list[str]]:
    process = start(worker, *flags, workers=workers)
    output, _ = process.communicate(timeout=HANG)
    return process.returncode, output.splitlines()


def wait_for(process: subprocess.Popen, *lines: str) -> None:
    missing = set(lines)
    while missing:
        line = process.stdout.readline()
        assert line, f"ended before {missing}"
        missing.discard(line.strip())


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for_end(*pids: int) -> None:
    end = time.monotonic() + HANG
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < end, "still running"
        time.sleep(0.05)


def test_every_line_follows_the_number_of_its_worker():
    status, lines = run(
        "print('one'); print('two', file=sys.stderr); sys.stdout.write('no end')", workers=3
    )
    assert status == 0
    assert sorted(lines) == sorted(
        f"[{n}] {line}" for n in range(3) for line in ("one", "two", "no end")
    )


def test_workers_are_told_of_each_other():
    status, lines = run("print(os.environ['TF_CONFIG'])")
    assert status == 0
    told = {n: json.loads(line[4:]) for n in (0, 1) for line in lines if line[1] == str(n)}
    assert [told[n]["task"] for n in (0, 1)] == [{"type": "worker", "index": n} for n in (0, 1)]
    assert told[0]["cluster"] == told[1]["cluster"]
    assert len(set(told[0]["cluster"]["worker"])) == 2


@pytest.mark.parametrize(
    ("end", "status"), [("sys.exit(7)", 7), ("os.kill(os.getpid(), signal.SIGKILL)", 137)]
)
def test_the_first_failure_ends_all_others(end, status):
    found, lines = run(
        f"print(os.getpid())\nif index == 1: {end}\ntime.sleep(1000)\nprint('slept')", workers=3
    )
    assert found == status
    assert lines[-1] == f"launch: Worker 1 ended with exit status {status}."
    assert not any("slept" in line for line in lines)
    wait_for_end(*(int(line[4:]) for line in lines[:-1]))


def test_who_does_not_end_is_killed(monkeypatch):
    from clipbench_tf.distribution import launcher

    worker = "signal.signal(15, signal.SIG_IGN)\nif index == 1: time.sleep(0.5); sys.exit(3)\n"
    command = [sys.executable, "-c", LISTEN + worker + "time.sleep(1000)"]
    assert launcher.launch(command, 2, grace=0.5) == 3


def test_children_of_workers_end_too():
    status, lines = run(
        "import subprocess\n"
        "print(subprocess.Popen(['sleep', '1000'], stdout=subprocess.DEVNULL).pid)\n"
        "sys.exit(index)"
    )
    assert status == 1
    wait_for_end(*(int(line[4:]) for line in lines if line[0] == "["))


def test_all_are_started_anew_after_a_failure(tmp_path):
    worker = f"""
path = {str(tmp_path / "0")!r}
if index == 0: open(path, "a").write(os.environ["TF_CONFIG"] + chr(10))
attempt = lambda: len(open(path).readlines()) if os.path.exists(path) else 0
if index == 0 and attempt() < 3: sys.exit(attempt())
while attempt() < 3: time.sleep(0.05)
"""
    status, lines = run(worker, "--max_restarts=2")
    assert status == 0
    assert lines == [
        "launch: Worker 0 ended with exit status 1; restarting all workers, 1 of 2 times.",
        "launch: Worker 0 ended with exit status 2; restarting all workers, 2 of 2 times.",
    ]
    attempts = (tmp_path / "0").read_text().splitlines()
    assert len(set(attempts)) == 3  # other ports each time


def test_restarts_come_to_an_end():
    status, lines = run("sys.exit(5)", "--max_restarts=1", workers=1)
    assert status == 5
    assert lines[-1] == "launch: Worker 0 ended with exit status 5."


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_and_all_may_save(number):
    process = start(
        """
def save(number, frame):
    time.sleep(0.3 * (index + 1))
    print("saved")
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, save)
signal.signal(signal.SIGINT, save)
print("ready")
time.sleep(1000)
""",
        "--max_restarts=3",
    )
    wait_for(process, "[0] ready", "[1] ready")
    process.send_signal(number)
    output, _ = process.communicate(timeout=HANG)
    assert process.returncode == 128 + number
    assert "[0] saved" in output
    assert "[1] saved" in output
    assert "restarting" not in output


def test_nothing_is_left_when_the_launcher_is_killed():
    process = start(
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '1000'], start_new_session=False)\n"
        "signal.signal(15, signal.SIG_IGN)\n"
        "print(os.getpid(), child.pid, os.getppid())\n"
        "time.sleep(1000)"
    )
    pids = [process.stdout.readline()[4:].split() for _ in range(2)]
    assert {int(parent) for *_, parent in pids} == {process.pid}
    process.kill()
    process.wait(timeout=HANG)
    wait_for_end(*(int(pid) for *own, _ in pids for pid in own))
    process.stdout.close()


def test_no_command():
    script = str(ROOT / "scripts/launch.py")
    for arguments, expected in (
        (["--workers=2"], "No command"),
        (["--workers=0", "--", "true"], "workers"),
        (["--", "true"], "workers"),
        (["--workers=1", "--", "/no/such/program"], "Error: Cannot run '/no/such/program'"),
    ):
        done = subprocess.run(
            [sys.executable, script, *arguments], capture_output=True, text=True, timeout=HANG
        )
        assert done.returncode != 0
        assert expected in done.stderr + done.stdout
        assert "Traceback" not in done.stderr


def test_gpus_are_divided_where_there_are_any():
    assert gpu_parts(2, {"CUDA_VISIBLE_DEVICES": "4,5,6,7"}) == ["4,5", "6,7"]
    assert gpu_parts(3, {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}) == ["0", "1", "2"]
    with pytest.raises(LaunchError, match=r"2 workers cannot share 1 GPUs.*--workers=1"):
        gpu_parts(2, {"CUDA_VISIBLE_DEVICES": "0"})
    assert gpu_parts(2, {"CUDA_VISIBLE_DEVICES": "-1"}) == []
    assert gpu_parts(2, {"CUDA_VISIBLE_DEVICES": ""}) == []
    for made, own in zip(
        environments(2, {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"}), ["GPU-a", "GPU-b"], strict=True
    ):
        assert made["CUDA_VISIBLE_DEVICES"] == own
    assert environments(2, {"CUDA_VISIBLE_DEVICES": ""})[1]["CUDA_VISIBLE_DEVICES"] == ""


def test_the_environment_goes_on_to_the_workers():
    for made in environments(1, {**os.environ, "OF_THE_USER": "1", "PYTHONUNBUFFERED": ""}):
        assert made["OF_THE_USER"] == "1"
        assert made["PYTHONUNBUFFERED"] == ""
