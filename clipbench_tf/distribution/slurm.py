"""The placement of a SLURM job step's tasks, read from the variables that `srun` sets.

TensorFlow's own SlurmClusterResolver sorts host names as text (n10 before n9, unlike SLURM's order
of tasks), needs a GPU, and divides GPUs among tasks that SLURM may have divided already.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# Below the ports that Linux assigns to outgoing connections, 32768 and up.
FIRST_PORT, PORTS = 10_000, 20_000
PORTS_PER_STEP = 16  # on a node, one for each task; more tasks may collide with other jobs


@dataclass(frozen=True)
class Placement:
    """The addresses of this step's tasks, in order, and the `index` of this task.

    `local` is its index among the `node_tasks` tasks on its node, itself included.
    """

    addresses: tuple[str, ...]
    index: int
    local: int
    node_tasks: int


def placement(variables: Mapping[str, str]) -> Placement | None:
    """Reads the environment `variables` of a task; None unless its step has several tasks.

    Raises:
        ValueError: if one is missing or malformed, or tasks are not distributed to nodes in blocks.
    """
    count = _number(variables, "SLURM_STEP_NUM_TASKS", missing=1)
    if count <= 1:
        return None
    index = _number(variables, "SLURM_PROCID")
    hosts = list(_hosts(_text(variables, "SLURM_STEP_NODELIST")))
    tasks = _tasks_per_node(_text(variables, "SLURM_STEP_TASKS_PER_NODE"))
    if len(hosts) != len(tasks) or sum(tasks) != count or not 0 <= index < count:
        raise ValueError(
            f"The variables of SLURM contradict each other: task {index} of {count}, on "
            f"{len(hosts)} nodes with {tasks} tasks. Start the workers with srun."
        )
    places = [(host, n) for host, number in zip(hosts, tasks, strict=True) for n in range(number)]
    host, local = places[index]
    _check_block(variables, index, host, local)
    port = FIRST_PORT + _first_port(variables)
    return Placement(
        addresses=tuple(f"{name}:{port + n}" for name, n in places),
        index=index,
        local=local,
        node_tasks=tasks[hosts.index(host)],
    )


def binds_gpus(variables: Mapping[str, str]) -> bool:
    """Whether SLURM makes only its own GPUs visible to each task."""
    bind = variables.get("SLURM_GPU_BIND", "").removeprefix("verbose,")
    if bind:
        return bind.startswith(("single", "per_task", "map", "mask"))
    return bool(
        variables.get("SLURM_GPUS_PER_TASK") or "gpu" in variables.get("SLURM_TRES_PER_TASK", "")
    )


def _check_block(variables: Mapping[str, str], index: int, host: str, local: int) -> None:
    """Refuses any order but blocks, SLURM's default: the variables describe no other."""
    here = variables.get("SLURMD_NODENAME", host)
    if here != host or _number(variables, "SLURM_LOCALID", missing=local) != local:
        raise ValueError(
            f"SLURM runs task {index} on {here}, but in block order it would be task {local} of "
            f"{host}. Start the workers with srun --distribution=block."
        )


def _first_port(variables: Mapping[str, str]) -> int:
    """The offset of this step's ports; consecutive jobs and steps get different ones."""
    job = _number(variables, "SLURM_JOB_ID", missing=0)
    step = _number(variables, "SLURM_STEP_ID", missing=0)
    return PORTS_PER_STEP * ((job + 97 * step) % (PORTS // PORTS_PER_STEP))


def _hosts(nodes: str) -> Iterator[str]:
    """'n[01-02,5],m' -> n01, n02, n5, m."""
    parts = re.findall(r"(?:[^,\[\]]|\[[^\[\]]*\])+", nodes)
    if ",".join(parts) != nodes:
        raise ValueError(f"SLURM_STEP_NODELIST={nodes!r} is not a list of nodes.")
    for part in parts:
        pieces = re.split(r"\[([^\]]*)\]", part)
        choices = [_range(p) if n % 2 else [p] for n, p in enumerate(pieces)]
        yield from ("".join(choice) for choice in itertools.product(*choices))


def _range(numbers: str) -> list[str]:
    """'08-10,3' -> 08, 09, 10, 3."""
    found = []
    for part in numbers.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None:
            raise ValueError(f"SLURM_STEP_NODELIST holds [{numbers}], which is not a range.")
        first, last = match[1], match[2] or match[1]
        found += [str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)]
    return found


def _tasks_per_node(text: str) -> list[int]:
    """'3(x2),1' -> 3, 3, 1."""
    counts = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if match is None:
            raise ValueError(f"SLURM_STEP_TASKS_PER_NODE={text!r} is not a list of task counts.")
        counts += [int(match[1])] * int(match[2] or 1)
    return counts


def _text(variables: Mapping[str, str], name: str) -> str:
    if not variables.get(name):
        raise ValueError(f"The environment has no {name}: start the workers with srun.")
    return variables[name]


def _number(variables: Mapping[str, str], name: str, missing: int | None = None) -> int:
    if missing is not None and not variables.get(name):
        return missing
    text = _text(variables, name)
    if not text.isdecimal():
        raise ValueError(f"{name}={text!r} is not a number; start the workers with srun.")
    return int(text)
