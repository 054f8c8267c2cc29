"""What a replica receives in a step, in bytes.

Conventions, for n replicas. In an all-gather of b bytes from each, every replica receives
(n - 1) b. Its gradient is an all-reduce of the gathered tensor in float32, of which a replica keeps
its own part; in a ring all-reduce of s bytes, every replica receives 2 (n - 1) / n s (Patarasuk and
Yuan 2009): half to sum, half to distribute the sums. Latency, which matters for the many small
messages of batch norms, is not modelled.
"""

import functools

from clipbench_tf.method import Method, batch_norms
from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.image_simclr import ImageSimCLR
from clipbench_tf.objectives.image_simsiam import ImageSimSiam
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.multi_view import MultiView
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.objectives.objective import Objective
from clipbench_tf.objectives.optimal_transport import OptimalTransport
from clipbench_tf.objectives.text_mlm import TextMLM
from clipbench_tf.planning.costs import blueprint, resnet
from clipbench_tf.planning.costs.signals import UnknownObjective, kept
from clipbench_tf.planning.costs.towers import widths

FLOAT32 = 4
MASK = 2  # bytes of a gathered bool: sent as float16, as collectives gather no one-byte type
NUMBER = 4  # bytes of an int32


def gather(size: float, replicas: int) -> float:
    """Bytes that a replica receives in an all-gather of `size` bytes from each."""
    return (replicas - 1) * size


def all_reduce(size: float, replicas: int) -> float:
    """Bytes that a replica receives in a ring all-reduce of `size` bytes."""
    return 2 * (replicas - 1) / replicas * size


def gather_with_gradient(numbers: float, number_bytes: int, replicas: int) -> float:
    """Bytes received in an all-gather of `numbers` from each replica and in its gradient."""
    return gather(numbers * number_bytes, replicas) + all_reduce(
        replicas * numbers * FLOAT32, replicas
    )


def bytes_by_objective(
    method: Method,
    batch_per_replica: int,
    replicas: int,
    text_length: int,
    compute_bytes: int | None = None,
) -> dict[str, float]:
    """Bytes that a replica receives in a step, forward and backward, for each objective.

    Args:
        method: need not be built; only the sizes of its layers are read.
        batch_per_replica: pairs on a replica.
        replicas: number of replicas.
        text_length: positions of a caption on the replica with the longest.
        compute_bytes: bytes of a number in the compute dtype, by default the method's.

    Returns:
        name -> bytes; objectives without costs here are left out.
    """
    size = compute_bytes or (4 if method.compute_dtype == "float32" else 2)
    found = {}
    for objective in method.objectives:
        try:
            found[objective.name] = received(
                objective, method, batch_per_replica, replicas, text_length, size
            )
        except UnknownObjective:
            continue
    return found


@functools.singledispatch
def received(
    objective: Objective, method: Method, batch: int, replicas: int, length: int, size: int
) -> float:
    """Bytes that a replica receives for `objective`; implementations are registered by its type.

    Args:
        objective: of `method`.
        method: see `bytes_by_objective`.
        batch: pairs on a replica.
        replicas: number of replicas.
        length: positions of a caption.
        size: bytes of a number in the compute dtype.

    Raises:
        UnknownObjective: if no implementation is registered.
    """
    raise UnknownObjective(f"{objective.name} ({type(objective).__name__})")


@received.register(ImageText)
@received.register(OptimalTransport)
def _(
    objective: Objective, method: Method, batch: int, replicas: int, length: int, size: int
) -> float:
    return 2 * _embeddings(method, batch, replicas)


@received.register
def _(
    objective: MultiView, method: Method, batch: int, replicas: int, length: int, size: int
) -> float:
    views = len({i for i, _ in objective.pairs}) + len({t for _, t in objective.pairs})
    return views * _embeddings(method, batch, replicas)


@received.register
def _(
    objective: NearestNeighbor, method: Method, batch: int, replicas: int, length: int, size: int
) -> float:
    no_gradient = len(objective.enqueued_views) + len(objective.text_views)
    one = gather(batch * widths(method.image_encoder).embedding * FLOAT32, replicas)
    with_gradient = len(objective.image_views) if objective.symmetric else 0
    return no_gradient * one + with_gradient * _embeddings(method, batch, replicas)


@received.register
def _(
    objective: ImageSimCLR, method: Method, batch: int, replicas: int, length: int, size: int
) -> float:
    width = objective.projector.linears[-1].units
    return 2 * gather_with_gradient(batch * width, FLOAT32, replicas)


@received.register
def _(
    objective: ImageSimSiam, method: Method, batch: int, replicas: int, length: int, size: int
) -> float:
    return 0.0  # gathers nothing; `of_batch_norms` counts its batch norms


@received.register
def _(
    objective: TextMLM, method: Method, batch: int, replicas: int, length: int, size: int
) -> float:
    return 0.0 if objective.local_mean else all_reduce(FLOAT32, replicas)


@received.register
def _(
    objective: FineGrained, method: Method, batch: int, replicas: int, length: int, size: int
) -> float:
    width = objective.image_mapping.units
    total = 0.0
    for positions in (widths(method.image_encoder).positions, length):
        tokens = kept(objective, positions)
        total += gather_with_gradient(batch * tokens * width, size, replicas)
        # The mask of the tokens, and their number.
        total += gather(batch * tokens * MASK, replicas) + gather(NUMBER, replicas)
    return total


def of_gradients(method: Method, replicas: int) -> float:
    """Bytes that a replica receives in the all-reduce of the float32 gradients of all weights.

    An upper bound: weights without a gradient, such as FILIP's projections, are not sent.
    """
    return all_reduce(blueprint.count(method.trainable_variables) * FLOAT32, replicas)


def of_batch_norms(method: Method, replicas: int, image_views: int) -> float:
    """Bytes that a replica receives for synchronised batch norms.

    Each call of a norm exchanges two moments a channel by an all-reduce of a table with a row for
    each replica (`replicas.stacked`); the backward pass all-reduces the table's gradient.
    """
    channels = 0
    encoder = method.image_encoder
    if isinstance(encoder, ModifiedResNet) and encoder.bn1.synchronized:
        channels += sum(resnet.norms(encoder)) * (image_views if method.separate_views else 1)
    for objective in method.objectives:
        calls = 2 if isinstance(objective, ImageSimCLR | ImageSimSiam) else 1  # one for each view
        channels += calls * sum(
            norm.gamma.shape[0] for norm in batch_norms(objective) if norm.synchronized
        )
    return 2 * all_reduce(replicas * 2 * FLOAT32 * channels, replicas)


def _embeddings(method: Method, batch: int, replicas: int) -> float:
    """Bytes received for one view's embeddings, in float32, and their gradient."""
    return gather_with_gradient(batch * widths(method.image_encoder).embedding, FLOAT32, replicas)
