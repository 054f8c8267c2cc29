"""The workers that the environment describes: TF_CONFIG, or a SLURM job step."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipbench_tf.distribution import slurm

EXAMPLE = (
    'TF_CONFIG=\'{"cluster": {"worker": ["host0:12345", "host1:12345"]}, '
    '"task": {"type": "worker", "index": 0}}\''
)


class ClusterError(ValueError):
    """Workers that cannot train together; the message names the cause and the remedy."""


@dataclass(frozen=True)
class Cluster:
    """All workers, and which of them this process is.

    Args:
        addresses: host:port of each; worker 0 is the chief.
        index: of this process.
        share: (i, n): this process uses the i-th of n equal parts of the GPUs that it sees.
    """

    addresses: tuple[str, ...]
    index: int
    share: tuple[int, int] = (0, 1)

    @property
    def address(self) -> str:
        """host:port at which this worker listens."""
        return self.addresses[self.index]


def read(variables: Mapping[str, str] = os.environ) -> Cluster | None:
    """Reads the environment `variables`; None for a process that trains alone.

    TF_CONFIG takes precedence over SLURM. A chief becomes worker 0.

    Raises:
        ClusterError: if they are malformed or contradict each other.
    """
    try:
        if variables.get("TF_CONFIG", "").strip():
            return _from_tf_config(variables["TF_CONFIG"])
        place = slurm.placement(variables)
    except ValueError as error:
        raise ClusterError(str(error)) from None
    if place is None:
        return None
    divided = slurm.binds_gpus(variables)
    share = (0, 1) if divided else (place.local, place.node_tasks)
    return Cluster(place.addresses, place.index, share)


def split(address: str) -> tuple[str, int]:
    """'host:port' or '[::1]:port' -> host, port.

    Raises:
        ValueError: for anything else.
    """
    match = re.fullmatch(r"(?:\[([^\[\]]+)\]|([^:\[\]\s/]+)):(\d{1,5})", address)
    if match is None or not 0 < int(match[3]) < 65536:
        raise ValueError(f"The address {address!r} is not of the form host:port.")
    return match[1] or match[2], int(match[3])


def _from_tf_config(text: str) -> Cluster | None:
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"TF_CONFIG is not JSON ({error}). Example: {EXAMPLE}") from None
    tasks = parsed.get("cluster") if isinstance(parsed, dict) else None
    if parsed == {} or tasks == {}:
        return None
    if not isinstance(tasks, dict):
        raise ValueError(f"TF_CONFIG holds no cluster. Example: {EXAMPLE}")
    for kind in tasks:
        _check_kind(kind)
    chief, workers = _addresses(tasks, "chief"), _addresses(tasks, "worker")
    if len(chief) > 1:
        raise ValueError(f"TF_CONFIG lists {len(chief)} chiefs; list one, the others as workers.")
    addresses = (*chief, *workers)
    index = _index(parsed.get("task"), len(chief), len(workers))
    twice = sorted({a for a in addresses if addresses.count(a) > 1})
    if twice:
        raise ValueError(f"TF_CONFIG lists {twice[0]} twice; every worker needs its own host:port.")
    return Cluster(addresses, index) if len(addresses) > 1 else None


def _check_kind(kind: Any) -> None:
    if kind not in ("chief", "worker"):
        raise ValueError(
            f"TF_CONFIG has tasks of type {kind!r}; only 'chief' and 'worker' are supported, "
            f"and train alike. Remove it from the cluster, and do not start such a task."
        )


def _addresses(tasks: dict, kind: str) -> tuple[str, ...]:
    addresses = tasks.get(kind, [])
    if not isinstance(addresses, list) or not all(isinstance(a, str) for a in addresses):
        raise ValueError(f"TF_CONFIG: cluster.{kind} must be a list of 'host:port'.")
    for address in addresses:
        try:
            split(address)
        except ValueError as error:
            raise ValueError(f"TF_CONFIG, cluster.{kind}: {error}") from None
    return tuple(addresses)


def _index(task: Any, chiefs: int, workers: int) -> int:
    """The index of `task` among all workers, the chief first."""
    if not isinstance(task, dict) or "type" not in task or "index" not in task:
        raise ValueError(f"TF_CONFIG does not say which task this is. Example: {EXAMPLE}")
    _check_kind(task["type"])
    listed = chiefs if task["type"] == "chief" else workers
    if not re.fullmatch(r"\d+", str(task["index"])) or int(task["index"]) >= listed:
        raise ValueError(
            f"TF_CONFIG: task.index is {task['index']!r}, but the cluster lists {listed} of type "
            f"{task['type']!r}; number them from 0."
        )
    return int(task["index"]) + (chiefs if task["type"] == "worker" else 0)
