"""A program in StableHLO, compiled and run by JAX."""

import json
import re
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax._src.lib import xla_client  # no public module of JAX compiles StableHLO as it is

from clipbench_tf.benchmarks.on_gpu import reading

jax.config.update("jax_enable_x64", True)  # otherwise int64 parameters would become int32

_DRAWN = 1_000_003  # random numbers for floats; a prime, so that repeats give no equal rows


class Program:
    """The program `name` of `folder`, which `scripts/gpu/export_programs.py` wrote.

    Attributes:
        facts: of its JSON file.
        device: that it runs on, JAX's first.
        compile_seconds: 0 before `compile`.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self._folder = name, folder
        self.facts = json.loads(folder.joinpath(f"{name}.json").read_text(encoding="utf-8"))
        self.device = jax.devices()[0]
        self.compile_seconds = 0.0
        self._executable: Any = None
        self._arguments: list[jax.Array] = []

    def compile(self) -> None:
        """Compiles it; several may at once, in threads."""
        start = time.perf_counter()
        code = self._folder.joinpath(f"{self.name}.mlir").read_bytes()
        devices = xla_client.DeviceList((self.device,))
        self._executable = self.device.client.compile_and_load(
            code, devices, xla_client.CompileOptions()
        )
        self.compile_seconds = time.perf_counter() - start

    def load(self) -> None:
        """Puts its parameters on the device."""
        stored = np.load(self._folder / f"{self.name}.npz")
        draw = np.random.default_rng(0)
        normal = draw.standard_normal(_DRAWN, np.float32)
        for number, one in enumerate(self.facts["parameters"]):
            known = f"p{number}" in stored
            value = stored[f"p{number}"] if known else _drawn(draw, normal, one)
            self._arguments.append(jax.device_put(value, self.device))

    def free(self) -> None:
        """Forgets parameters and code."""
        self._arguments, self._executable = [], None

    def arguments(self) -> list[np.ndarray]:
        """The parameters' values."""
        return [np.asarray(one) for one in self._arguments]

    def start(self) -> list[jax.Array]:
        """Starts one run; its results, which may not be there yet.

        What it writes into variables is a parameter of the next run.
        """
        shards = self._executable.execute_sharded(self._arguments)
        results = [one[0] for one in shards.disassemble_into_single_device_arrays()]
        count = self.facts["results"]
        for number, value in zip(self.facts["written"], results[count:], strict=True):
            self._arguments[number] = value
        return results[:count]

    def seconds(self, runs: int) -> float:
        """Seconds of a run, of so many one after the other."""
        start = time.perf_counter()
        for _ in range(runs):
            results = self.start()
        jax.block_until_ready(results)
        return (time.perf_counter() - start) / runs

    def finite(self) -> bool:
        """Whether all its results are finite floats."""
        results = self.start()
        floats = [r for r in results if jax.numpy.issubdtype(r.dtype, jax.numpy.floating)]
        # By NumPy: XLA would compile a program for each shape.
        return all(np.isfinite(np.asarray(r).astype(np.float32)).all() for r in floats)

    def memory(self) -> reading.Memory:
        """What a run takes."""
        return reading.memory(self._executable)

    def keep_code(self, folder: Path) -> None:
        """Writes the compiled code to a file of its name in `folder`."""
        reading.keep(self._executable, folder, self.name)

    def operations(self) -> dict[str, int]:
        """How often each kind of operation stands in the compiled code, fused ones too."""
        counts: dict[str, int] = {}
        for found in re.finditer(
            r"^\s*(?:ROOT )?%\S+ = .*?[\]})] ([a-z][a-z0-9-]*)\(",
            reading.text(self._executable),
            re.M,
        ):
            counts[found[1]] = counts.get(found[1], 0) + 1
        return counts


def _drawn(draw: np.random.Generator, normal: np.ndarray, one: dict[str, Any]) -> np.ndarray:
    """A parameter as its facts say: pixels, or floats with their mean and deviation.

    Args:
        normal: numbers to be repeated, as millions of their own would take seconds.
    """
    dtype = jax.numpy.dtype(one["dtype"])
    if dtype == np.uint8:
        return draw.integers(0, 256, one["shape"], np.uint8)
    numbers = np.resize(normal, one["shape"]) * np.float32(one.get("deviation", 0.0))
    return (numbers + np.float32(one.get("mean", 0.0))).astype(dtype)
