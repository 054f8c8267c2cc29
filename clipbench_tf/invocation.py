"""How this process was started, for messages that tell a user which command comes next."""

import shlex
import sys
from pathlib import Path


def command(name: str) -> str:
    """The command `name`, in the form in which the present one was started."""
    started = Path(sys.argv[0])
    if started.name.startswith("clipbench-"):
        return f"clipbench-{name}"
    folder = started.parent if started.parent.name == "scripts" else Path("scripts")
    return f"python {shlex.quote(str(folder / name))}.py"
