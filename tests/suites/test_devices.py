"""How runs share GPUs and cores."""

import os

import pytest

from clipbench_tf.distribution import launcher
from clipbench_tf.suites import devices
from clipbench_tf.suites.suite import SuiteError


@pytest.fixture
def machine(monkeypatch):
    """Sets the GPUs and the cores that there are."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def of(gpus: int, cores: int) -> None:
        monkeypatch.setattr(launcher, "_count_gpus", lambda: gpus)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))

    return of


def test_every_gpu_has_a_run_unless_told_otherwise(machine):
    machine(4, 64)
    gpus = "CUDA_VISIBLE_DEVICES"
    assert [slot.variables for slot in devices.slots(0)] == [{gpus: str(n)} for n in range(4)]
    assert [slot.variables for slot in devices.slots(2)] == [{gpus: "0,1"}, {gpus: "2,3"}]
    with pytest.raises(SuiteError, match="--parallel=5 is more than the 4 GPUs"):
        devices.slots(5)


def test_those_that_the_user_chose_are_shared(machine, monkeypatch):
    machine(8, 64)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    found = [slot.variables["CUDA_VISIBLE_DEVICES"] for slot in devices.slots(0)]
    assert found == ["5", "7"]


def test_cores_are_shared_where_there_are_no_gpus(machine, monkeypatch):
    machine(0, 5)
    assert [slot.cores for slot in devices.slots(0)] == [frozenset(range(5))]
    assert [slot.cores for slot in devices.slots(2)] == [{0, 1}, {2, 3}]
    with pytest.raises(SuiteError, match="--parallel=6 is more than the 5 cores"):
        devices.slots(6)
    machine(3, 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert [slot.cores for slot in devices.slots(2)] == [{0}, {1}]
