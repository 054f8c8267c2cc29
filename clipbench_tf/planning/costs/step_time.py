"""How long a step takes, from operations, bytes and a device's data sheet.

seconds = operations / (peak * share)           products and convolutions
        + bytes moved / (bandwidth * share)     all other operations of towers and objectives
        + 36 bytes a weight / the same          AdamW: four tensors read, three written; norm, decay
        + bytes received / (link * share)       after the backward pass, without overlap

Not modelled: kernel launches (thousands a step: a small batch takes longer than this), the fusion
of operations (takes less), decoding and augmenting pictures, pauses for evaluation and checkpoints.
On a GPU, expect an error of up to a factor of two: the shares of `devices.py` are assumptions.

What was tried
--------------
CLIP ViT-B/32 with 77 ids, 32 pairs a step, on two cores, by the committed records of the benchmark
training_step: 4.7 s in bfloat16, 7.8 s in float32. The model, with its two shares fitted to these,
gives 4.5 s and 8.2 s. Fitted to bfloat16 with 16 pairs on a busy machine (2.7 s, 265 GFLOP/s), it
predicts 10.6 s for 64 pairs; 10.0 s were measured.
"""

import dataclasses

from clipbench_tf.planning.costs.devices import Device
from clipbench_tf.planning.costs.operations import Costs

ADAM_BYTES = 36  # a weight


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepTime:
    """Seconds in a step."""

    products: float
    passes: float
    optimizer: float
    communication: float

    @property
    def total(self) -> float:
        """The sum: nothing overlaps."""
        return self.products + self.passes + self.optimizer + self.communication


def step_time(
    costs: Costs, weights: float, received: float, device: Device, dtype: str, replicas: int
) -> StepTime:
    """The time of one step.

    Args:
        costs: of all parts on one replica.
        weights: number of trainable ones.
        received: bytes a replica receives.
        device: that computes.
        dtype: in which the towers compute.
        replicas: number of devices.

    Raises:
        ValueError: if the device has no hardware for `dtype`.
    """
    if dtype not in device.peak:
        kinds = " or ".join(repr(p) for p in precisions(device))
        raise ValueError(
            f"{device.name} has no hardware for {dtype}; bind strategy.prepare.precision = {kinds}."
        )
    speed = device.peak[dtype] * device.matmul_share
    bandwidth = device.bandwidth * device.bandwidth_share
    return StepTime(
        products=(costs.forward + costs.backward) / speed,
        passes=costs.moved / bandwidth,
        optimizer=ADAM_BYTES * weights / bandwidth,
        communication=received / device.link_between(replicas) if replicas > 1 else 0.0,
    )


def precisions(device: Device) -> list[str]:
    """Values of strategy.prepare.precision that `device` has hardware for, fastest first."""
    names = {
        "bfloat16": "mixed_bfloat16",
        "float16": "mixed_float16",
        "float32": "float32",
    }
    return [policy for dtype, policy in names.items() if dtype in device.peak]


def automatic(device: Device) -> str:
    """What strategy.prepare.precision = 'auto' means on `device`; never mixed_float16."""
    return "mixed_bfloat16" if "bfloat16" in device.peak else "float32"
