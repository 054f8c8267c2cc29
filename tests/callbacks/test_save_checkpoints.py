"""When a run saves: at intervals, at its end, and before it obeys a signal."""

import signal
from pathlib import Path

import pytest

from clipbench_tf.callbacks.save_checkpoints import SaveCheckpoints, Stopped
from clipbench_tf.checkpoints.checkpoints import CheckpointError, Checkpoints
from clipbench_tf.commands.shared.stopping import Interrupt
from tests.checkpoints.full_disk import files_of_at_most
from tests.method.small_method import batch, compiled


@pytest.fixture(scope="module")
def method():
    return compiled()


def count(folder: Path) -> list[int]:
    return sorted(int(path.stem.split("-")[1]) for path in folder.glob("ckpt-*.index"))


def at_step(method, step: int) -> None:
    method.optimizer.iterations.assign(step)


def test_saves_at_intervals_and_at_the_end(method, tmp_path):
    at_step(method, 10)
    callback = SaveCheckpoints(Checkpoints(tmp_path, method, keep=9), every=3, total_steps=17)
    callback.on_train_begin()
    for step in range(11, 18):
        at_step(method, step)
        callback.on_train_batch_end(0)
    assert count(tmp_path) == [13, 16]
    callback.on_train_end()
    assert count(tmp_path) == [13, 16, 17]


class InterruptedInItsDestructor:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_ctrl_c_before_training_that_python_dropped_is_obeyed(method, tmp_path):
    callback = SaveCheckpoints(Checkpoints(tmp_path, method), every=100, total_steps=200)
    before = signal.signal(signal.SIGINT, Interrupt())
    try:
        InterruptedInItsDestructor()  # and nothing is raised here
        with pytest.raises(KeyboardInterrupt):
            callback.on_train_begin()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_is_obeyed_after_the_step_and_a_save(method, tmp_path):
    said = []
    before = signal.getsignal(signal.SIGTERM)
    callback = SaveCheckpoints(
        Checkpoints(tmp_path, method), every=100, total_steps=200, say=said.append
    )
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


def test_a_signal_between_two_fits_is_obeyed_in_the_next(method, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    callback = SaveCheckpoints(Checkpoints(tmp_path, method), every=100, total_steps=4)
    callback.set_model(method)
    method.stop.assign(0.0)
    at_step(method, 1)
    callback.on_train_begin()
    signal.raise_signal(signal.SIGTERM)
    at_step(method, 2)
    callback.on_train_batch_end(0, {"stop": 0.0})
    callback.on_train_end()  # other workers are on their way into the next step
    assert count(tmp_path) == [2]
    callback.on_train_begin()
    callback.on_train_batch_begin(0)
    stop = method.train_step(batch())["stop"]
    at_step(method, 3)
    with pytest.raises(Stopped):
        callback.on_train_batch_end(0, {"stop": stop})
    assert count(tmp_path) == [2, 3]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_after_the_last_step_is_obeyed_with_everything_saved(method, tmp_path):
    callback = SaveCheckpoints(Checkpoints(tmp_path, method), every=100, total_steps=4)
    callback.set_model(method)
    callback.on_train_begin()
    signal.raise_signal(signal.SIGINT)
    at_step(method, 4)
    with pytest.raises(Stopped) as caught:
        callback.on_train_end()
    assert caught.value.code == 128 + signal.SIGINT
    assert count(tmp_path) == [4]


def test_a_signal_while_the_disk_is_full_does_not_claim_to_have_saved(method, tmp_path):
    checkpoints, said = Checkpoints(tmp_path, method), []
    at_step(method, 1)
    checkpoints.save()
    callback = SaveCheckpoints(checkpoints, every=100, total_steps=200, say=said.append)
    callback.set_model(method)
    callback.on_train_begin()
    signal.raise_signal(signal.SIGTERM)
    at_step(method, 2)
    with files_of_at_most(1000), pytest.raises(CheckpointError, match=r"goes on from .*ckpt-1\."):
        callback.on_train_batch_end(0, {"stop": 1.0})
    assert said == ["SIGTERM: saving first."]
