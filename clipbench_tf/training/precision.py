"""Which precision a run computes in: bound by hand, kept from its start, or the fastest here."""

import re
from pathlib import Path

from clipbench_tf import config, hardware, moved_names
from clipbench_tf.hardware import Precision

NAME = "strategy.prepare.precision"


def settle(workdir: Path) -> Precision:
    """Puts what 'auto' stands for into the configuration; returns it, and why.

    From then on the configuration that workers compare, and that the run folder keeps, names it: a
    run that goes on on another kind of machine keeps what it began with.
    """
    bound = config.value(NAME, "auto")
    if bound != "auto":
        return Precision(str(bound), "as bound")
    begun = _of_run(workdir)
    settled = (
        Precision(begun, "kept from the beginning of this run") if begun else hardware.fastest()
    )
    config.bind(NAME, settled.policy)
    return settled


def message(settled: Precision) -> str:
    """What a run says first; a second line warns where the processor only imitates bfloat16."""
    line = f"Precision {settled.policy}: {settled.reason}."
    if settled.policy == "mixed_bfloat16" and hardware.imitates_bfloat16():
        line += (
            f"\nWarning: the CPU ({hardware.processor()}) has no bfloat16 instructions; "
            f"TensorFlow imitates them, and float32 is {hardware.FACTOR} as fast: "
            f"{NAME} = 'float32', in another --workdir."
        )
    return line


def _of_run(workdir: Path) -> str | None:
    """The precision in the run folder's config.gin, None where no run has begun."""
    path = workdir / config.RUN_CONFIG
    text = moved_names.translated(path.read_text(encoding="utf-8")) if path.is_file() else ""
    found = re.search(rf"^{re.escape(NAME)} = '(\w+)'", text, flags=re.MULTILINE)
    return found[1] if found else None
