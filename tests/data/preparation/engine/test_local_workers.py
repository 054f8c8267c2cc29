"""Worker processes: their environment, and what Ctrl-C does."""

import os
import signal
import threading

import pytest

from clipbench_tf.data.preparation.engine.local_workers import ENVIRONMENT, LocalWorkers


def test_the_environment_is_for_the_processes_only(tmp_path):
    before, hook = dict(os.environ), threading.excepthook
    handler = signal.getsignal(signal.SIGINT)
    with LocalWorkers(2, f"{tmp_path}/failed"):
        assert os.environ.items() >= ENVIRONMENT.items()
        assert os.environ["PYTHONPATH"].split(os.pathsep)[0] == os.getcwd()
    assert dict(os.environ) == before
    assert signal.getsignal(signal.SIGINT) == handler
    assert threading.excepthook == hook


@pytest.mark.parametrize("count", [1, 2])
def test_ctrl_c_is_told_from_other_ends(tmp_path, count):
    with pytest.raises(KeyboardInterrupt), LocalWorkers(count, f"{tmp_path}/failed") as local:
        signal.raise_signal(signal.SIGINT)
    assert local.interrupted and not local.ended


def test_a_file_of_failure_ends_the_work(tmp_path):
    ended = threading.Event()
    with pytest.raises(KeyboardInterrupt), LocalWorkers(2, f"{tmp_path}/failed") as local:
        (tmp_path / "failed").write_text("{}")
        ended.wait(60)
    assert local.ended == "A step failed." and not local.interrupted
