"""Costs of the modified ResNet."""

import dataclasses

from clipbench_tf.models.layers.batch_norm import BatchNorm
from clipbench_tf.models.modified_resnet import REDUCTION, Bottleneck, ModifiedResNet
from clipbench_tf.planning.costs.operations import PASSES, Costs, product
from clipbench_tf.planning.costs.workload import Workload


def costs(tower: ModifiedResNet, items: float, work: Workload) -> Costs:
    """Costs of one pass over `items` pictures and of its gradient."""
    size, side = work.bytes, tower.image_size // 2
    half, width = tower.conv1.filters, tower.conv3.filters
    pixels = items * (tower.image_size + 2) ** 2 * 3
    total = (
        Costs(saved=size * pixels, working=4.0 * pixels)
        + _convolution(items, side, 3, half, 3, work, tower.bn1, gradients=1)
        + _convolution(items, side, half, half, 3, work, tower.bn2)
        + _convolution(items, side, half, width, 3, work, tower.bn3)
        # The outputs of the three ReLUs, and the pooled map.
        + Costs(saved=size * items * (side**2 * (2 * half + width) + (side // 2) ** 2 * width))
        # For the largest map of a batch norm: its square and, over several replicas, its count.
        + Costs(working=3.0 * 4 * items * side**2 * width)
    )
    side, channels = side // 2, width
    for block in tower.blocks:
        total += _bottleneck(block, items, side, channels, work)
        side, channels = side // block.stride, block.conv3.filters
    narrow = work.norm_bytes(tower.bn3, width) == size
    passes = PASSES["resnet" if narrow else "resnet_float32_norms"]
    total = dataclasses.replace(total, moved=sum(passes[size]) * total.saved)
    return (
        total
        + _attention_pool(tower, items, work)
        + product(items, tower.width, tower.embed_dim, weight_bytes=size)
        + Costs(saved=size * items * tower.width)
    )


def norms(tower: ModifiedResNet) -> list[int]:
    """Channels of every batch norm."""
    found = [tower.conv1.filters, tower.conv2.filters, tower.conv3.filters]
    for block in tower.blocks:
        found += [block.conv1.filters, block.conv2.filters, block.conv3.filters]
        if block.downsample is not None:
            found.append(block.downsample.filters)
    return found


def _bottleneck(block: Bottleneck, items: float, side: int, channels: int, work: Workload) -> Costs:
    """Three convolutions and the shortcut's; the input has `channels` maps of `side`."""
    inner, outer, after = block.conv1.filters, block.conv3.filters, side // block.stride
    total = (
        _convolution(items, side, channels, inner, 1, work, block.bn1)
        + _convolution(items, side, inner, inner, 3, work, block.bn2)
        + _convolution(items, after, inner, outer, 1, work, block.bn3)
        # The outputs of the three ReLUs.
        + Costs(saved=work.bytes * items * (2 * side**2 * inner + after**2 * outer))
    )
    if block.stride > 1:  # the pooled input of the third convolution
        total += Costs(saved=work.bytes * items * after**2 * inner)
    if block.downsample is not None:
        total += _convolution(items, after, channels, outer, 1, work, block.downsample_bn)
        if block.stride > 1:
            total += Costs(saved=work.bytes * items * after**2 * channels)
    return total


def _convolution(
    items: float,
    side: int,
    inputs: int,
    filters: int,
    kernel: int,
    work: Workload,
    norm: BatchNorm,
    gradients: int = 2,
) -> Costs:
    """A convolution to maps of `side`, and its output, which the batch norm behind it keeps."""
    positions = items * side**2
    return product(
        positions, inputs * kernel**2, filters, weight_bytes=work.bytes, gradients=gradients
    ) + Costs(saved=work.norm_bytes(norm, filters) * positions * filters)


def _attention_pool(tower: ModifiedResNet, items: float, work: Workload) -> Costs:
    """Attention of one query, from the mean, to the mean and all positions.

    Keys and values are never formed.
    """
    width, heads, size = tower.width, tower.attnpool.heads, work.bytes
    positions = (tower.image_size // REDUCTION) ** 2 + 1
    attend = 2 * 2.0 * items * heads * positions * width
    weights = items * heads * positions * (4 + (size if work.mixed else 0))
    return (
        product(items, width, width, weight_bytes=size)
        + product(items, width, width, weight_bytes=size)
        + product(items, width, width, weight_bytes=size)
        + Costs(
            # Inputs of products: the mean, its query, each head's query and result, all positions.
            saved=size * items * width * (2 + 2 * heads + positions) + weights,
            # The keys' bias, a factor here; in float32, where no kernel is cast, those of keys and
            # values with heads first.
            narrow_weights=size * width if work.mixed else 2 * size * width**2,
            forward=attend,
            backward=2 * attend,
        )
    )
