"""Finds the first change with which a recipe that does not fit into memory would fit."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from clipbench_tf.method import Method, batch_norms
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer
from clipbench_tf.planning.costs.devices import Device
from clipbench_tf.planning.costs.step_time import precisions
from clipbench_tf.planning.costs.workload import Workload
from clipbench_tf.planning.plan import Plan, plan


@dataclasses.dataclass(frozen=True)
class Remedy:
    """The flags to change or to add to the command, and the plan with them."""

    flags: tuple[str, ...]
    plan: Plan


def first_that_fits(method: Method, now: Plan) -> Remedy | None:
    """The first change that makes the recipe fit, or None if none does."""
    for flags, work in candidates(method, now.work, now.device):
        changed = plan(method, work, now.device, now.steps)
        if changed.fits:
            return Remedy(flags, changed)
    return None


def candidates(
    method: Method, work: Workload, device: Device
) -> Iterator[tuple[tuple[str, ...], Workload]]:
    """Changes in the order to try them: flags, and the workload with them.

    First recomputing and chunks, which give the same numbers in a third more time, then a lower
    precision, then more devices. Later changes include earlier ones where that saves more.
    """
    flags: tuple[str, ...] = ()
    for flag, change in _recomputing(method, work):
        flags, work = (*flags, flag), dataclasses.replace(work, **change)
        yield flags, work
    if not batch_norms(method.image_encoder):  # they must see the whole batch
        for chunks in range(work.chunks + 1, work.batch + 1):
            if work.batch % chunks == 0:
                yield (
                    (*flags, _binding(f"method.Method.chunks = {chunks}")),
                    dataclasses.replace(work, chunks=chunks),
                )
    policy = precisions(device)[0]
    if work.dtype == "float32" and policy != "float32":
        flags = (*flags, _binding(f"strategy.prepare.precision = '{policy}'"))
        work = dataclasses.replace(work, dtype=policy.removeprefix("mixed_"))
        yield flags, work
    while work.batch % 2 == 0:
        work = dataclasses.replace(
            work, batch=work.batch // 2, replicas=2 * work.replicas, masked=work.masked / 2
        )
        if work.batch % work.chunks == 0:
            yield (*flags, f"--devices={work.replicas}"), work


def _recomputing(method: Method, work: Workload) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(method.image_encoder, VisionTransformer) and not work.recompute_images:
        binding = _binding("vision_transformer.VisionTransformer.recompute = True")
        yield binding, {"recompute_images": True}
    if isinstance(method.text_encoder, TextTransformer) and not work.recompute_texts:
        binding = _binding("text_transformer.TextTransformer.recompute = True")
        yield binding, {"recompute_texts": True}


def _binding(text: str) -> str:
    return f'--gin_bindings="{text}"'
