"""The environment of a result: hardware, package versions, git commit."""

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import tensorflow as tf

import clipbench_tf
from clipbench_tf import hardware

PACKAGES = (
    "tensorflow",
    "keras",
    "keras-hub",
    "tensorflow-text",
    "numpy",
    "gin-config",
    "pillow",
)


def environment() -> dict:
    """The environment as JSON values; no host names, no paths."""
    return {"hardware": _hardware(), "packages": packages(), "git_commit": commit()}


def write(record: dict, path: Path) -> None:
    """Writes `record` as JSON to `path`, atomically."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, path)


def _hardware() -> dict:
    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus]
    return {
        "cpu": hardware.processor(),
        "instructions": hardware.instructions(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "accelerators": [name or "unknown" for name in names],
    }


def packages() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on, where installed."""
    versions = {"python": platform.python_version(), "clipbench_tf": clipbench_tf.__version__}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # an optional one, such as gin where only the library is used
    return versions


def commit() -> str | None:
    """The commit of the checkout that runs, with "-dirty" if it was changed; None without one.

    If the package is installed outside the checkout, the checkout is that of the main script.
    """
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    for file in (clipbench_tf.__file__, main):
        if file and _git(file, "ls-files", "--error-unmatch", Path(file).name):
            name = _git(file, "describe", "--always", "--abbrev=40", "--exclude=*")
            # Not `describe --dirty`, which writes the index: a process killed then leaves its lock.
            changed = _git(file, "--no-optional-locks", "status", "--short", "--untracked=no")
            return f"{name}-dirty" if name and changed else name
    return None


def _git(file: str, *arguments: str) -> str | None:
    """Output of a git command in the folder of `file`, None if it fails."""
    folder = Path(file).resolve().parent
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
