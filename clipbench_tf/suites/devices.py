"""Where the runs of a suite run side by side: GPUs, or cores of the CPU."""

import dataclasses
import os
from collections.abc import Mapping

from clipbench_tf.distribution.launcher import LaunchError, gpu_parts
from clipbench_tf.suites.suite import SuiteError


@dataclasses.dataclass(frozen=True)
class Slot:
    """A place for one run at a time.

    Attributes:
        variables: of its environment.
        cores: that it may use; all if empty.
    """

    variables: Mapping[str, str]
    cores: frozenset[int] = frozenset()


def slots(parallel: int) -> list[Slot]:
    """`parallel` places that share the GPUs, or the cores if there are none; 0 for one a GPU.

    Raises:
        SuiteError: if there are fewer GPUs or cores than that.
    """
    gpus = _gpus()
    if gpus:
        parallel = parallel or len(gpus)
        try:
            parts = gpu_parts(parallel, {**os.environ, "CUDA_VISIBLE_DEVICES": ",".join(gpus)})
        except LaunchError as error:
            raise SuiteError(f"--parallel={parallel} is more than the {len(gpus)} GPUs.") from error
        return [Slot({"CUDA_VISIBLE_DEVICES": part}) for part in parts]
    cores = sorted(os.sched_getaffinity(0))
    parallel = parallel or 1
    if parallel > len(cores):
        raise SuiteError(f"--parallel={parallel} is more than the {len(cores)} cores.")
    each = len(cores) // parallel
    return [Slot({}, frozenset(cores[n * each : (n + 1) * each])) for n in range(parallel)]


def _gpus() -> list[str]:
    """As in CUDA_VISIBLE_DEVICES."""
    try:
        parts = gpu_parts(1, os.environ)
    except LaunchError:
        return []
    return parts[0].split(",") if parts else []
