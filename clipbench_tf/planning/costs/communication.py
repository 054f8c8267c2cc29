"""What a replica receives in a step, in bytes.

Conventions, for n replicas. A gather of b bytes on each brings every replica (n - 1) b. Its
gradient is an all-reduce of what was gathered, in float32, of which a replica keeps its own part;
a ring all-reduce of s bytes brings every replica 2 (n - 1) / n s (Patarasuk and Yuan 2009): once
to sum, once to spread the sums. Latency, which counts for the many small messages of batch norms,
is not in here.
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
from clipbench_tf.planning.costs.signals import NotPlanned, kept
from clipbench_tf.planning.costs.towers import widths

FLOAT32 = 4
MASK = 2  # bytes of a gathered truth value: collectives know float16, but nothing of one byte
NUMBER = 4  # bytes of an int32


def gather(size: float, replicas: int) -> float:
    """Received by a replica when `size` bytes of each are joined."""
    return (replicas - 1) * size


def all_reduce(size: float, replicas: int) -> float:
    """Received by a replica when `size` bytes are summed over all, in a ring."""
    return 2 * (replicas - 1) / replicas * size


def gather_with_gradient(numbers: float, number_bytes: int, replicas: int) -> float:
    """Received for `numbers` of each replica: joined in their dtype, and back in float32."""
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
        method: its layers' sizes count; it need not be built.
        batch_per_replica: pairs.
        text_length: positions of a caption on the replica with the longest.
        compute_bytes: of a number that the towers compute; by default as `method` has it.

    Returns:
        name -> bytes; objectives that are not written down here are left out.
    """
    size = compute_bytes or (4 if method.compute_dtype == "float32" else 2)
    found = {}
    for objective in method.objectives:
        try:
            found[objective.name] = received(
                objective, method, batch_per_replica, replicas, text_length, size
            )
        except NotPlanned:
            continue
    return found


@functools.singledispatch
def received(
    objective: Objective, method: Method, batch: int, replicas: int, length: int, size: int
) -> float:
    """Bytes that `objective` brings a replica with `batch` pairs, captions of `length`.

    Args:
        size: bytes of a number that the towers compute.

    Raises:
        NotPlanned: for an objective that is not written down.
    """
    raise NotPlanned(f"{objective.name} ({type(objective).__name__})")


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
    still = len(objective.enqueued_views) + len(objective.text_views)
    one = gather(batch * widths(method.image_encoder).embedding * FLOAT32, replicas)
    moving = len(objective.image_views) if objective.symmetric else 0
    return still * one + moving * _embeddings(method, batch, replicas)


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
    return 0.0  # contrasts nothing; its batch norms are counted with the others


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
        # Which of the tokens count, and how many there are.
        total += gather(batch * tokens * MASK, replicas) + gather(NUMBER, replicas)
    return total


def of_gradients(method: Method, replicas: int) -> float:
    """Bytes that a replica receives of the float32 gradients of all trainable variables.

    An upper bound: those that no objective reaches, FILIP's projections for one, are not sent.
    """
    return all_reduce(blueprint.count(method.trainable_variables) * FLOAT32, replicas)


def of_batch_norms(method: Method, replicas: int, image_views: int) -> float:
    """Bytes that a replica receives of the moments of synchronised batch norms.

    Each call of a norm sends two moments a channel and gets those of every replica, by an
    all-reduce of a table with a row for each (`replicas.stacked`); the backward pass sends the
    table's gradient the same way.
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
    """One view's, in float32, and their gradient."""
    return gather_with_gradient(batch * widths(method.image_encoder).embedding, FLOAT32, replicas)
