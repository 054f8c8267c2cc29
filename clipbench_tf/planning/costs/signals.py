"""Costs of the objectives, beside those of the towers.

B pairs on this replica, N on all, E width of the embeddings. An objective without costs here counts
as nothing, and the plan says so.
"""

import functools
import math
from collections.abc import Sequence

from clipbench_tf.method import Method
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.heads import Perceptron
from clipbench_tf.objectives.image_simclr import ImageSimCLR
from clipbench_tf.objectives.image_simsiam import ImageSimSiam
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.multi_view import MultiView
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.objectives.objective import Objective
from clipbench_tf.objectives.optimal_transport import OptimalTransport
from clipbench_tf.objectives.similarity.blockwise_similarity import GPU_BLOCK
from clipbench_tf.objectives.similarity.token_selection import batch_scores
from clipbench_tf.objectives.text_mlm import TextMLM
from clipbench_tf.planning.costs.operations import Costs, product
from clipbench_tf.planning.costs.towers import widths
from clipbench_tf.planning.costs.workload import Workload


class UnknownObjective(ValueError):
    """An objective has no costs here."""


@functools.singledispatch
def costs(objective: Objective, method: Method, work: Workload) -> Costs:
    """Costs of an objective of `method` on one replica; registered by the objective's type.

    Raises:
        UnknownObjective: if no costs are registered.
    """
    raise UnknownObjective(f"{objective.name} ({type(objective).__name__})")


@costs.register
def _(objective: ImageText, method: Method, work: Workload) -> Costs:
    width = _embedding(method)
    return _views(2, work, width) + _contrast(2, work, width)


@costs.register
def _(objective: MultiView, method: Method, work: Workload) -> Costs:
    width = _embedding(method)
    views = len({i for i, _ in objective.pairs}) + len({t for _, t in objective.pairs})
    return _views(views, work, width) + _contrast(2 * len(objective.pairs), work, width)


@costs.register
def _(objective: OptimalTransport, method: Method, work: Workload) -> Costs:
    width, gathered = _embedding(method), work.gathered
    similarities = 3 * 2.0 * gathered**2 * width
    return (
        _views(2, work, width)
        + _contrast(2, work, width)
        # The soft targets of both directions and their softmax; S and its logarithms.
        + Costs(
            saved=2 * 2 * 4.0 * work.batch * gathered,
            forward=similarities,
            working=4 * 4.0 * gathered**2,
        )
    )


@costs.register
def _(objective: NearestNeighbor, method: Method, work: Workload) -> Costs:
    width, views = _embedding(method), len(objective.text_views)
    pairs = len(objective.image_views) * views
    look_up = 2.0 * work.batch * objective.size * width
    return (
        Costs(forward=views * look_up, working=4.0 * views * work.batch * objective.size)
        + _views(len(objective.image_views) + views, work, width)
        # The neighbours carry no gradient, so only one side of each product has one.
        + _contrast((1 + objective.symmetric) * pairs, work, width, gradients=1)
    )


@costs.register
def _(objective: ImageSimCLR, method: Method, work: Workload) -> Costs:
    projector = objective.projector
    width = projector.linears[-1].units
    head = _perceptron(projector, widths(method.image_encoder).pooled, work)
    return head + head + _views(2, work, width) + _contrast(4, work, width)


@costs.register
def _(objective: ImageSimSiam, method: Method, work: Workload) -> Costs:
    projected = objective.projector.linears[-1].units
    one = (
        _perceptron(objective.projector, _embedding(method), work)
        + _perceptron(objective.predictor, projected, work)
        # The prediction, and prediction and target at unit length.
        + Costs(saved=3 * 4.0 * work.batch * projected)
    )
    return one + one


@costs.register
def _(objective: TextMLM, method: Method, work: Workload) -> Costs:
    width, vocabulary = widths(method.text_encoder).pooled, objective.head.units
    logits = work.masked * vocabulary
    return product(work.masked, width, vocabulary, weight_bytes=work.bytes) + Costs(
        # The softmax, and the head's input.
        saved=4.0 * logits + work.bytes * work.masked * width,
        working=(4.0 + work.bytes) * logits,
    )


@costs.register
def _(objective: FineGrained, method: Method, work: Workload) -> Costs:
    image = widths(method.image_encoder)
    text = widths(method.text_encoder, work.text_length)
    width, size, batch = objective.image_mapping.units, work.bytes, work.batch
    patches, words = batch * image.positions, batch * text.positions
    total = Costs()
    for rows, inner in ((patches, image.pooled), (words, text.pooled)):
        total += product(rows, inner, width, weight_bytes=size)
        # The mapping's input; its float32 output and that at unit length; their narrow copy.
        total += Costs(
            saved=rows * (size * inner + 8 * width + (size * width if work.mixed else 0))
        )
    if selects(objective) and objective.selection_score is batch_scores:
        total += Costs(forward=2.0 * patches * words * width)
    kept_patches, kept_words = kept(objective, image.positions), kept(objective, text.positions)
    gathered = work.gathered
    cosines: float = patches * kept_words + words * kept_patches  # for each gathered pair
    if not selects(objective) and work.replicas == 1:
        cosines = patches * words / batch  # one product for both directions
    operations = 2.0 * cosines * gathered * width
    keys = gathered * (kept_patches + kept_words) * width * size
    return total + Costs(
        saved=keys + 2.0 * gathered * (patches + words),  # the keys, and the int16 argmaxes
        forward=operations,
        backward=2 * operations,
        # Each cosine is written once and read twice, its gradient too, by two products.
        moved=6.0 * size * cosines * gathered,
        working=3 * 4.0 * max(GPU_BLOCK, max(patches, words)),
    )


def selects(objective: FineGrained) -> bool:
    """Whether only some tokens are keys."""
    return objective.selection < 1 or objective.selection_count is not None


def kept(objective: FineGrained, positions: int) -> int:
    """How many of an item's tokens are keys, as `token_selection.keep_best` counts them."""
    if not selects(objective):
        return positions
    if objective.selection_count is not None:
        return min(objective.selection_count, positions)
    return math.ceil(objective.selection * positions - 1e-4)


def _embedding(method: Method) -> int:
    return widths(method.image_encoder).embedding


def _views(count: float, work: Workload, width: int) -> Costs:
    """`count` views of embeddings, the same at unit length, and gathered, in float32."""
    gathered = work.gathered if work.replicas > 1 else 0
    return Costs(saved=count * 4.0 * width * (2 * work.batch + gathered))


def _contrast(count: float, work: Workload, width: int, gradients: int = 2) -> Costs:
    """`count` products of B queries with N keys, their logits and softmax, in float32."""
    logits = count * work.batch * work.gathered
    operations = 2.0 * logits * width
    return Costs(
        saved=2 * 4.0 * logits,
        forward=operations,
        backward=gradients * operations,
        working=2 * 4.0 * logits,
    )


def _perceptron(head: Perceptron, inputs: int, work: Workload) -> Costs:
    """A perceptron on one view: its products, their inputs, and the inputs of its norms."""
    total = Costs()
    shapes: Sequence[int] = [linear.units for linear in head.linears]
    for i, units in enumerate(shapes):
        total += product(work.batch, inputs, units, weight_bytes=work.bytes)
        total += Costs(saved=work.batch * inputs * work.bytes)
        if i < len(head.norms):
            total += Costs(saved=work.norm_bytes(head.norms[i], units) * work.batch * units)
        inputs = units
    return total
