"""What a result was made from: checksums that tell whether it would come out the same again."""

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

from clipbench_tf import record
from clipbench_tf.assessment.loaded_model import LoadedModel
from clipbench_tf.assessment.task import Task
from clipbench_tf.data.checksum import data_checksum
from clipbench_tf.data.sources import Dataset

FORMAT = 2  # of the record; another number makes all be evaluated anew


def inputs(model: LoadedModel, dataset: Dataset, task: Task) -> dict[str, Any]:
    """All that decides a result, by name: checksums, and the options of the task.

    Raises:
        DatasetError, OSError: if the data set or the model cannot be read.
    """
    own = task.inputs(dataset)
    data = data_checksum(dataset, own["splits"])
    common = {"format": FORMAT, "task": task.name, "model": model.checksum, "data": data}
    return json.loads(json.dumps(common | own))


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The names of the inputs that are not the same, for people."""
    names = [name for name in {**now, **before} if before.get(name) != now.get(name)]
    return [name.replace("_", " ") for name in names]


def facts(
    model: LoadedModel,
    dataset: Dataset,
    task: Task,
    *,
    inputs: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    seconds: float,
    resumed: bool,
) -> dict[str, Any]:
    """The record of an evaluation, but for what it printed and the files that it left.

    Args:
        model: that was evaluated.
        dataset: on which.
        task: of which kind.
        inputs: what `inputs` returned.
        results: of the task.
        seconds: that it took since the last start.
        resumed: whether some of it was done before that.
    """
    splits = {split: dataset.split(split) for split in inputs["splits"]}
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "model": model.label,
        "method": model.card["method"],
        "scorer": model.card["scorer"],
        "dataset": dataset.name,
        **task.facts(dataset),
        "results": list(results),
        "inputs": dict(inputs),
        "source": dataset.source,
        "records": {split: int(sum(reader.counts)) for split, reader in splits.items()},
        "date": now.replace("+00:00", "Z"),
        "wall_time_seconds": round(seconds, 1),
        "devices": model.device_names,
        **({"resumed": True} if resumed else {}),
        **record.environment(),
    }
