"""The precision that each kind of machine is fastest in, from what its system says of it."""

import pytest
import tensorflow as tf

from clipbench_tf import hardware

AVX2 = "fpu sse4_2 avx avx2 fma bmi2 sha_ni vaes"
MACHINES = {
    "AMD EPYC 7B13 (Milan)": (f"model name\t: AMD EPYC 7B13\nflags\t\t: {AVX2}\n", None),
    "AMD EPYC (Genoa)": (
        f"model name\t: AMD EPYC\nflags\t\t: {AVX2} avx512f avx512_bf16 avx512_vnni\n",
        "avx512_bf16",
    ),
    "Intel Xeon (Sapphire Rapids)": (
        f"model name\t: Intel Xeon\nflags\t\t: {AVX2} avx512f avx512_bf16 amx_bf16 amx_tile\n",
        "amx_bf16",
    ),
    "Intel Xeon (Cascade Lake)": (
        f"model name\t: Intel Xeon\nflags\t\t: {AVX2} avx512f avx512_vnni\n"
        "vmx flags\t: ept\nbugs\t\t: avx512_bf16\n",
        None,
    ),
    "Graviton3": ("Features\t: fp asimd sve asimdhp i8mm bf16 dgh rng\n", "bf16"),
    "Graviton2": ("Features\t: fp asimd asimdhp asimddp\n", None),
    "a system that says nothing": ("", None),
}


@pytest.fixture(params=MACHINES)
def machine(request, monkeypatch, tmp_path):
    text, instructions = MACHINES[request.param]
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(hardware, "_CPUINFO", tmp_path / "cpuinfo")
    return request.param, instructions


def test_a_cpu_is_fastest_in_what_it_multiplies(machine):
    name, instructions = machine
    assert hardware.cpu_bfloat16() == instructions
    precision = hardware.fastest()
    assert precision.policy == ("mixed_bfloat16" if instructions else "float32")
    assert hardware.imitates_bfloat16() == (instructions is None)
    assert (instructions or "no bfloat16 instructions") in precision.reason
    if "(" in name:
        assert hardware.processor() in name and hardware.processor() in precision.reason


def test_the_vector_instructions_of_a_cpu_are_those_that_it_lists(machine):
    found = hardware.instructions()
    name, bfloat16 = machine
    expected = {
        "AMD EPYC 7B13 (Milan)": ["avx2", "fma"],
        "AMD EPYC (Genoa)": ["avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16"],
        "Intel Xeon (Sapphire Rapids)": ["avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16"],
        "Intel Xeon (Cascade Lake)": ["avx2", "fma", "avx512f", "avx512_vnni"],
        "Graviton3": ["asimd", "sve", "i8mm", "bf16"],
        "Graviton2": ["asimd"],
        "a system that says nothing": [],
    }
    assert found == expected[name]
    assert bfloat16 is None or bfloat16 in found


def test_without_a_list_of_instructions_it_is_float32(monkeypatch, tmp_path):
    monkeypatch.setattr(hardware, "_CPUINFO", tmp_path / "none")
    assert hardware.fastest().policy == "float32"


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [([(8, 0)], "mixed_bfloat16"), ([(7, 0)], "float32"), ([(9, 0), (7, 5)], "float32")],
)
def test_gpus_decide_where_there_are_any_and_the_oldest_of_them(monkeypatch, capabilities, policy):
    devices = [tf.config.PhysicalDevice(f"GPU:{i}", "GPU") for i in range(len(capabilities))]
    details = dict(zip(devices, capabilities, strict=True))
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: devices)
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda gpu: {"compute_capability": details[gpu], "device_name": "made up"},
    )
    assert hardware.fastest().policy == policy
    assert "made up" in hardware.fastest().reason
    assert not hardware.imitates_bfloat16()
