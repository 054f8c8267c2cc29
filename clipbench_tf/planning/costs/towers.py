"""Costs of the towers, op by op as the layers are written, without fusion.

What is saved is what the gradients of these layers read; the tests count it in the graph of a
training step.
"""

import dataclasses
import functools

from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.transformer import Block, Transformer
from clipbench_tf.models.vision_transformer import VisionTransformer
from clipbench_tf.planning.costs import resnet
from clipbench_tf.planning.costs.operations import PASSES, Costs, product
from clipbench_tf.planning.costs.workload import Workload


@dataclasses.dataclass(frozen=True)
class Widths:
    """What a tower returns for each item: `embedding`, `pooled` numbers, `positions` tokens."""

    embedding: int
    pooled: int
    positions: int

    def features(self) -> int:
        """Numbers for each item."""
        return self.embedding + self.pooled * (1 + self.positions)


def widths(encoder: object, text_length: int = 0) -> Widths:
    """The widths of a tower's features; of a text tower's, for texts of `text_length`."""
    if isinstance(encoder, (VisionTransformer, ModifiedResNet)):
        return Widths(encoder.embed_dim, encoder.width, encoder.patches)
    if isinstance(encoder, TextTransformer):
        return Widths(encoder.embed_dim, encoder.width, text_length)
    raise unknown(encoder)


def unknown(encoder: object) -> ValueError:
    """The error for a tower that has no costs here."""
    return ValueError(
        f"The plan has no costs for the tower {type(encoder).__name__}; add them to "
        f"clipbench_tf/planning/costs/towers.py."
    )


@functools.singledispatch
def costs(encoder: object, items: float, work: Workload) -> Costs:
    """Costs of encoding `items` pictures or captions and of the gradient; registered by type.

    Raises:
        ValueError: for a tower without costs.
    """
    raise unknown(encoder)


@costs.register
def _(encoder: ModifiedResNet, items: float, work: Workload) -> Costs:
    return resnet.costs(encoder, items, work)


@costs.register
def _(encoder: VisionTransformer, items: float, work: Workload) -> Costs:
    width, size, positions = encoder.width, work.bytes, encoder.patches + 1
    patch = encoder.conv1.kernel_size[0]
    trained = bool(encoder.conv1.trainable)
    pixels = items * encoder.image_size**2 * 3
    return (
        # No gradient of the pixels is taken.
        product(items * encoder.patches, 3 * patch**2, width, weight_bytes=size, gradients=trained)
        + Costs(saved=trained * size * pixels, working=4.0 * pixels)
        + layer_norm(items * positions, width, size)
        + transformer(encoder.transformer, items, positions, work, work.recompute_images)
        + layer_norm(items, width, size)
        + product(items, width, encoder.embed_dim, weight_bytes=size)
        + Costs(saved=size * items * width)  # the projection's input
    )


@costs.register
def _(encoder: TextTransformer, items: float, work: Workload) -> Costs:
    width, size, rows = encoder.width, work.bytes, items * work.text_positions
    # The embedding table, cast to the compute dtype before the lookup.
    table = size * encoder.token_embedding.input_dim * width if work.mixed else 0
    return (
        Costs(working=table)
        + transformer(
            encoder.transformer, items, work.text_length, work, work.recompute_texts, rows
        )
        + layer_norm(rows, width, size)
        + product(items, width, encoder.embed_dim, weight_bytes=size)
        + Costs(saved=size * items * width)
    )


def transformer(
    layer: Transformer,
    items: float,
    length: int,
    work: Workload,
    recompute: bool,
    rows: float | None = None,
) -> Costs:
    """Costs of all blocks; with `recompute`, only their inputs are saved.

    Args:
        rows: positions of all items, if some of `items` times `length` are left out.
    """
    if not layer.blocks:
        return Costs()
    first, depth = layer.blocks[0], len(layer.blocks)  # all blocks are equal
    rows = items * length if rows is None else rows
    one = block(first, items, length, rows, work)
    forward, backward = PASSES["transformer"][work.bytes]
    if not recompute:
        # The gradients of one block at a time take as much memory as its activations.
        one = dataclasses.replace(one, moved=(forward + backward) * one.saved)
        return dataclasses.replace(one.times(depth), working=one.saved)
    width, hidden = first.attn.width, first.c_fc.units
    # A block's gradient does not need its last product, which is therefore not recomputed.
    again = one.forward - 2.0 * rows * hidden * width
    return dataclasses.replace(
        Costs(
            forward=one.forward,
            backward=one.backward + again,
            saved=work.bytes * rows * width,
            moved=(2 * forward + backward) * one.saved,
        ).times(depth),
        working=2 * one.saved + one.narrow_weights,
    )


def block(layer: Block, items: float, length: int, rows: float, work: Workload) -> Costs:
    """x + attention(norm(x)), then x + mlp(norm(x)); attention alone sees `items` x `length`."""
    width, hidden, heads = layer.attn.width, layer.c_fc.units, layer.attn.heads
    size = work.bytes
    # Softmax in float32 for its own gradient, in the compute dtype for the product's.
    weights = items * heads * length**2 * (4 + (size if work.mixed else 0))
    attend = 2 * 2.0 * items * length**2 * width
    return (
        layer_norm(rows, width, size, output=size)
        + product(rows, width, 3 * width, weight_bytes=size)
        + Costs(saved=3 * size * items * length * width + weights)
        + Costs(forward=attend, backward=2 * attend)
        + product(rows, width, width, weight_bytes=size)
        + Costs(saved=size * rows * width)
        + layer_norm(rows, width, size, output=size)
        + product(rows, width, hidden, weight_bytes=size)
        + Costs(saved=2 * size * rows * hidden)  # before and after the activation
        + product(rows, hidden, width, weight_bytes=size)
    )


def layer_norm(rows: float, width: float, size: int, output: int = 0) -> Costs:
    """A layer norm saves its input.

    Args:
        size: bytes of a number of the input.
        output: bytes of a number of the output, if a product saves it.
    """
    return Costs(saved=rows * (size + output) * width)
