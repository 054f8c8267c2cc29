"""This machine's processor and GPUs, and the precision that they are fastest in."""

import contextlib
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

FACTOR = "5 to 10 times"  # float32 over imitated bfloat16: 57 to 5-11 pairs/s on an AMD EPYC Milan
# Vector instructions, as Linux calls them, that decide how fast a model runs: of x86, and of Arm.
_X86 = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
VECTOR = (*_X86, "asimd", "sve", "i8mm", "bf16")
_assumed = False  # whether `assumed_gpu` holds
_CPUINFO = Path("/proc/cpuinfo")
_GPU_CAPABILITY = (8, 0)  # of the first NVIDIA GPU with bfloat16 arithmetic, the A100


class Precision(NamedTuple):
    """A Keras dtype policy, and the reason for it."""

    policy: str
    reason: str


def fastest() -> Precision:
    """mixed_bfloat16 if the devices that train have arithmetic for it, else float32.

    These are all visible GPUs, or the CPU if there is none. Initialises no device.
    """
    gpus = tf.config.get_visible_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    for detail in details:
        if detail.get("compute_capability", (0, 0)) < _GPU_CAPABILITY:
            return Precision("float32", f"{_gpu(detail)} has no bfloat16 arithmetic")
    if details:
        return Precision("mixed_bfloat16", f"{_gpu(details[0])} has bfloat16 arithmetic")
    instructions = cpu_bfloat16()
    if instructions is None:
        return Precision("float32", f"the CPU ({processor()}) has no bfloat16 instructions")
    return Precision("mixed_bfloat16", f"the CPU ({processor()}) has {instructions}")


def on_gpu() -> bool:
    """Whether models compute on a GPU, so that code takes the form that is fast there."""
    return _assumed or bool(tf.config.list_logical_devices("GPU"))


@contextlib.contextmanager
def assumed_gpu() -> Iterator[None]:
    """In this context `on_gpu` is true: for programs that are compiled here, to run elsewhere.

    Functions keep the form in which they were traced first: enter it before anything else.
    """
    global _assumed
    _assumed = True
    try:
        yield
    finally:
        _assumed = False


def imitates_bfloat16() -> bool:
    """Whether bfloat16 products run on a CPU without instructions for them."""
    return not tf.config.get_visible_devices("GPU") and cpu_bfloat16() is None


def cpu_bfloat16() -> str | None:
    """The CPU's instructions that multiply bfloat16, as Linux calls them; None where it has none.

    x86 has avx512_bf16 or amx_bf16, Arm bf16. None too where /proc/cpuinfo does not list them.
    """
    known = [name for name in ("amx_bf16", "avx512_bf16", "bf16") if name in _flags()]
    return known[0] if known else None


def instructions() -> list[str]:
    """Those of `VECTOR` that the CPU has; empty too where /proc/cpuinfo does not list them."""
    flags = _flags()
    return [name for name in VECTOR if name in flags]


def processor() -> str:
    """The CPU's name."""
    names = re.findall(r"^model name\s*:\s*(.*)$", _cpuinfo(), flags=re.MULTILINE)
    return names[0].strip() if names else platform.machine()


def _flags() -> set[str]:
    """The CPU's features, as Linux calls them."""
    flags = re.findall(r"^(?:flags|Features)\s*:(.*)$", _cpuinfo(), flags=re.MULTILINE)
    return set(flags[0].split()) if flags else set()


def _cpuinfo() -> str:
    return _CPUINFO.read_text(encoding="utf-8") if _CPUINFO.exists() else ""


def _gpu(detail: dict) -> str:
    return f"the GPU ({detail.get('device_name', 'unknown')})"
