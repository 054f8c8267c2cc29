"""The precision of a run: bound by hand, kept from its beginning, or the fastest here."""

import re
from pathlib import Path

from clipbench_tf import config, hardware
from clipbench_tf.hardware import Precision

NAME = "strategy.prepare.precision"


def settle(workdir: Path) -> Precision:
    """Replaces 'auto' in the configuration by a precision; returns it and the reason.

    The configuration that workers compare, and that the run folder keeps, then names it: a run
    that is resumed on another kind of machine keeps its precision.
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
    """The first line of a run's output; a second one warns where bfloat16 is emulated."""
    line = f"Precision {settled.policy}: {settled.reason}."
    if settled.policy == "mixed_bfloat16" and hardware.imitates_bfloat16():
        line += (
            f"\nWarning: the CPU ({hardware.processor()}) has no bfloat16 instructions; "
            f"TensorFlow emulates them, and float32 is {hardware.FACTOR} as fast: "
            f"{NAME} = 'float32', in another --workdir."
        )
    return line


def _of_run(workdir: Path) -> str | None:
    """The precision in the run folder's config.gin, None where no run has begun."""
    text = config.saved(workdir) or ""
    found = re.search(rf"^{re.escape(NAME)} = '(\w+)'", text, flags=re.MULTILINE)
    return found[1] if found else None
