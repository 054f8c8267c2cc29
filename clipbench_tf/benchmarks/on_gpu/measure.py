"""Times programs and their peers in turns, within a time limit."""

import functools
import gzip
import importlib.metadata
import importlib.util
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from clipbench_tf.benchmarks.on_gpu.program import Program
from clipbench_tf.planning.costs.devices import DEVICES

ROUNDS = 5
_SECONDS = 0.2  # of a figure at least: runs are repeated until then
_MOST_RUNS = 50
_THREADS = 8  # that compile at once

Peer = Callable[[str], Callable[[], object]]  # a device of PyTorch -> what is timed there


def measure(
    folder: Path, *, seconds: float, only: str = "", code: Path | None = None
) -> Iterator[dict[str, Any]]:
    """Yields a record for each program in `folder`; the last names those that were left out.

    Programs with a peer come first, one at a time. The others are compiled together.

    Args:
        seconds: after which no further program is begun.
        only: a regular expression that names match.
        code: where the compiled code is written, for reading.

    Raises:
        FileNotFoundError: if `folder` holds no programs.
    """
    start = time.monotonic()
    names = [
        name
        for name in json.loads(folder.joinpath("programs.json").read_text(encoding="utf-8"))
        if re.search(only, name)
    ]
    programs = [Program(folder, name) for name in names]
    beside = {one.name: peers(one) for one in programs}
    compared = [one for one in programs if beside[one.name]]
    alone = [one for one in programs if not beside[one.name]]
    left_out = []
    for one in compared:
        if time.monotonic() - start > seconds:
            left_out.append(one.name)
            continue
        yield _safely(one, functools.partial(_measured, one, beside[one.name], code))
    with ThreadPoolExecutor(_THREADS) as pool:
        ready = [(one, pool.submit(_compile_before, one, start + seconds)) for one in alone]
        done = [(one, future.exception() or future.result()) for one, future in ready]
    for one, outcome in done:
        if outcome is False or time.monotonic() - start > seconds:
            left_out.append(one.name)
        elif isinstance(outcome, BaseException):
            yield {"case": one.name, "error": _line(outcome)}
        else:
            yield _safely(one, functools.partial(_measured, one, {}, code))
    yield {"case": "left out", "programs": left_out, "seconds": round(time.monotonic() - start)}


def peers(program: Program) -> dict[str, Peer]:
    """What is timed beside `program`, by name; nothing without PyTorch."""
    if importlib.util.find_spec("torch") is None:
        return {}
    precision = program.facts["precision"]
    if "sizes" in program.facts:
        from clipbench_tf.benchmarks.on_gpu.torch_similarity import similarity

        sizes = program.facts["sizes"]
        made = functools.partial(similarity, **sizes, precision=precision)
    elif program.name.startswith("step_clip_vit"):
        from clipbench_tf.benchmarks.on_gpu.torch_clip import step

        made = functools.partial(step, program.facts["count"], precision)
    else:
        return {}
    return {
        "torch": lambda device: made(compiled=False, device=device),
        "torch_compiled": lambda device: made(compiled=True, device=device),
    }


def _compile_before(program: Program, end: float) -> bool:
    if time.monotonic() > end:
        return False
    program.compile()
    return True


def _safely(program: Program, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The record of `run`, or one that names the error: the other programs go on."""
    try:
        return run()
    except Exception as error:
        return {"case": program.name, "error": _line(error)}
    finally:
        program.free()


def _measured(program: Program, beside: dict[str, Peer], code: Path | None) -> dict[str, Any]:
    if not program.compile_seconds:
        program.compile()
    program.load()
    if code is not None:
        code.mkdir(parents=True, exist_ok=True)
        code.joinpath(f"{program.name}.txt.gz").write_bytes(gzip.compress(program.code().encode()))
    finite = program.finite()
    timed: dict[str, Callable[[int], float]] = {"ours": program.seconds}
    extra: dict[str, int | None] = {"ours": program.memory()}
    errors = {}
    for name, made in beside.items():
        try:
            timed[name], extra[name] = _torch(made)
        except Exception as error:  # it may need more memory than there is
            errors[name] = _line(error)
    runs = {name: _runs(seconds) for name, seconds in timed.items()}
    figures: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(ROUNDS):
        for name, seconds in timed.items():
            figures[name].append(1e3 * seconds(runs[name]))
    medians = {name: statistics.median(found) for name, found in figures.items()}
    facts = {k: v for k, v in program.facts.items() if k not in ("parameters", "results")}
    return {
        "case": program.name,
        "milliseconds": {name: round(value, 3) for name, value in medians.items()},
        "range": {k: [round(min(v), 3), round(max(v), 3)] for k, v in figures.items()},
        "times_ours": {n: round(v / medians["ours"], 3) for n, v in medians.items() if n != "ours"},
        "extra_mb": {name: size and round(size / 1e6, 1) for name, size in extra.items()},
        "share_of_peak": _share(program, medians["ours"]),
        "finite": finite,
        "compile_seconds": round(program.compile_seconds, 1),
        "operations": program.operations(),
        **({"errors": errors} if errors else {}),
        **facts,
        **_versions(program),
    }


def _torch(made: Peer) -> tuple[Callable[[int], float], int | None]:
    """What times a peer, and the bytes that a run of it takes beside inputs and weights."""
    import torch

    there = torch.cuda.is_available()
    run = made("cuda" if there else "cpu")

    def seconds(runs: int) -> float:
        start = time.perf_counter()
        for _ in range(runs):
            run()
        if there:
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / runs

    seconds(2)  # compiles
    if not there:
        return seconds, None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    seconds(1)
    return seconds, torch.cuda.max_memory_allocated() - before


def _runs(seconds: Callable[[int], float]) -> int:
    seconds(1)
    return max(1, min(_MOST_RUNS, round(_SECONDS / max(seconds(1), 1e-6))))


def _share(program: Program, milliseconds: float) -> float | None:
    """Operations a second over the device's peak by its data sheet, if that is known."""
    kind = program.device.device_kind.lower()
    known = [device for name, device in DEVICES.items() if name.split("-")[0] in kind.split()]
    if not known or "flops" not in program.facts:
        return None
    peak = known[0].peak[program.facts["precision"]]
    return round(program.facts["flops"] / (milliseconds / 1e3) / peak, 4)


def _versions(program: Program) -> dict[str, Any]:
    versions = {}
    for name in ("jax", "jaxlib", "torch"):
        if importlib.util.find_spec(name) is not None:
            versions[name] = importlib.metadata.version(name)
    return {"device": program.device.device_kind, "versions": versions}


def _line(error: BaseException) -> str:
    """The first line of what went wrong."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"[
        :300
    ]
