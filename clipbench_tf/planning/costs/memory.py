"""The memory that a step takes on a device, in bytes."""

import dataclasses

import keras

from clipbench_tf.method import Method
from clipbench_tf.planning.costs import blueprint, signals, towers
from clipbench_tf.planning.costs.operations import PASSES, Costs
from clipbench_tf.planning.costs.workload import Workload

FLOAT32 = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one device when the backward pass begins, the peak of a step.

    The total is an upper bound: activations are freed before all gradients exist.

    Attributes:
        weights: all variables of the method in their own dtype, queue and statistics included.
        narrow_weights: copies of kernels in the compute dtype, or transposed.
        gradients: float32, of every trainable variable.
        exchanged: a copy of the gradients, packed for the all-reduce, on several replicas.
        optimizer: AdamW's two moments, and its counters.
        batch: pictures and ids, of this step and the next.
        activations: saved by the towers for the backward pass.
        objectives: saved by the objectives for the backward pass.
        working: temporary buffers of the part that needs most.
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
        """The sum of all fields."""
        return sum(dataclasses.asdict(self).values())


def memory(
    method: Method, work: Workload, tower_costs: list[Costs], signal_costs: list[Costs]
) -> Memory:
    """The memory of a step of `method`, built or with the variables of `blueprint.py`."""
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
    """Bytes of two float32 moments for each weight, the step, and the learning rate."""
    return 2.0 * FLOAT32 * blueprint.count(method.trainable_variables) + 8


def batch(method: Method, work: Workload) -> float:
    """Bytes of the uint8 pictures, int32 ids and int32 labels of this replica's pairs."""
    pixels = work.image_views * method.image_encoder.image_size**2 * 3
    return work.batch * (pixels + 4.0 * work.text_length * (work.text_views + bool(work.masked)))


def image_tower(method: Method, work: Workload) -> Costs:
    """Costs of the image tower on all views of a replica's pictures."""
    items = work.batch * work.image_views
    kept = towers.widths(method.image_encoder).features()
    return _in_chunks(method.image_encoder, items, kept, work)


def text_tower(method: Method, work: Workload) -> Costs:
    """Costs of the text tower on all views of a replica's captions."""
    items = work.batch * work.text_views
    kept = towers.widths(method.text_encoder, work.text_length).features()
    return _in_chunks(method.text_encoder, items, kept, work)


def _in_chunks(encoder: keras.layers.Layer, items: float, kept: int, work: Workload) -> Costs:
    """Costs of encoding `items`, all at once or in chunks.

    A locked tower is encoded only; a partly locked one counts as if it were free, an upper bound.

    In chunks, memory holds one chunk's activations, and the features of every item, `kept` numbers,
    with their gradients. Each chunk is encoded twice (see optimization/gradient_cache.py).
    """
    if not encoder.trainable:
        whole = towers.costs(encoder, items, work)
        return Costs(forward=whole.forward, working=whole.working)
    if work.chunks == 1:
        return towers.costs(encoder, items, work)
    one = towers.costs(encoder, items / work.chunks, work)
    forward = one.forward * work.chunks
    return Costs(
        forward=forward,
        backward=one.backward * work.chunks + forward,
        saved=one.saved + 2.0 * items * kept * work.bytes,
        working=one.working,
        moved=one.moved * work.chunks * (3 / 2),  # three passes instead of two
        narrow_weights=one.narrow_weights,
    )


def signal(objective: signals.Objective, method: Method, work: Workload) -> Costs:
    """Costs of an objective, with bytes moved; none for one that `signals.py` does not know."""
    try:
        found = signals.costs(objective, method, work)
    except signals.UnknownObjective:
        return Costs()
    return found + Costs(moved=sum(PASSES["objective"][FLOAT32]) * found.saved)


def number_bytes(dtype: str) -> int:
    """Bytes of a number of a variable's `dtype`, such as float32 or int64."""
    return int("".join(c for c in dtype if c.isdigit()) or 8) // 8
