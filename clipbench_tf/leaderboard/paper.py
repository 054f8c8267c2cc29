"""The published numbers: zero-shot top-1 on ImageNet in percent, Cui et al. 2022, Tables 3 to 5.

For YFCC15M, on 32 GPUs; they stand beside ours in a column of their own, never in one.
"""

from collections.abc import Sequence

from clipbench_tf.leaderboard.entry import Level

NUMBERS: dict[str, dict[tuple[Level, ...], float]] = {
    "table3": {
        ("CLIP", "V1"): 26.1,
        ("CLIP", "V2"): 32.8,
        ("DeFILIP", "V1"): 36.4,
        ("DeFILIP", "V2"): 45.0,
    },
    "table4": {
        ("CLIP", "ResNet50"): 37.2,
        ("SLIP", "ResNet50"): 28.5,
        ("FILIP", "ResNet50"): 21.3,
        ("DeCLIP", "ResNet50"): 44.4,
        ("CLIP", "ViT-B/32"): 32.8,
        ("SLIP", "ViT-B/32"): 34.3,
        ("FILIP", "ViT-B/32"): 39.5,
        ("DeCLIP", "ViT-B/32"): 43.2,
        ("DeFILIP", "ViT-B/32"): 45.0,
    },
    "table5": {
        ("CLIP", 1): 29.9,
        ("CLIP", 3): 34.2,
        ("CLIP", 6): 34.3,
        ("CLIP", 12): 32.8,
        ("DeFILIP", 1): 39.7,
        ("DeFILIP", 3): 44.1,
        ("DeFILIP", 6): 44.3,
        ("DeFILIP", 12): 45.0,
    },
}


def published(suite: str, row: Sequence[Level]) -> float | None:
    """The paper's number for a row, in percent; None where it has none."""
    return NUMBERS.get(suite, {}).get(tuple(row))
