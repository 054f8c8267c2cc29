"""Runs one case of a benchmark: starts its sides, compares their answers, and measures them."""

import contextlib
import os
import sys
from collections.abc import Mapping
from importlib import metadata

import numpy as np

from clipbench_tf import record
from clipbench_tf.benchmarks.harness.contender import (
    Contender,
    ContenderError,
    MissingPackage,
    Side,
)
from clipbench_tf.benchmarks.harness.job import Answer
from clipbench_tf.benchmarks.harness.measure import Unit, interleaved, summary

OURS, PEER = "ours", "peer"


def compare(
    case: str,
    unit: Unit,
    sides: Mapping[str, Side],
    *,
    repetitions: int,
    tolerance: float | None = None,
    warm_ups: int = 1,
) -> dict:
    """Measures `sides` in turns and returns the record.

    Args:
        case: its name in the record.
        unit: of the figures.
        sides: by name, "ours", "peer" and others. All but "ours" may lack a package.
        repetitions: of which the medians are taken.
        tolerance: relative and absolute, between the answers of the sides; None for sides that
            compute different things.
        warm_ups: repetitions before these that are not measured.

    Raises:
        ContenderError: if a side fails or gives another answer than ours.
    """
    with contextlib.ExitStack() as stack:
        running = {}
        for name, side in sides.items():
            try:
                running[name] = stack.enter_context(Contender(side))
            except MissingPackage as error:
                if name == OURS:
                    raise ContenderError(f"Package {error} is not installed.") from None
                print(f"{case}: no {name}, as {error} is not installed.", file=sys.stderr)
        if tolerance is not None:
            _agree({name: one.answer() for name, one in running.items()}, tolerance)
        runs = {name: one.seconds for name, one in running.items()}
        seconds = interleaved(runs, repetitions=repetitions, warm_ups=warm_ups)
        peaks = {name: one.peak_extra_bytes() for name, one in running.items()}
    megabytes = {name: round(peak / 1e6, 1) for name, peak in peaks.items()}
    cores = sides[OURS].cores or len(os.sched_getaffinity(0))
    return {"case": case} | summary(seconds, unit) | {"peak_extra_mb": megabytes} | facts(cores)


def _agree(answers: Mapping[str, Answer | None], tolerance: float) -> None:
    expected = answers[OURS]
    for name, answer in answers.items():
        if not (isinstance(expected, list) and isinstance(answer, list)):
            same = answer == expected
        else:
            same = np.allclose(answer, expected, rtol=tolerance, atol=tolerance)
        if not same:
            raise ContenderError(f"{name} computes {answer}, ours {expected}; not the same.")


def facts(cores: int) -> dict:
    """Versions, cores, processor and commit."""
    facts = record.environment()
    versions = dict(facts["packages"])
    for name in ("torch", "transformers", "regex", "ftfy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    hardware = facts["hardware"]
    return {
        "cores": cores,
        "cpu": hardware["cpu"],
        "accelerators": hardware["accelerators"],
        "versions": versions,
        "git_commit": facts["git_commit"],
    }
