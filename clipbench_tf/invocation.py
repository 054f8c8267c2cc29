"""How this process was started, to tell a user or to start the command that comes next."""

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


def argv_of(name: str) -> list[str]:
    """Program and arguments that start the command `name` as the present one was started."""
    started = Path(sys.argv[0])
    if started.name.startswith("clipbench-"):
        return [str(started.with_name(f"clipbench-{name}"))]
    script = started.with_name(f"{name}.py")
    if not script.is_file():
        script = Path(__file__).parents[1] / "scripts" / f"{name}.py"
    return [sys.executable, str(script)]
