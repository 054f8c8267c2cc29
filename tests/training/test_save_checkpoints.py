"""When a run saves: at intervals, at its end, and before it obeys a signal."""

import signal
from pathlib import Path

import pytest

from clipbench_tf.training.checkpoints import Checkpoints
from clipbench_tf.training.save_checkpoints import SaveCheckpoints, Stopped
from tests.small_method import batch, compiled


@pytest.fixture(scope="module")
def method():
    return compiled()


def count(folder: Path) -> list[int]:
    return sorted(int(path.stem.split("-")[1]) for path in folder.glob("ckpt-*.index"))


def at_step(method, step: int) -> None:
    method.optimizer.iterations.assign(step)


def test_saves_at_intervals_and_at_the_end(method, tmp_path):
    at_step(method, 10)
    callback = SaveCheckpoints(Checkpoints(tmp_path, method, keep=9), every=3)
    callback.on_train_begin()
    for step in range(11, 18):
        at_step(method, step)
        callback.on_train_batch_end(0)
    assert count(tmp_path) == [13, 16]
    callback.on_train_end()
    assert count(tmp_path) == [13, 16, 17]


def test_a_signal_is_obeyed_after_the_step_and_a_save(method, tmp_path):
    said = []
    before = signal.getsignal(signal.SIGTERM)
    callback = SaveCheckpoints(Checkpoints(tmp_path, method), every=100, say=said.append)
    callback.set_model(method)
    at_step(method, 1)
    callback.on_train_begin()
    callback.on_train_batch_end(0)
    assert count(tmp_path) == []
    signal.raise_signal(signal.SIGTERM)
    callback.on_train_batch_begin(1)
    stop = method.train_step(batch())["stop"]
    at_step(method, 2)
    with pytest.raises(Stopped) as caught:
        callback.on_train_batch_end(1, {"stop": stop})
    assert caught.value.code == 128 + signal.SIGTERM
    assert count(tmp_path) == [2]
    assert said == [
        "SIGTERM: saving first.",
        "Saved at step 2; the same command goes on from there.",
    ]
    assert signal.getsignal(signal.SIGTERM) is before
