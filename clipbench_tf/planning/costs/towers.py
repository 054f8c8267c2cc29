"""What the towers compute and keep: as the layers are written, op by op, without fusion.

What is kept is what TensorFlow's gradients of these layers ask for, as Keras 3.15 composes them;
the tests count it in the graph of a training step. N items, L positions, D width, H heads.
"""

import dataclasses
import functools

from clipbench_tf.models.locked import Locked
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
    inner = encoder.encoder if isinstance(encoder, Locked) else encoder
    if isinstance(inner, (VisionTransformer, ModifiedResNet)):
        return Widths(inner.embed_dim, inner.width, inner.patches)
    if isinstance(inner, TextTransformer):
        return Widths(inner.embed_dim, inner.width, text_length)
    raise unknown(inner)


def unknown(encoder: object) -> ValueError:
    """The error for a tower that has no costs here."""
    return ValueError(
        f"The plan has no costs for the tower {type(encoder).__name__}; write them into "
        f"clipbench_tf/planning/towers.py."
    )


@functools.singledispatch
def costs(encoder: object, items: float, work: Workload) -> Costs:
    """Costs of one pass over `items` pictures or captions and of its gradient."""
    raise unknown(encoder)


@costs.register
def _(encoder: Locked, items: float, work: Workload) -> Costs:
    there = costs(encoder.encoder, items, work)
    return Costs(forward=there.forward, working=there.working)


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
        + layer_norm(items * positions, width)
        + transformer(encoder.transformer, items, positions, work, work.recompute_images)
        + layer_norm(items, width)
        + product(items, width, encoder.embed_dim, weight_bytes=size)
        + Costs(saved=size * items * width)  # what the projection multiplies
    )


@costs.register
def _(encoder: TextTransformer, items: float, work: Workload) -> Costs:
    width, size = encoder.width, work.bytes
    # The table of embeddings in the compute dtype, of which the captions take their rows.
    table = size * encoder.token_embedding.input_dim * width if work.mixed else 0
    return (
        Costs(working=table)
        + transformer(encoder.transformer, items, work.text_length, work, work.recompute_texts)
        + layer_norm(items * work.text_length, width)
        + product(items, width, encoder.embed_dim, weight_bytes=size)
        + Costs(saved=size * items * width)
    )


def transformer(
    layer: Transformer, items: float, length: int, work: Workload, recompute: bool
) -> Costs:
    """All blocks; with `recompute` their inputs are kept, and one block's activations at a time."""
    if not layer.blocks:
        return Costs()
    first, depth = layer.blocks[0], len(layer.blocks)  # all alike
    one = block(first, items, length, work)
    there, back = PASSES["transformer"][work.bytes]
    if not recompute:
        # While the gradients of a block are computed, they take as much room as its activations.
        one = dataclasses.replace(one, moved=(there + back) * one.saved)
        return dataclasses.replace(one.times(depth), working=one.saved)
    width, hidden = first.attn.width, first.c_fc.units
    # A block's last product does not matter to its gradient, so it is not computed again.
    again = one.forward - 2.0 * items * length * hidden * width
    return dataclasses.replace(
        Costs(
            forward=one.forward,
            backward=one.backward + again,
            saved=work.bytes * items * length * width,
            moved=(2 * there + back) * one.saved,
        ).times(depth),
        working=2 * one.saved + one.narrow_weights,
    )


def block(layer: Block, items: float, length: int, work: Workload) -> Costs:
    """x + attention(norm(x)), then x + mlp(norm(x))."""
    width, hidden, heads = layer.attn.width, layer.c_fc.units, layer.attn.heads
    rows, size = items * length, work.bytes
    # Softmax in float32 for its own gradient, in the compute dtype for the product's.
    weights = items * heads * length**2 * (4 + (size if work.mixed else 0))
    attend = 2 * 2.0 * items * length**2 * width
    return (
        layer_norm(rows, width, output=size)
        + product(rows, width, 3 * width, weight_bytes=size)
        + Costs(saved=3 * size * rows * width + weights, forward=attend, backward=2 * attend)
        + product(rows, width, width, weight_bytes=size)
        + Costs(saved=size * rows * width)
        + layer_norm(rows, width, output=size)
        + product(rows, width, hidden, weight_bytes=size)
        + Costs(saved=2 * size * rows * hidden)  # before and after the activation
        + product(rows, hidden, width, weight_bytes=size)
    )


def layer_norm(rows: float, width: float, output: int = 0) -> Costs:
    """Keras's composed layer norm: its input, its factors, and three numbers a row, in float32.

    Args:
        output: bytes of a number of the output, if a product keeps it.
    """
    return Costs(saved=rows * ((8 + output) * width + 12))
