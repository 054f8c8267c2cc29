"""Reads a folder's list of programs, and what JAX tells of compiled code."""

import gzip
import json
import re
from pathlib import Path
from typing import Any, NamedTuple


class Memory(NamedTuple):
    """Bytes of a run.

    Attributes:
        parameters: variables included.
        extra: buffers and results beside them; not what is written into variables.
    """

    parameters: int
    extra: int


def names(folder: Path, only: str) -> list[str]:
    """The programs in `folder` whose names match the regular expression `only`.

    Raises:
        FileNotFoundError: if `folder` holds no programs.
    """
    everything = json.loads(folder.joinpath("programs.json").read_text(encoding="utf-8"))
    return [name for name in everything if re.search(only, name)]


def text(compiled: Any) -> str:
    """The code of `compiled`, loaded or not, as XLA prints it."""
    return "\n".join(module.to_string() for module in compiled.hlo_modules())


def keep(compiled: Any, folder: Path, name: str) -> None:
    """Writes the code of `compiled` to NAME.txt.gz in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath(f"{name}.txt.gz").write_bytes(gzip.compress(text(compiled).encode()))


def memory(compiled: Any) -> Memory:
    """The memory that a run of `compiled` takes."""
    known = compiled.get_compiled_memory_stats()
    results = known.output_size_in_bytes - known.alias_size_in_bytes
    return Memory(known.argument_size_in_bytes, known.temp_size_in_bytes + results)
