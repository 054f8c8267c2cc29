"""How this process was started, for messages that tell a user which command comes next."""

import sys
from pathlib import Path


def command(name: str) -> str:
    """The command `name`, in the form in which the present one was started."""
    if Path(sys.argv[0]).name.startswith("clipbench-"):
        return f"clipbench-{name}"
    return f"python scripts/{name}.py"
