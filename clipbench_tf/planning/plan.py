"""The plan of a recipe on a number of devices, from the costs of its parts."""

import dataclasses
from typing import Any

from clipbench_tf.method import Method
from clipbench_tf.planning.costs import blueprint, communication, memory, signals
from clipbench_tf.planning.costs.devices import MEMORY_SHARE, Device
from clipbench_tf.planning.costs.memory import Memory
from clipbench_tf.planning.costs.operations import Costs
from clipbench_tf.planning.costs.step_time import StepTime, step_time
from clipbench_tf.planning.costs.workload import Workload

# Pictures of 500 x 375 pixels that a core decodes and augments to two views in a second, all cores
# being busy (clipbench_tf/benchmarks/records/input_pipeline.jsonl, an AMD EPYC Turin).
PICTURES_PER_CORE = 410.3
DAY = 86400.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What one step, and the whole run, takes on each of `work.replicas` devices.

    Attributes:
        parameters: of each tower and objective, batch norm statistics and queues included.
        costs: of each tower and objective, on one device and for one step.
        received: bytes a device receives in a step, by objective, batch norms and gradients.
        left_out: objectives that are not counted, as there are no costs for them.
    """

    device: Device
    work: Workload
    steps: int
    parameters: dict[str, int]
    trainable: int
    costs: dict[str, Costs]
    memory: Memory
    received: dict[str, float]
    time: StepTime
    left_out: tuple[str, ...]

    @property
    def room(self) -> float:
        """Bytes of a device that a step can use."""
        return self.device.memory * MEMORY_SHARE

    @property
    def fits(self) -> bool:
        """Whether a step needs no more memory than `room`."""
        return self.memory.total <= self.room

    @property
    def days(self) -> float:
        """Duration of the whole run in days, without pauses."""
        return self.steps * self.time.total / DAY

    @property
    def pairs_per_second(self) -> float:
        """Pairs of all devices together in a second."""
        return self.work.gathered / self.time.total

    @property
    def cores(self) -> float:
        """CPU cores for each device that decode and augment pictures as fast as it trains.

        A picture with one view counts as one with two, because decoding is most of the work.
        """
        pictures = self.work.batch / self.time.total * max(2, self.work.image_views) / 2
        return pictures / PICTURES_PER_CORE

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain numbers; bytes, operations, seconds and days."""
        return {
            "device": self.device.name,
            "devices": self.work.replicas,
            "work": dataclasses.asdict(self.work),
            "parameters": {**self.parameters, "trainable": self.trainable},
            "flops": {
                name: {"forward": c.forward, "backward": c.backward}
                for name, c in self.costs.items()
            },
            "memory": {
                **dataclasses.asdict(self.memory),
                "total": self.memory.total,
                "room": self.room,
                "fits": self.fits,
            },
            "received": {**self.received, "total": sum(self.received.values())},
            "seconds": {**dataclasses.asdict(self.time), "total": self.time.total},
            "steps": self.steps,
            "days": self.days,
            "pairs_per_second": self.pairs_per_second,
            "input_cores_per_device": self.cores,
            "left_out": list(self.left_out),
        }


def plan(method: Method, work: Workload, device: Device, steps: int) -> Plan:
    """The plan of `steps` steps of `method`, built or with the variables of `blueprint.py`.

    Raises:
        ValueError: for a tower without costs, or a dtype that the device has no hardware for.
    """
    towers = {
        "image tower": memory.image_tower(method, work),
        "text tower": memory.text_tower(method, work),
    }
    objectives = {o.name: memory.signal(o, method, work) for o in method.objectives}
    total = sum([*towers.values(), *objectives.values()], Costs())
    trainable = blueprint.count(method.trainable_variables)
    received = {
        **communication.bytes_by_objective(
            method, work.batch, work.replicas, work.text_length, work.bytes
        ),
        "batch norms": communication.of_batch_norms(method, work.replicas, work.image_views),
        "gradients": communication.of_gradients(method, work.replicas),
    }
    return Plan(
        device=device,
        work=work,
        steps=steps,
        parameters=parameters(method),
        trainable=trainable,
        costs={**towers, **objectives},
        memory=memory.memory(method, work, [*towers.values()], [*objectives.values()]),
        received=received,
        time=step_time(total, trainable, sum(received.values()), device, work.dtype, work.replicas),
        left_out=tuple(
            f"{o.name} ({type(o).__name__})"
            for o in method.objectives
            if signals.costs.dispatch(type(o)) is signals.costs.dispatch(object)
        ),
    )


def parameters(method: Method) -> dict[str, int]:
    """Parameters of each tower and objective, batch norm statistics and queues included."""
    layers = {"image tower": method.image_encoder, "text tower": method.text_encoder}
    layers |= {o.name: o for o in method.objectives}
    found = {name: blueprint.count(layer.variables) for name, layer in layers.items()}
    return {**found, "total": blueprint.count(method.variables)}
