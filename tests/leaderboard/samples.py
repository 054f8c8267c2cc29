"""Small made-up records of a suite."""

import dataclasses

from clipbench_tf.leaderboard.entry import Entry, Level, SuiteFacts
from clipbench_tf.leaderboard.fairness import TOUCHES

FACTORS = ("method", "image encoder")
SUITE = SuiteFacts(
    name="table4",
    scale="emoji",
    title="Supervision, by image encoder",
    factors=FACTORS,
    baselines={"method": "CLIP"},
    touches={name: TOUCHES[name] for name in FACTORS},
)
ROWS = [
    (method, encoder)
    for encoder in ("ResNet50", "ViT-B/32")
    for method in ("CLIP", "SLIP", "FILIP", "DeCLIP", "DeFILIP")
]
CONFIG = """from clipbench_tf import method
from clipbench_tf.data import pipeline
from clipbench_tf.optimization import recipe

# Parameters for method.Method:
method.Method.name = '{method}'
pipeline.Pipeline.batch_size = 128
recipe.Recipe.epochs = 16
"""


def run(top1: float, *, steps: int = 700, seed: int = 0, minutes: float = 2.0) -> dict:
    """What record.json has."""
    results = [
        {
            "split": split,
            "classes": 1891,
            "scored": scored,
            "corrupt": 0,
            "top1": share * top1,
            "top1_interval": [0.9 * share * top1, 1.1 * share * top1],
            "top1_chance": 1 / 1891,
            "top5": 2 * share * top1,
            "top5_interval": [1.8 * share * top1, 2.2 * share * top1],
            "top5_chance": 5 / 1891,
            "mean_reciprocal_rank": 1.4 * share * top1,
            "mean_reciprocal_rank_chance": 0.004,
        }
        for split, scored, share in (("test", 1710, 1.0), ("zero_shot", 695, 0.1))
    ]
    return {
        "method": "clip",
        "dataset": "emoji",
        "evaluation_dataset": "emoji",
        "scorer": "cosine",
        "results": results,
        "checksums": {
            name: digit * 64
            for name, digit in {
                "training_data": "d",
                "evaluation_data": "e",
                "class_names": "c",
                "prompts": "f",
            }.items()
        },
        "steps": steps,
        "batch_size": 128,
        "seed": seed,
        "precision": "mixed_bfloat16",
        "parameters": 1_600_000,
        "wall_time_seconds": 60 * minutes,
        "hardware": {
            "cpu": "AMD EPYC",
            "instructions": ["avx2", "avx512_bf16"],
            "cores": 2,
            "memory_gb": 25.3,
            "accelerators": [],
        },
        "packages": {"python": "3.11.7", "clipbench_tf": "0.6.0", "tensorflow": "2.21.0"},
        "git_commit": "a" * 40,
    }


def entry(
    row: tuple[Level, ...] = ROWS[0],
    seed: int = 0,
    top1: float = 0.2,
    *,
    suite: SuiteFacts = SUITE,
    place: int = 0,
    flops: float = 1e13,
    minutes: float = 2.0,
) -> Entry:
    """A record whose accuracies are multiples of `top1`."""
    return Entry(
        suite=suite,
        row=row,
        place=place,
        seed=seed,
        key=f"{place}{seed}".rjust(64, "0"),
        config=CONFIG.format(method=str(row[0]).lower()),
        flops=flops,
        curve=[
            {"step": 10, "loss": 4.8},
            {"step": 350, "loss": 2.0, "zero_shot/validation/top1": top1 / 2},
            {"step": 700, "loss": 1.0, "zero_shot/validation/top1": top1},
        ],
        run=run(top1, seed=seed, minutes=minutes),
    )


def entries(seeds: int = 3) -> list[Entry]:
    """All rows, each a point and a half above the one before, seeds about half a point apart."""
    return [
        entry(
            row,
            seed,
            0.1 + 0.015 * place + 0.004 * ((seed * 7 + place * 3) % 5 - 2),
            place=place,
            flops=1e13 * (1 + place % 5),
            minutes=1.0 + place % 5,
        )
        for place, row in enumerate(ROWS)
        for seed in range(seeds)
    ]


def of_depths(seeds: int = 3) -> list[Entry]:
    """A suite with a factor of numbers."""
    suite = dataclasses.replace(
        SUITE,
        name="table5",
        title="Depth of the text encoder",
        factors=("method", "text layers"),
        baselines={"text layers": 12, "method": "CLIP"},
        touches={name: TOUCHES[name] for name in ("method", "text layers")},
    )
    return [
        entry(
            (method, depth),
            seed,
            0.1 + 0.02 * (method == "DeFILIP") + 0.005 * place + 0.003 * seed,
            suite=suite,
            place=4 * (method == "DeFILIP") + place,
        )
        for method in ("CLIP", "DeFILIP")
        for place, depth in enumerate((1, 3, 6, 12))
        for seed in range(seeds)
    ]
