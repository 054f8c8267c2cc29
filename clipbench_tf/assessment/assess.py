"""Evaluates models on data sets: what has been done is not done again, and no error ends it all."""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from clipbench_tf.assessment import provenance
from clipbench_tf.assessment.comparisons import comparisons
from clipbench_tf.assessment.folders import EvaluationFolder, OutputError, folders, model_names
from clipbench_tf.assessment.loaded_model import LoadedModel, devices
from clipbench_tf.assessment.probe_tasks import LinearProbeTask, NearestNeighboursTask
from clipbench_tf.assessment.progress import Progress
from clipbench_tf.assessment.retrieval_task import RetrievalTask
from clipbench_tf.assessment.task import Options, Task
from clipbench_tf.assessment.zero_shot_task import ZeroShotTask
from clipbench_tf.data import sources
from clipbench_tf.data.readers.labelled.naming import with_names
from clipbench_tf.data.sources import Dataset

TASKS: Mapping[str, Callable[[Options], Task]] = {
    "zero_shot": ZeroShotTask,
    "retrieval": RetrievalTask,
    "linear_probe": LinearProbeTask,
    "nearest_neighbours": NearestNeighboursTask,
}
_ERRORS = (ValueError, OSError, FloatingPointError, tf.errors.OpError)


def assess(
    models: Sequence[Path],
    *,
    datasets: Sequence[str],
    tasks: Sequence[str] = ("zero_shot",),
    options: Options | None = None,
    classnames: str | None = None,
    prompts: str | None = None,
    output: Path | None = None,
    on_devices: Sequence[str] = (),
    check: Callable[[], None] = lambda: None,
) -> list[str]:
    """Evaluates each of `models` on each of `datasets` for each of `tasks`, and prints the results.

    Every evaluation leaves files in a folder (`folders`). One with a record of the same inputs is
    printed and not done again. At the end the models are compared two by two.

    Args:
        models: folders of SavedModels.
        datasets: see `sources.load`.
        tasks: names from `TASKS`.
        options: of all tasks.
        classnames, prompts: of all data sets (see `with_names`).
        output: the folder for all that is written; by default it lies beside each model.
        on_devices: that share the pictures; by default all GPUs, or the CPU.
        check: is called each time that something is done; what it raises ends the evaluation.

    Returns:
        What went wrong, a line for each evaluation that failed; the others are done.

    Raises:
        ExportError, DatasetError, DeviceError: for what is wrong before the first evaluation.
    """
    paths, named, kinds = _once(models), _once(datasets), _once(tasks)
    chosen, options = devices(on_devices), options or Options()
    loaded = [LoadedModel(path, chosen) for path in paths]
    opened = [_opened(source, classnames, prompts) for source in named]
    made = [TASKS[kind](options) for kind in kinds]
    for dataset, task in itertools.product(opened, made):
        task.inputs(dataset)
    places = folders(paths, named, kinds, output)
    progress, failed, done = Progress(check=check), [], {}
    for m, model in enumerate(loaded):
        for d, t in itertools.product(range(len(opened)), range(len(made))):
            if len(loaded) > 1:
                progress.say(f"{model.label}")
            try:
                folder = EvaluationFolder(places[m, d, t])
                _evaluate(model, opened[d], made[t], options, folder, progress)
                done[m, d, t] = folder.path
            except _ERRORS as error:
                name = f"{model.label} on {named[d]}, {kinds[t]}: " if len(places) > 1 else ""
                failed.append(f"{name}{error}")
                progress.say("  Failed.")
        model.release()
    if "zero_shot" in kinds:
        for d, dataset in enumerate(opened):
            found = [done.get((m, d, kinds.index("zero_shot"))) for m in range(len(paths))]
            failed += _compare(dict(zip(model_names(paths), found, strict=True)), dataset, progress)
    return failed


def _opened(source: str, classnames: str | None, prompts: str | None) -> Dataset:
    dataset = sources.load(source)
    if classnames is None and prompts is None:
        return dataset
    return with_names(dataset, classnames=classnames, prompts=prompts)


def _compare(
    folders: Mapping[str, Path | None], dataset: Dataset, progress: Progress
) -> Sequence[str]:
    """Compares the models that have a folder, if there are two; returns what went wrong."""
    evaluated = {name: folder for name, folder in folders.items() if folder}
    if len(evaluated) > 1:
        progress.say(f"Compared on {dataset.name}, picture by picture:")
        try:
            for comparison in comparisons(evaluated):
                progress.say(f"  {comparison.line()}")
        except OutputError as error:
            return [f"{error}"]
    return []


def _once(items: Sequence) -> list:
    """`items` without those that stand there before."""
    return list(dict.fromkeys(items))


def _evaluate(
    model: LoadedModel,
    dataset: Dataset,
    task: Task,
    options: Options,
    folder: EvaluationFolder,
    progress: Progress,
) -> None:
    """Evaluates, unless the folder has the results."""
    started = time.monotonic()
    progress.say(task.title(model, dataset))
    inputs = provenance.inputs(model, dataset, task)
    kept, changed = folder.finished(inputs)
    if kept is not None:
        for line in kept["summary"]:
            progress.say(f"  {line}")
        progress.say(f"Not evaluated again: {folder.record} is of the same inputs.")
        return
    if changed:
        progress.say(f"  Evaluated anew in {folder.path}, changed: {', '.join(changed)}.")
    unfinished, resumed = folder.claim({**inputs, "batch_size": options.batch_size})
    if resumed:
        progress.say("  Goes on where it was stopped.")
    try:
        outcome = task.run(model, dataset, unfinished, progress)
    except (KeyboardInterrupt, SystemExit):
        progress.say("  Stopped; the same command goes on from what is done.")
        raise
    for line in outcome.lines:
        progress.say(f"  {line}")
    facts = provenance.facts(
        model,
        dataset,
        task,
        inputs=inputs,
        results=outcome.results,
        seconds=time.monotonic() - started,
        resumed=resumed,
    )
    names = folder.finish({**facts, "summary": outcome.lines}, outcome.write)
    progress.say(f"Wrote {', '.join(names)} in {folder.path}.")
