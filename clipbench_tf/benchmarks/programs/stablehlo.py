"""Writes a compiled TensorFlow function as StableHLO, which JAX runs where TensorFlow is not.

A program NAME is three files: NAME.mlir has the code; NAME.json the facts and how each parameter is
drawn, floats by the mean and standard deviation that they have here; NAME.npz the integers.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


class ProgramError(RuntimeError):
    """A program that cannot be written; the message says why."""


def save(
    function: Callable,
    inputs: Sequence[tf.Tensor],
    folder: Path,
    name: str,
    facts: Mapping[str, Any],
) -> None:
    """Writes `function`, compiled for `inputs`, as the program `name`.

    Weights become parameters: the code takes some hundred kB whatever the model's size.

    Args:
        function: of tensors, to a list of tensors; it may read and write variables.
        inputs: its arguments; also what the program is timed with.
        folder: is made.
        name: of the files.
        facts: for the JSON file, beside "parameters", "results" (how many the function has) and
            "written" (for each further one, the parameter that it replaces: a variable's).

    Raises:
        ProgramError: without JAX, or if XLA cannot compile `function`.
    """
    try:
        from jax._src.lib import xla_client  # no public module of JAX has this conversion
    except ImportError:
        raise ProgramError("Programs are converted by JAX: pip install jax.") from None
    compiled = tf.function(function, jit_compile=True, autograph=False)
    concrete = compiled.get_concrete_function(*inputs)
    try:
        proto = compiled.experimental_get_compiler_ir(*inputs)(stage="hlo_serialized")
    except ValueError as error:
        raise ProgramError(f"XLA cannot compile {name}: {error}") from error
    code, written = _portable(xla_client._xla.mlir.hlo_to_stablehlo(proto))
    variables = {v.handle.ref(): v for v in concrete.graph.variables}
    captured = [
        variables[one.ref()] if one.dtype == tf.resource else one
        for one in concrete.captured_inputs
    ]
    values = [np.asarray(one) for one in [*inputs, *captured]]
    integers = {f"p{i}": value for i, value in enumerate(values) if _stored(value)}
    content = {
        **facts,
        "parameters": [_parameter(value) for value in values],
        "results": len(tf.nest.flatten(concrete.structured_outputs)),
        "written": written,
    }
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath(f"{name}.mlir").write_bytes(code)
    np.savez_compressed(folder / f"{name}.npz", allow_pickle=False, **integers)
    folder.joinpath(f"{name}.json").write_text(json.dumps(content) + "\n", encoding="utf-8")


def _portable(code: bytes) -> tuple[bytes, list[int]]:
    """`code` in StableHLO alone, and which parameter each result that it writes replaces."""
    from jax._src.interpreters import mlir as jax_mlir
    from jax._src.lib.mlir import ir
    from jax._src.lib.mlir.dialects import hlo as stablehlo

    copies: list[ir.Operation] = []

    def collect(operation: ir.Operation) -> ir.WalkResult:
        if operation.name == "mhlo.copy":  # no part of StableHLO: a GPU's plugin refuses it
            copies.append(operation)
        return ir.WalkResult.ADVANCE

    with jax_mlir.make_ir_context():
        module = ir.Module.parse(code)
        module.operation.walk(collect)
        for copy in copies:
            copy.results[0].replace_all_uses_with(copy.operands[0])
            copy.erase()
        aliases = str(module.operation.attributes["mhlo.input_output_alias"])
        pairs = re.findall(r"parameter_number = (\d+).*?output_index = array<i64: (\d+)>", aliases)
        by_result = sorted((int(result), int(parameter)) for parameter, result in pairs)
        # Another version of JAX may read it: of some weeks before, or later.
        release = stablehlo.get_version_from_compatibility_requirement(
            stablehlo.StablehloCompatibilityRequirement.WEEK_4
        )
        binary = stablehlo.serialize_portable_artifact(module, release)
    return binary, [parameter for _, parameter in by_result]


def _stored(value: np.ndarray) -> bool:
    """Whether `value` is stored: ids, labels, masks; not pixels, any of which will do."""
    return value.dtype.kind in "bi" or (value.dtype.kind == "u" and value.dtype != np.uint8)


def _parameter(value: np.ndarray) -> dict[str, Any]:
    known: dict[str, Any] = {"shape": list(value.shape), "dtype": str(value.dtype)}
    if _stored(value) or value.dtype == np.uint8 or not value.size:
        return known
    exact = value.astype(np.float64)
    return known | {"mean": float(exact.mean()), "deviation": float(exact.std())}
