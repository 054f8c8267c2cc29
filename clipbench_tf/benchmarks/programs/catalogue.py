"""The programs by name, those that matter most first."""

import functools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from clipbench_tf import hardware
from clipbench_tf.benchmarks.programs import similarities, steps
from clipbench_tf.benchmarks.programs.stablehlo import ProgramError
from clipbench_tf.benchmarks.samples import tokens
from clipbench_tf.benchmarks.training_step import METHODS

BATCH, TEXTS = 128, 4096  # pairs of a replica; texts of all replicas
_PRECISIONS = ("bfloat16", "float32")
_MODELS = {"vit": "vit_b32", "resnet": "resnet50"}
LIST = "programs.json"

Write = Callable[[Path, str], None]


def programs(batch: int = BATCH, texts: int = TEXTS) -> dict[str, Write]:
    """What writes each program into a folder, by the program's name."""
    found: dict[str, Write] = {}
    for precision in _PRECISIONS:
        for words, name in ((tokens.WORDS, "whole"), (tokens.SELECTED, "selected")):
            found[f"similarity_{name}_{precision}"] = functools.partial(
                similarities.similarity,
                batch=batch,
                texts=texts,
                words=words,
                precision=precision,
            )
        for short, model in _MODELS.items():
            for method in METHODS:
                found[f"step_{method}_{short}_{precision}"] = functools.partial(
                    steps.training_step,
                    method=method,
                    model=model,
                    precision=precision,
                    batch=batch,
                )
        for name, kind, model in (
            ("vit", "image", "vit_b32"),
            ("resnet", "image", "resnet50"),
            ("text", "text", "vit_b32"),
        ):
            found[f"tower_{name}_{precision}"] = functools.partial(
                steps.tower, kind=kind, model=model, precision=precision, batch=batch
            )
    return found


def write(folder: Path, only: str = "", batch: int = BATCH, texts: int = TEXTS) -> Iterator[str]:
    """Writes the programs whose names match the regular expression `only`; yields each name.

    The list of all programs in `folder` is kept in programs.json.

    Raises:
        ProgramError: if no name matches, or a program cannot be written.
    """
    everything = programs(batch, texts)
    wanted = [name for name in everything if re.search(only, name)]
    if not wanted:
        raise ProgramError(f"No program's name matches {only!r}; there are {', '.join(everything)}")
    with hardware.assumed_gpu():
        for name in wanted:
            everything[name](folder, name)
            there = [one for one in everything if (folder / f"{one}.json").is_file()]
            folder.joinpath(LIST).write_text(json.dumps(there, indent=1) + "\n", encoding="utf-8")
            yield name
