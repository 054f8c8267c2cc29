"""A run's precision is settled once: by hand, by the hardware, or by how the run began."""

import pytest

from clipbench_tf import config, hardware
from clipbench_tf.hardware import Precision
from clipbench_tf.training import precision

OTHERS = {"mixed_bfloat16": "float32", "float32": "mixed_bfloat16"}


def parse(*bindings: str) -> None:
    config.parse(["clip.gin"], bindings)


@pytest.fixture(params=OTHERS)
def fastest(request, monkeypatch) -> str:
    monkeypatch.setattr(hardware, "fastest", lambda: Precision(request.param, "it is made up"))
    return request.param


def test_auto_is_what_the_hardware_is_fastest_in_and_the_configuration_says_so(fastest, tmp_path):
    parse()
    assert config.value(precision.NAME) == "auto"
    assert precision.settle(tmp_path).policy == fastest
    assert config.value(precision.NAME) == fastest
    # Workers compare this text, so that unlike ones find out before they start.
    assert f"{precision.NAME} = '{fastest}'" in config.bound()
    assert "'auto'" not in config.bound()


def test_a_run_keeps_what_it_began_with(fastest, tmp_path):
    (tmp_path / "config.gin").write_text(f"{precision.NAME} = '{OTHERS[fastest]}'\nseed = 3\n")
    parse()
    settled = precision.settle(tmp_path)
    assert settled.policy == OTHERS[fastest] == config.value(precision.NAME)
    assert "kept from the beginning" in precision.message(settled)


def test_what_is_bound_by_hand_wins(fastest, tmp_path):
    (tmp_path / "config.gin").write_text(f"{precision.NAME} = '{fastest}'\n")
    parse(f"{precision.NAME} = '{OTHERS[fastest]}'")
    assert precision.settle(tmp_path) == Precision(OTHERS[fastest], "as bound")
    assert config.value(precision.NAME) == OTHERS[fastest]


@pytest.mark.parametrize(("policy", "lines"), [("mixed_bfloat16", 2), ("float32", 1)])
def test_imitated_bfloat16_is_warned_of_in_one_line(monkeypatch, policy, lines):
    monkeypatch.setattr(hardware, "cpu_bfloat16", lambda: None)
    said = precision.message(Precision(policy, "as bound")).splitlines()
    assert len(said) == lines and policy in said[0]
    assert lines == 1 or ("5 to 10 times" in said[1] and "float32" in said[1])
    monkeypatch.setattr(hardware, "cpu_bfloat16", lambda: "amx_bf16")
    assert len(precision.message(Precision(policy, "as bound")).splitlines()) == 1
