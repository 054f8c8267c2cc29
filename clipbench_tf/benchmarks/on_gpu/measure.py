"""Times programs and their peers in turns, within a time limit."""

import functools
import importlib.metadata
import importlib.util
import re
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax

from clipbench_tf.benchmarks.on_gpu import reading
from clipbench_tf.benchmarks.on_gpu.program import Program
from clipbench_tf.planning.costs.devices import DEVICES

ROUNDS = 5
_SECONDS = 0.2  # of a figure at least: runs are repeated until then
_MOST_RUNS = 50
_AT_ONCE = 8  # programs that are compiled together

Run = Callable[[], object]
Peer = Callable[[str], Run]  # a device of PyTorch -> what is timed there
Timer = Callable[[int], float]  # so many runs -> seconds of one


class DeviceError(RuntimeError):
    """JAX does not see this machine's GPU; the message says so."""


def measure(
    folder: Path, *, seconds: float, only: str = "", code: Path | None = None
) -> Iterator[dict[str, Any]]:
    """Yields a record for each program in `folder`; the last names those that were left out.

    Programs with a peer come first, one at a time. The others are compiled some at a time, and
    those measured before more are compiled.

    Args:
        seconds: after which no further program is begun, nor some that would take longer than
            others did.
        only: a regular expression that names match.
        code: where the compiled code is written, for reading.

    Raises:
        FileNotFoundError: if `folder` holds no programs.
        DeviceError: if PyTorch sees a GPU and JAX does not.
    """
    start = time.monotonic()
    names = reading.names(folder, only)
    _check_device()
    compared = [name for name in names if _has_peer(name)]
    alone = [name for name in names if not _has_peer(name)]
    groups = [[name] for name in compared]
    groups += [alone[i : i + _AT_ONCE] for i in range(0, len(alone), _AT_ONCE)]
    left_out = []
    longest = {True: 0.0, False: 0.0}  # seconds of a group so far, with peers and without
    for group in groups:
        beside = _has_peer(group[0])
        begun = time.monotonic()
        if begun - start + longest[beside] > seconds:
            left_out += group
            continue
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            ready = list(pool.map(functools.partial(_compiled, folder), group))
        for name, done in zip(group, ready, strict=True):
            if isinstance(done, str):
                yield {"case": name, "error": done}
            else:
                yield _measured(done, code)
        longest[beside] = max(longest[beside], time.monotonic() - begun)
    yield {"case": "left out", "programs": left_out, "seconds": round(time.monotonic() - start)}


def _check_device() -> None:
    """Otherwise JAX's runs would be its CPU's, beside PyTorch's of the GPU."""
    if jax.devices()[0].platform == "cpu" and _torch_sees_gpu():
        raise DeviceError("JAX sees no GPU, PyTorch does; install JAX for it: jax[cuda12].")


def _torch_sees_gpu() -> bool:
    try:
        import torch
    except (ImportError, OSError):  # a library of it may be missing
        return False
    return torch.cuda.is_available()


def _has_peer(name: str) -> bool:
    return name.startswith(("similarity_", "step_clip_vit"))


def peers(program: Program) -> dict[str, Peer]:
    """What is timed beside `program`, by name; nothing without PyTorch."""
    if not _has_peer(program.name) or importlib.util.find_spec("torch") is None:
        return {}
    precision = program.facts["precision"]

    def made(device: str, compiled: bool) -> Run:
        if "sizes" in program.facts:
            from clipbench_tf.benchmarks.on_gpu.torch_similarity import similarity

            sizes = program.facts["sizes"]
            return similarity(**sizes, precision=precision, compiled=compiled, device=device)
        from clipbench_tf.benchmarks.on_gpu.torch_clip import step

        return step(program.facts["count"], precision, compiled, device)

    return {
        "torch": functools.partial(made, compiled=False),
        "torch_compiled": functools.partial(made, compiled=True),
    }


def _compiled(folder: Path, name: str) -> Program | str:
    """The program, or what went wrong: the others go on."""
    try:
        program = Program(folder, name)
        program.compile()
    except Exception as error:
        return _line(error)
    return program


def _measured(program: Program, code: Path | None) -> dict[str, Any]:
    """The record of a compiled program, or one that names the error; frees what it took."""
    try:
        if code is not None:
            program.keep_code(code)
        return _record(program)
    except Exception as error:
        return {"case": program.name, "error": _line(error)}
    finally:
        program.free()
        if _torch_sees_gpu():
            import torch

            torch.cuda.empty_cache()


def _record(program: Program) -> dict[str, Any]:
    program.load()
    memory = program.memory()
    finite = program.finite()
    timers: dict[str, Timer] = {"ours": program.seconds}
    extra: dict[str, int | None] = {"ours": memory.extra}
    errors: dict[str, str] = {}
    for name, made in peers(program).items():
        try:
            timers[name], extra[name] = _torch(made)
        except Exception as error:  # it may need more memory than there is
            errors[name] = _line(error)
    figures = _in_turns(timers, errors)
    medians = {name: statistics.median(found) for name, found in figures.items()}
    facts = {k: v for k, v in program.facts.items() if k not in ("parameters", "results")}
    return {
        "case": program.name,
        "milliseconds": {name: round(value, 3) for name, value in medians.items()},
        "range": {k: [round(min(v), 3), round(max(v), 3)] for k, v in figures.items()},
        "times_ours": {n: round(v / medians["ours"], 3) for n, v in medians.items() if n != "ours"},
        "parameters_mb": round(memory.parameters / 1e6, 1),
        "extra_mb": {name: size and round(size / 1e6, 1) for name, size in extra.items()},
        "share_of_peak": _share(program, medians["ours"]),
        "finite": finite,
        "compile_seconds": round(program.compile_seconds, 1),
        "operations": program.operations(),
        **({"errors": errors} if errors else {}),
        **facts,
        **_versions(program),
    }


def _in_turns(timers: dict[str, Timer], errors: dict[str, str]) -> dict[str, list[float]]:
    """Milliseconds of a run, `ROUNDS` figures by name; a peer that fails is named in `errors`."""
    runs: dict[str, int] = {}
    figures: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(ROUNDS):
        for name in list(figures):
            try:
                runs[name] = runs.get(name) or _runs(timers[name])
                figures[name].append(1e3 * timers[name](runs[name]))
            except Exception as error:
                if name == "ours":
                    raise
                errors[name] = _line(error)
                del figures[name]
    return figures


def _torch(made: Peer) -> tuple[Timer, int | None]:
    """What times a peer, and the bytes that a run of it takes beside inputs and weights."""
    import torch

    there = _torch_sees_gpu()
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


def _runs(seconds: Timer) -> int:
    seconds(1)
    return max(1, min(_MOST_RUNS, round(_SECONDS / max(seconds(1), 1e-6))))


def _share(program: Program, milliseconds: float) -> float | None:
    """Operations a second over the device's peak by its data sheet, if that is known."""
    words = re.split(r"[\s-]", program.device.device_kind.lower())
    known = [device for name, device in DEVICES.items() if name.split("-")[0] in words]
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
