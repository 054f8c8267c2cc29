"""The benchmarks by name, and their options: the keywords of each one's `cases`."""

import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

NAMES = (
    "similarity",
    "training_step",
    "tokenizer",
    "input_pipeline",
    "preparation",
    "reading",
    "zero_shot",
    "serving",
    "growth",
)


class BenchmarkError(ValueError):
    """A benchmark or an option that does not exist; the message lists those that do."""


def cases(name: str, options: Mapping[str, Any]) -> Iterator[dict]:
    """Runs benchmark `name`; yields the record of each case as soon as it is measured.

    Raises:
        BenchmarkError: for an unknown name, or an option that the benchmark does not have.
    """
    if name not in NAMES:
        raise BenchmarkError(f"There is no benchmark {name!r}; choose one of {', '.join(NAMES)}.")
    function = importlib.import_module(f"{__package__}.{name}").cases
    known = list(inspect.signature(function).parameters)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise BenchmarkError(
            f"Benchmark {name} has no --{unknown[0]}; it has {', '.join('--' + k for k in known)}."
        )
    return ({"benchmark": name} | one for one in function(**options))
