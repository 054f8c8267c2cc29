"""What must be in a device's memory at the same time, in bytes."""

import dataclasses

from clipbench_tf.method import Method
from clipbench_tf.planning.costs import blueprint, signals, towers
from clipbench_tf.planning.costs.operations import PASSES, Costs
from clipbench_tf.planning.costs.workload import Workload

FLOAT32 = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one device when the backward pass begins, which is when most is held.

    The sum is an upper bound: by the time all gradients are there, the activations are gone.

    Attributes:
        weights: all variables of the method in their own dtype, queue and statistics included.
        narrow_weights: copies of kernels in the compute dtype.
        gradients: float32, of every trainable variable.
        exchanged: the gradients once more, packed for the all-reduce, on several replicas.
        optimizer: AdamW's two moments, and its counters.
        batch: pictures and ids, of this step and the next.
        activations: that the towers keep.
        objectives: that the objectives keep.
        working: what is needed for a moment, by the hungriest part.
    """

    weights: float
    narrow_weights: float
    gradients: float
    exchanged: float
    optimizer: float
    batch: float
    activations: float
    objectives: float
    working: float

    @property
    def total(self) -> float:
        """The sum of all."""
        return sum(dataclasses.asdict(self).values())


def memory(
    method: Method, work: Workload, tower_costs: list[Costs], signal_costs: list[Costs]
) -> Memory:
    """The memory of a step of `method`, whose variables exist at least on paper."""
    trainable = FLOAT32 * blueprint.count(method.trainable_variables)
    parts = [*tower_costs, *signal_costs]
    return Memory(
        weights=sum(blueprint.size(v) * number_bytes(v.dtype) for v in method.variables),
        narrow_weights=sum(c.narrow_weights for c in parts),
        gradients=trainable,
        exchanged=trainable if work.replicas > 1 else 0,
        optimizer=optimizer(method),
        batch=2.0 * batch(method, work),
        activations=sum(c.saved for c in tower_costs),
        objectives=sum(c.saved for c in signal_costs),
        working=max(c.working for c in parts),
    )


def optimizer(method: Method) -> float:
    """Two float32 moments of each trainable variable, the step (int64) and the float32 rate."""
    return 2.0 * FLOAT32 * blueprint.count(method.trainable_variables) + 8


def batch(method: Method, work: Workload) -> float:
    """uint8 pictures, int32 ids and labels of this replica's pairs."""
    pixels = work.image_views * method.image_encoder.image_size**2 * 3
    return work.batch * (pixels + 4.0 * work.text_length * (work.text_views + bool(work.masked)))


def image_tower(method: Method, work: Workload) -> Costs:
    """Of all picture views of a replica."""
    items = work.batch * work.image_views
    kept = towers.widths(method.image_encoder).features()
    return _in_chunks(method.image_encoder, items, kept, work)


def text_tower(method: Method, work: Workload) -> Costs:
    """Of all caption views of a replica."""
    items = work.batch * work.text_views
    kept = towers.widths(method.text_encoder, work.text_length).features()
    return _in_chunks(method.text_encoder, items, kept, work)


def _in_chunks(encoder: object, items: float, kept: int, work: Workload) -> Costs:
    """All `items`; in chunks, one chunk's activations, and `kept` numbers of every item.

    The features of all chunks wait for the objectives, and what these return waits with them.
    Each chunk but the first pass' is encoded twice (see optimization/gradient_cache.py).
    """
    if work.chunks == 1:
        return towers.costs(encoder, items, work)
    one = towers.costs(encoder, items / work.chunks, work)
    twice = one.forward * work.chunks
    return Costs(
        forward=twice,
        backward=one.backward * work.chunks + twice,
        saved=one.saved + 2.0 * items * kept * work.bytes,
        working=one.working,
        moved=one.moved * work.chunks * (3 / 2),  # three passes, where there were two
        narrow_weights=one.narrow_weights,
    )


def signal(objective: signals.Objective, method: Method, work: Workload) -> Costs:
    """Of an objective; nothing for one that is not written down."""
    try:
        found = signals.costs(objective, method, work)
    except signals.NotPlanned:
        return Costs()
    return found + Costs(moved=sum(PASSES["transformer"][FLOAT32]) * found.saved)


def number_bytes(dtype: str) -> int:
    """Of a number of a variable's `dtype`, such as float32 or int64."""
    return int("".join(c for c in dtype if c.isdigit()) or 8) // 8
