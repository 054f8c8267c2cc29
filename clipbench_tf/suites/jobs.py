"""The runs of a suite: one for each row and seed."""

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from clipbench_tf import config
from clipbench_tf.leaderboard import fairness
from clipbench_tf.leaderboard.entry import Level, SuiteFacts, row_label
from clipbench_tf.planning.costs.devices import DEVICES
from clipbench_tf.planning.planner import plan_recipe
from clipbench_tf.suites.suite import Suite, SuiteError

_DEVICE = next(iter(DEVICES.values()))  # operations are the same on all


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One run.

    Attributes:
        row: its levels.
        place: of the row in the suite.
        seed: of weights, order and augmentation.
        files: gin files.
        bindings: gin bindings.
        key: SHA-256 of the configuration, seed and all. Runs with one key give the same result.
        steps: of the whole run.
        flops: floating-point operations of the whole run, by the planner's model.
        workdir: the run folder.
        record: where its `Entry` is written.
    """

    row: tuple[Level, ...]
    place: int
    seed: int
    files: Sequence[str]
    bindings: Sequence[str]
    key: str
    steps: int
    flops: float
    workdir: Path
    record: Path

    @property
    def label(self) -> str:
        """For people."""
        return f"{row_label(self.row)}, seed {self.seed}"

    @property
    def arguments(self) -> list[str]:
        """Those of `scripts/train.py`."""
        return [
            *(f"--gin_file={file}" for file in self.files),
            *(f"--gin_bindings={binding}" for binding in self.bindings),
            f"--workdir={self.workdir}",
        ]


def slug(row: Sequence[Level]) -> str:
    """A row as the name of a file."""
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(map(str, row)).lower()).strip("-")


def configurations(suite: Suite, bindings: Sequence[str] = ()) -> dict[tuple[Level, ...], str]:
    """What each row binds, as gin text.

    Args:
        bindings: of all rows, after their own.

    Raises:
        ConfigError: for what cannot be read.
    """
    found = {}
    for row in suite.rows:
        files, own = suite.parts(row)
        config.parse(files, [*own, *bindings])
        found[row] = config.bound()
    return found


def check_fair(suite: Suite, configs: dict[tuple[Level, ...], str]) -> None:
    """Refuses a suite whose rows differ in what they do not name.

    Raises:
        SuiteError: with all such differences.
    """
    unfair = fairness.unnamed(configs, suite.factors, suite.touches)
    if unfair:
        raise SuiteError(
            "The rows are not comparable:\n"
            + "\n".join(f"  {line};" for line in unfair)
            + "\nbind it alike in all rows, or name it as a factor with suite.Suite.touches."
        )


def jobs(
    suite: Suite,
    facts: SuiteFacts,
    *,
    seeds: int,
    output: Path,
    bindings: Sequence[str] = (),
) -> list[Job]:
    """All runs of `suite`: every row with the first seed, then every row with the next.

    Args:
        facts: of the suite.
        seeds: how many, from 0.
        output: folder of the runs and the records.
        bindings: of all rows, after their own.

    Raises:
        ValueError: for a row that cannot be trained, such as one whose data set is not here; the
            message names the row and the remedy.
    """
    made = []
    for place, row in enumerate(suite.rows):
        files, own = suite.parts(row)
        try:
            plan = plan_recipe(files, [*own, *bindings], device=_DEVICE, count=1).plan
        except ValueError as error:
            raise SuiteError(f"The row {row_label(row)} cannot be trained: {error}") from error
        flops = plan.steps * sum(cost.forward + cost.backward for cost in plan.costs.values())
        for seed in range(seeds):
            seeded = [
                *(*own, *bindings),
                f"strategy.prepare.seed = {seed}",
                f"pipeline.Pipeline.seed = {seed}",
            ]
            config.parse(files, seeded)
            made.append(
                Job(
                    row=row,
                    place=place,
                    seed=seed,
                    files=files,
                    bindings=seeded,
                    key=hashlib.sha256(config.bound().encode()).hexdigest(),
                    steps=plan.steps,
                    flops=float(flops),
                    workdir=output / facts.name / slug(row) / f"seed{seed}",
                    record=output / "records" / facts.name / f"{slug(row)}_seed{seed}.json",
                )
            )
    return sorted(made, key=lambda job: (job.seed, job.place))
