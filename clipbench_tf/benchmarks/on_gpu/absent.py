"""Compiles programs for a GPU that is not there, and counts what their code needs."""

import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clipbench_tf.benchmarks.on_gpu import reading
from clipbench_tf.benchmarks.on_gpu.traffic import count

# What XLA asks of a GPU, by NVIDIA's data sheets and the CUDA programming guide.
_SAME = (
    "threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152 "
    "threads_per_core_limit: 2048 block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 "
    "block_dim_limit_z: 65535 registers_per_core_limit: 65536 registers_per_block_limit: 65536 "
)
GPUS = {
    "a100": _SAME + "shared_memory_per_core: 167936 shared_memory_per_block_optin: 166912 "
    "core_count: 108 fpus_per_core: 64 memory_bandwidth: 2039000000000 l2_cache_size: 41943040 "
    "clock_rate_ghz: 1.41 device_memory_size: 85899345920 cuda_compute_capability { major: 8 }",
    "h100": _SAME + "shared_memory_per_core: 233472 shared_memory_per_block_optin: 232448 "
    "core_count: 132 fpus_per_core: 128 memory_bandwidth: 3350000000000 l2_cache_size: 52428800 "
    "clock_rate_ghz: 1.98 device_memory_size: 85899345920 cuda_compute_capability { major: 9 }",
}
_PLUGINS = "jax_cuda12_plugin", "jax_cuda13_plugin"


class AbsentError(RuntimeError):
    """Nothing can be compiled for a GPU here; the message says why."""


def compile_all(
    folder: Path, gpu: str, *, only: str = "", code: Path | None = None
) -> Iterator[dict[str, Any]]:
    """Yields a record for each program in `folder`, compiled for `gpu` of `GPUS`.

    FILIP's similarities have one of the naive form beside them, as XLA compiles it. XLA chooses
    kernels for products by timing them, where there is a GPU; here it takes the first that will do.
    So memory and traffic are near those of a GPU, and nothing is said of time.

    Args:
        only: a regular expression that names match.
        code: where the compiled code is written, for reading.

    Raises:
        FileNotFoundError: if `folder` holds no programs.
        AbsentError: without JAX's CUDA plugin, or if no name matches.
    """
    wanted = reading.names(folder, only)
    if not wanted:
        there = ", ".join(reading.names(folder, ""))
        raise AbsentError(f"No program's name matches {only!r}; there are {there}.")
    device = _device(gpu)
    for name in wanted:
        facts = json.loads(folder.joinpath(f"{name}.json").read_text(encoding="utf-8"))
        compiled = _compiled(folder.joinpath(f"{name}.mlir").read_bytes(), device)
        if code is not None:
            reading.keep(compiled, code, name)
        record = {"case": name, "gpu": gpu, **_counted(compiled)}
        if "sizes" in facts:
            record["naive"] = _counted(_compiled(_naive(device, facts["parameters"]), device))
        planned = facts.get("planned_bytes")
        yield record | ({"planned_mb": round(planned / 1e6, 1)} if planned else {}) | _version()


def _device(gpu: str) -> Any:
    if not any(importlib.util.find_spec(name) for name in _PLUGINS):
        raise AbsentError("JAX's CUDA plugin compiles for a GPU: pip install 'jax[cuda12]'.")
    os.environ["JAX_SKIP_CUDA_CONSTRAINTS_CHECK"] = "1"  # it would ask the driver, which is absent
    from jax.experimental import topologies

    config = (
        f'gpu_device_info {{ {GPUS[gpu]} }} platform_name: "CUDA" '
        f'dnn_version_info {{ major: 9 minor: 8 }} device_description_str: "{gpu.upper()}"'
    )
    there = topologies.get_topology_desc(gpu, "cuda", topology="1x1x1", target_config=config)
    return there.devices[0]


def _compiled(code: bytes | str, device: Any) -> Any:
    """From a portable artifact or from text."""
    from jax._src.interpreters import mlir
    from jax._src.lib import xla_client
    from jax._src.lib.mlir import ir
    from jax._src.lib.mlir.dialects import hlo as stablehlo

    with mlir.make_ir_context() as context:
        if isinstance(code, str):
            module = ir.Module.parse(code)
        else:
            module = stablehlo.deserialize_portable_artifact(context, code)
        devices = xla_client.DeviceList((device,))
        return device.client.compile(module, devices, xla_client.CompileOptions())


def _naive(device: Any, parameters: list[dict[str, Any]]) -> str:
    """Equation 4 as it is written, and the gradients of both sides, as StableHLO.

    Args:
        parameters: of the similarity's program: pictures, their mask, texts, theirs, and upstream.
    """
    import jax
    from jax import numpy as jnp

    def value(images: jax.Array, keys: jax.Array, upstream: jax.Array) -> jax.Array:
        cosines = jnp.einsum("ipd,twd->itpw", images, keys)
        similarity = cosines.max(axis=3).astype(jnp.float32).mean(axis=2)
        return (similarity * upstream).sum()

    sharding = jax.sharding.SingleDeviceSharding(device)
    arguments = [
        jax.ShapeDtypeStruct(one["shape"], one["dtype"], sharding=sharding)
        for one in parameters[::2]
    ]
    lowered = jax.jit(jax.value_and_grad(value, (0, 1))).lower(*arguments)
    return str(lowered.compiler_ir("stablehlo"))


def _counted(compiled: Any) -> dict[str, Any]:
    traffic = count(reading.text(compiled))
    memory = reading.memory(compiled)
    return {
        "parameters_mb": round(memory.parameters / 1e6, 1),
        "extra_mb": round(memory.extra / 1e6, 1),
        "moved_gb": round(traffic.bytes / 1e9, 2),
        "kernels": traffic.kernels,
    }


def _version() -> dict[str, Any]:
    return {"versions": {"jaxlib": importlib.metadata.version("jaxlib")}}
