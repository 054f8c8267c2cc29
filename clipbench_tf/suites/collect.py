"""The record of a finished run, as one of its suite."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from clipbench_tf import config
from clipbench_tf.leaderboard.entry import Entry, SuiteFacts
from clipbench_tf.suites.jobs import Job

_POINTS = 60  # of a curve, at most about so many beside those with an accuracy


def collect(job: Job, facts: SuiteFacts) -> Entry:
    """The entry of `job`, whose run has finished.

    Raises:
        OSError, ValueError: if its run folder is not whole.
    """
    text = config.saved(job.workdir)
    if text is None:
        raise FileNotFoundError(f"{job.workdir} has no {config.RUN_CONFIG}")
    return Entry(
        suite=facts,
        row=job.row,
        place=job.place,
        seed=job.seed,
        key=job.key,
        config=text,
        flops=job.flops,
        curve=_curve(job.workdir / "metrics.jsonl"),
        run=json.loads((job.workdir / "record.json").read_text(encoding="utf-8")),
    )


def _curve(path: Path) -> Sequence[Mapping[str, float]]:
    """Some steps of a run's log: loss, and the accuracies that were measured while it went on."""
    with path.open(encoding="utf-8") as lines:
        logged = [json.loads(line) for line in lines]
    every = max(1, len(logged) // _POINTS)
    found = []
    for number, entry in enumerate(logged, 1):
        accuracy = {name: v for name, v in entry.items() if name.startswith("zero_shot/")}
        loss = {"loss": entry["loss"]} if "loss" in entry and number % every == 0 else {}
        if accuracy or loss:
            found.append({"step": entry["step"], **loss, **accuracy})
    return found
