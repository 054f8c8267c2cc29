"""Runs a step of a preparation for each of its elements as a Beam pipeline, on any runner.

Only descriptions of the work pass through Beam; pictures and captions go from file to file. So no
runner needs memory or temporary space for them.
"""

import contextlib
import dataclasses
import logging
import pickle
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from clipbench_tf.data.preparation.engine import output_files
from clipbench_tf.data.preparation.engine.local_workers import LocalWorkers
from clipbench_tf.data.preparation.engine.progress import Progress
from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import DatasetError

_LEVEL = logging.root.manager.disable
logging.disable(max(_LEVEL, logging.WARNING))  # Beam warns of packages that it could also use
try:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.runner import PipelineState
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"To prepare data takes Apache Beam (no package {missing.name}): "
        f"pip install 'clipbench_tf[data]'.",
        name=missing.name,
    ) from missing
finally:
    logging.disable(_LEVEL)

LOCAL = "DirectRunner"


@dataclasses.dataclass(frozen=True)
class Where:
    """Where the work is done.

    Attributes:
        runner: `LOCAL`, this machine, or one of Beam: FlinkRunner, SparkRunner, DataflowRunner.
        workers: processes on this machine.
        options: more flags of Beam, such as --region=... of Dataflow.
    """

    runner: str = LOCAL
    workers: int = 1
    options: tuple[str, ...] = ()


class _Do(beam.DoFn):
    """Does the step for an element, and leaves a message where it fails."""

    def __init__(self, step: Callable[[Any], Any], failed: str) -> None:
        self._step, self._failed = step, failed

    def process(self, element: bytes) -> Iterable[Any]:
        try:
            result = self._step(pickle.loads(element))
        except Exception as error:
            known = isinstance(error, DatasetError)
            more = f"{type(error).__name__}: {error} (more in {self._failed})"
            message = str(error) if known else more
            content = {"message": message, "traceback": traceback.format_exc()}
            output_files.write_json(self._failed, content)
            raise
        return [] if result is None else [result]


def run(
    step: Callable[[Any], Any],
    elements: Sequence[Any],
    *,
    where: Where,
    failed: str,
    progress: Progress,
    least: int = 1,
    then: beam.PTransform | None = None,
) -> None:
    """Calls `step(element)` for all elements, in any order, for some of them perhaps twice.

    Args:
        step: a function of a module, or a `functools.partial` of one; what it returns other than
            None goes to `then`.
        elements: small ones that can be pickled.
        where: the runner.
        failed: path of the file in which a step leaves its message when it fails.
        progress: shown meanwhile.
        least: number of elements for which a process on this machine is worth its start.
        then: what follows in the pipeline.

    Raises:
        DatasetError: if the step failed for one of them, with its message, or the runner failed.
    """
    if not elements:
        return
    if files.exists(failed):
        output_files.remove(failed)
    with contextlib.ExitStack() as stack:
        logger = logging.getLogger("apache_beam")
        stack.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.CRITICAL)  # a step's error is told once, below
        stack.enter_context(progress)
        runner, flags, local = where.runner, list(where.options), None
        if where.runner == LOCAL:
            workers = max(1, min(where.workers, len(elements) // least))
            local = stack.enter_context(LocalWorkers(workers, failed))
            runner = local.runner
            flags.append(f"--direct_num_workers={workers}")
        pipeline = beam.Pipeline(runner=runner, options=PipelineOptions(flags))
        results = (
            pipeline
            | "Descriptions" >> beam.Create([pickle.dumps(element) for element in elements])
            | "Spread" >> beam.Reshuffle()
            | "Work" >> beam.ParDo(_Do(step, failed))
        )
        if then is not None:
            results | "Then" >> then
        _finish(pipeline, failed, local, where.runner)


def _finish(pipeline: beam.Pipeline, failed: str, local: LocalWorkers | None, runner: str) -> None:
    """Runs the pipeline to its end, and says in one sentence why it did not get there."""
    try:
        state = pipeline.run().wait_until_finish()
    except (Exception, KeyboardInterrupt) as error:
        if local and local.interrupted:  # of which Beam makes a RuntimeError
            raise KeyboardInterrupt from None
        if told := output_files.read_json(failed):
            raise DatasetError(told["message"]) from error
        if local and local.ended:
            raise DatasetError(local.ended) from error
        if isinstance(error, KeyboardInterrupt):
            raise
        (*_, said) = str(error).strip().splitlines() or [""]
        raise DatasetError(f"{runner} of Beam failed: {said}") from error
    if state not in (None, PipelineState.DONE):
        raise DatasetError(f"The pipeline on {runner} ended as {state}; repeat it.")
