"""Devices by their vendors' data sheets, and the share of those numbers that a step may reach.

Nothing here was measured on a GPU.
"""

import dataclasses

_TERA, _GIGA, _GIB = 1e12, 1e9, 2**30

# Shares of the data sheet's numbers that a training step is assumed to reach.
#
# Matrix products: cuBLAS reaches 70 to 80% of the peak on large square matrices. The towers' have
# inner sizes of 512 to 3,072, and attention's 64, which use less of a chip.
MATMUL_SHARE = 0.5
# Passes over memory: a copy kernel reaches about 85% to 90%; many tensors here are small.
BANDWIDTH_SHARE = 0.75
# Links: NCCL's all-reduce reaches 70 to 80% of a link for messages of many megabytes.
LINK_SHARE = 0.7
# Memory: the rest is the CUDA context, the workspaces of cuDNN and cuBLAS, and the allocator's
# fragments.
MEMORY_SHARE = 0.9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device:
    """One device by its data sheet, before the shares.

    Attributes:
        memory: bytes.
        peak: FLOP/s of dense matrix products by compute dtype; the device has no hardware for a
            dtype that is missing.
        bandwidth: bytes/s of its memory.
        link: bytes/s to the other devices of its node, in one direction.
        node: devices in a node.
        network: bytes/s out of the node for each device, in one direction.
        matmul_share: of `peak` that products reach.
        bandwidth_share: of `bandwidth` that passes over memory reach.
    """

    name: str
    memory: float
    peak: dict[str, float]
    bandwidth: float
    link: float
    node: int
    network: float
    matmul_share: float = MATMUL_SHARE
    bandwidth_share: float = BANDWIDTH_SHARE

    def link_between(self, devices: int) -> float:
        """Bytes/s that a ring of so many `devices` reaches, limited by its slowest link."""
        return LINK_SHARE * (self.link if devices <= self.node else self.network)


def _a100(name: str, memory: float, bandwidth: float) -> Device:
    # NVIDIA A100 Tensor Core GPU data sheet, SXM form: 312 TFLOP/s BF16 and FP16, 156 TF32 (which
    # TensorFlow uses for float32 products), NVLink 600 GB/s, both directions together. Network: a
    # DGX A100 has eight 200 Gb/s ports for its eight GPUs.
    peak = {"float32": 156 * _TERA, "bfloat16": 312 * _TERA, "float16": 312 * _TERA}
    return Device(
        name=name,
        memory=memory * _GIB,
        peak=peak,
        bandwidth=bandwidth * _GIGA,
        link=300 * _GIGA,
        node=8,
        network=25 * _GIGA,
    )


def _hopper(name: str, memory: float, bandwidth: float) -> Device:
    # NVIDIA H100 data sheet, SXM5 form: 989 TFLOP/s BF16 and FP16 without sparsity, 494 TF32,
    # 3.35 TB/s, NVLink 900 GB/s in both directions. Network: DGX H100, eight 400 Gb/s ports.
    return Device(
        name=name,
        memory=memory * _GIB,
        peak={"float32": 494 * _TERA, "bfloat16": 989 * _TERA, "float16": 989 * _TERA},
        bandwidth=bandwidth * _GIGA,
        link=450 * _GIGA,
        node=8,
        network=50 * _GIGA,
    )


def _v100(name: str, memory: float) -> Device:
    # NVIDIA V100 data sheet, SXM2 form: 125 TFLOP/s FP16, 15.7 FP32, 900 GB/s, NVLink 300 GB/s in
    # both directions; no bfloat16. Network: a DGX-1 has four 100 Gb/s ports for eight GPUs.
    return Device(
        name=name,
        memory=memory * _GIB,
        peak={"float32": 15.7 * _TERA, "float16": 125 * _TERA},
        bandwidth=900 * _GIGA,
        link=150 * _GIGA,
        node=8,
        network=6.25 * _GIGA,
    )


DEVICES = {
    device.name: device
    for device in (
        _a100("a100-40g", 40, 1555),
        _a100("a100-80g", 80, 2039),
        _hopper("h100", 80, 3350),
        # NVIDIA H200 data sheet, SXM form: the H100's chip with 141 GB at 4.8 TB/s.
        _hopper("h200", 141, 4800),
        _v100("v100-16g", 16),
        _v100("v100-32g", 32),
        # Two cores of an AMD EPYC of the fourth generation (Zen 4) with 24 GB, where the records of
        # clipbench_tf/benchmarks come from, at that generation's 3.7 GHz. AMD's optimization guide
        # of Zen 4: 32 float32 operations a cycle and core, twice as many in AVX-512 BF16. The
        # shares are fitted to two records, see step_time.py.
        Device(
            name="cpu",
            memory=24 * _GIB,
            peak={"float32": 237 * _GIGA, "bfloat16": 474 * _GIGA},
            bandwidth=40 * _GIGA,
            link=10 * _GIGA,
            node=1,
            network=1.25 * _GIGA,
            matmul_share=0.85,
        ),
    )
}
ALIASES = {"a100": "a100-40g", "v100": "v100-16g"}  # the smaller of two sizes


def find(name: str) -> Device:
    """The device called `name`.

    Raises:
        ValueError: if there is none; the message lists the known names.
    """
    device = DEVICES.get(ALIASES.get(name, name))
    if device is None:
        known = ", ".join([*DEVICES, *(f"{a} (= {b})" for a, b in ALIASES.items())])
        raise ValueError(f"Device {name!r} is none of {known}; give one of these as --device.")
    return device
