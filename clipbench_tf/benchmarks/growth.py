"""How the cost grows with the number of texts, captions in the queue, classes, and workers.

A record holds a curve: milliseconds at each size, and the exponent of a power law through the upper
half of the sizes (1: twice the size takes twice as long), ours alone.

- "texts": FILIP's similarity of 16 pictures to the selected words of all replicas' texts, forward
  and backward, in the precision that this machine is fast in.
- "queue": nearest-neighbour supervision of 64 pairs with a queue of captions, float32.
- "classes": the five best classes for 64 encoded pictures, float32.
- "workers": what so many workers on this machine exchange in a step, FILIP's keys of 128 texts of
  each and the gradients of 10 million weights. They share its cores, which copy what a network
  would carry.

`planned` is what the planner expects on its "cpu", where it has costs: operations by its formulas
over the speed of products that it assumes, bytes over that of the link.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from clipbench_tf import hardware
from clipbench_tf.benchmarks.harness.comparison import OURS, compare
from clipbench_tf.benchmarks.harness.contender import Side
from clipbench_tf.benchmarks.harness.measure import Unit
from clipbench_tf.benchmarks.ours.growth import WIDTH
from clipbench_tf.benchmarks.ours.workers import KEYS, WEIGHTS
from clipbench_tf.benchmarks.samples import tokens
from clipbench_tf.planning.costs import communication, devices

_GROWTH = "clipbench_tf.benchmarks.ours.growth"
_WORKERS = "clipbench_tf.benchmarks.ours.workers:exchange"
_SIMILARITY = "clipbench_tf.benchmarks.ours.similarity:gathered"
_PICTURES, _BATCH = 16, 64
_KEYS_BYTES, _GRADIENT_BYTES = 2.0 * math.prod(KEYS), 4.0 * WEIGHTS
QUEUE_OPERATIONS = 2 * 2.0 * _BATCH * WIDTH  # an entry's; a search for each of two text views
_CPU = devices.find("cpu")
_SIZES = {
    "texts": (1024, 2048, 4096, 8192, 16_384, 32_768),
    "queue": (16_384, 65_536, 262_144, 1_048_576),
    "classes": (1000, 10_000, 30_000, 100_000),
    "workers": (1, 2, 4, 8),
}


def cases(repetitions: int = 3) -> Iterator[dict]:
    """Yields a record for each curve."""
    precision = "float32" if hardware.cpu_bfloat16() is None else "bfloat16"
    cosines = 2.0 * _PICTURES * tokens.PATCHES * tokens.SELECTED * tokens.WIDTH
    texts = 3 * cosines  # forward, and the gradients of both sides
    curves: dict[str, tuple[Callable[[int], Side], Callable[[int], float] | None, str]] = {
        "texts": (
            lambda n: Side(_SIMILARITY, {"batch": _PICTURES, "texts": n, "precision": precision}),
            lambda n: _products(texts * n, precision),
            precision,
        ),
        "queue": (
            lambda n: Side(f"{_GROWTH}:queue", {"size": n, "batch": _BATCH}),
            lambda n: _products(QUEUE_OPERATIONS * n, "float32"),
            "float32",
        ),
        "classes": (
            lambda n: Side(f"{_GROWTH}:classes", {"size": n, "batch": _BATCH}),
            None,
            "float32",
        ),
        "workers": (lambda n: Side(_WORKERS, {"workers": n}), _exchange, "bfloat16 and float32"),
    }
    for name, (side, planned, kind) in curves.items():
        yield _curve(name, side, planned, kind, repetitions)


def _products(operations: float, precision: str) -> float:
    """Milliseconds that the planner expects."""
    return 1e3 * operations / (_CPU.peak[precision] * _CPU.matmul_share)


def _exchange(workers: int) -> float:
    """Milliseconds that the planner expects."""
    received = communication.gather(_KEYS_BYTES, workers)
    received += communication.all_reduce(_GRADIENT_BYTES, workers)
    return 1e3 * received / _CPU.link_between(workers)


def _curve(
    name: str,
    side: Callable[[int], Side],
    planned: Callable[[int], float] | None,
    precision: str,
    repetitions: int,
) -> dict[str, Any]:
    sizes, found = _SIZES[name], []
    for size in sizes:
        found.append(
            compare(f"{name}, {size}", Unit("ms"), {OURS: side(size)}, repetitions=repetitions)
        )
    ours = [one["ours"] for one in found]
    same = {key: found[-1][key] for key in ("unit", "repetitions", "cores", "cpu", "accelerators")}
    record = {
        "case": f"{name}, {precision}",
        **same,
        "sizes": list(sizes),
        "ours": ours,
        "range": [one["range"][OURS] for one in found],
        "exponent": exponent(sizes, ours),
        "peak_extra_mb": [one["peak_extra_mb"][OURS] for one in found],
        "versions": found[-1]["versions"],
        "git_commit": found[-1]["git_commit"],
    }
    if planned is not None:
        expected = [float(f"{planned(size):.4g}") for size in sizes]
        record |= {"planned": expected, "planned_exponent": exponent(sizes, expected)}
    return record


def exponent(sizes: Sequence[int], figures: Sequence[float]) -> float:
    """The slope of the logarithms over the upper half of the sizes, by least squares."""
    half = len(sizes) // 2
    slope, _ = np.polyfit(np.log(sizes[half - 1 :]), np.log(figures[half - 1 :]), 1)
    return round(float(slope), 3)
