"""Prepares a data set: from any source to TFRecord shards that need no further check.

Stage 1 reads the source in units, cleans, checks and drops (unit_step.py); stage 2 finds
duplicates (duplicates.py); stage 3 writes the shards (shards.py). What a stage has done lies in
files of the folder `preparation`, each of which is whole, so that a run that was killed goes on.
"""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

from clipbench_tf.data.preparation import manifest, shards, unit_step, units
from clipbench_tf.data.preparation.duplicates import Duplicates
from clipbench_tf.data.preparation.engine import beam_run, output_files
from clipbench_tf.data.preparation.engine.beam_run import Where
from clipbench_tf.data.preparation.engine.progress import Progress
from clipbench_tf.data.preparation.options import Options, differences
from clipbench_tf.data.preparation.statistics_step import ShardStatistics
from clipbench_tf.data.preparation.units import Plan, Unit
from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import DatasetError


def prepare(
    options: Options, output: str, where: Where, *, tell: Callable[[str], None] = print
) -> dict[str, Any]:
    """Prepares a data set, or goes on with it; does nothing if it is finished.

    The files depend on `options` and the source alone, not on runner, workers and interruptions.

    Args:
        options: what to do.
        output: folder of the new data set, here or in a bucket.
        where: the runner.
        tell: gets what there is to say, in lines.

    Returns: the manifest.

    Raises:
        DatasetError: if the source cannot be read, or the folder holds something else.
    """
    output = output.rstrip("/")
    if there := manifest.read(output):
        return _finished(there, options, output, tell)
    plan = units.make(options, output)
    todo = list(plan.units())
    _do_units(plan, todo, where, tell)
    found = Duplicates(plan, todo)
    counted = manifest.accounts(plan, todo, found)
    written = list(shards.shards(plan, todo, found))
    if not written:
        raise DatasetError(manifest.nothing_left(plan, counted))
    shards.save(plan, found)
    _write_shards(plan, written, where, tell)
    content = manifest.finish(plan, found, counted, written)
    output_files.remove(plan.work)
    tell(manifest.table(content))
    return content


def _finished(
    there: dict[str, Any], options: Options, output: str, tell: Callable[[str], None]
) -> dict[str, Any]:
    if found := differences(there["options"], options.as_json()):
        raise DatasetError(
            f"{output} holds a data set that was prepared otherwise ({found}); give another "
            f"folder as output, or remove this one."
        )
    if files.exists(f"{output}/{units.WORK}"):  # killed between the last two steps
        output_files.remove(f"{output}/{units.WORK}")
    tell(f"{output} is finished already; nothing is done.")
    return there


def _do_units(plan: Plan, todo: Sequence[Unit], where: Where, tell: Callable[[str], None]) -> None:
    """Stage 1."""
    folder = f"{plan.work}/{units.UNITS}"
    names = _cleared(folder)
    left = [unit for unit in todo if f"{unit.number:07d}.{unit_step.FACTS}" not in names]
    pairs, rest = (sum(unit.pairs for unit in some) for some in (todo, left))
    tell(
        f"{pairs:,} pairs of {', '.join([plan.options.source, *plan.options.against])}"
        + (f"; {pairs - rest:,} of them were done before" if rest < pairs else "")
    )

    def done() -> float:
        now = sum(name.endswith(unit_step.FACTS) for name in output_files.names(folder))
        return pairs - rest + rest * (now - len(todo) + len(left)) / max(1, len(left))

    beam_run.run(
        functools.partial(unit_step.run, plan),
        left,
        where=where,
        failed=plan.failed,
        progress=_progress(plan, "Pairs read", pairs, done),
    )


def _write_shards(
    plan: Plan, todo: Sequence[shards.Shard], where: Where, tell: Callable[[str], None]
) -> None:
    """Stage 3."""
    folder = f"{plan.work}/{units.SHARDS}"
    _cleared(plan.output)

    def done() -> float:
        return sum(name.endswith(".json") for name in output_files.names(folder))

    beam_run.run(
        functools.partial(shards.write, plan),
        todo,
        where=where,
        failed=plan.failed,
        progress=_progress(plan, "Shards written", len(todo), done),
        least=8,
        then=ShardStatistics(plan) if plan.options.statistics else None,
    )


def _cleared(folder: str) -> set[str]:
    """The names of the files in a folder, without those that a killed run was writing."""
    names = set(output_files.names(folder))
    partial = {name for name in names if output_files.PARTIAL in name}
    for name in partial:
        output_files.remove(f"{folder}/{name}")
    return names - partial


def _progress(plan: Plan, what: str, total: int, done: Callable[[], float]) -> Progress:
    period = 15.0 if files.is_remote(plan.output) else 1.0  # to list a bucket takes a while
    return Progress(what, total, done, period=period, stream=sys.stderr)
