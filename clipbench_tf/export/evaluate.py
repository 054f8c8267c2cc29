"""Zero-shot evaluation of an export, with a record and a contact sheet as output."""

import time
from collections.abc import Sequence
from pathlib import Path

from clipbench_tf import record
from clipbench_tf.data import sources
from clipbench_tf.evaluation import contact_sheet
from clipbench_tf.evaluation.classifier_cache import ClassifierCache
from clipbench_tf.evaluation.zero_shot import ZeroShot
from clipbench_tf.export.saved_encoders import SavedEncoders


def evaluate(
    model: Path, *, dataset: str, splits: Sequence[str] | None, output: Path, batch_size: int
) -> dict:
    """Evaluates the SavedModel in `model`, prints the accuracies, and writes files to `output`.

    The files are `record.json`, whose content is returned, and `predictions.png`; the encoded
    classes are kept beside the model (see `ClassifierCache`). `splits` are by default those of
    `Dataset.scored`.

    Raises:
        ExportError, DatasetError: for a model, data set or split that is missing or unusable.
        OutputError: if `output` cannot be written.
    """
    started = time.monotonic()
    data = sources.load(dataset)
    splits = splits or data.scored()
    for split in splits:
        data.split(split)
    _claim(output)
    encoders = SavedEncoders(model)
    evaluator = ZeroShot(
        encoders, data, splits=splits, batch_size=batch_size, cache=ClassifierCache(model)
    )
    print(
        f"Zero-shot on {data.name} with {len(data.classes)} class names x "
        f"{len(evaluator.templates)} prompts, {encoders.card['scorer']} scores:",
        flush=True,
    )
    results = evaluator.results()
    for result in results:
        print(f"  {result.line()}")
    facts = {
        "model": "/".join(model.resolve().parts[-2:]),
        "method": encoders.card["method"],
        "scorer": encoders.card["scorer"],
        "dataset": data.name,
        "templates": list(evaluator.templates),
        "results": [result.record() for result in results],
        "wall_time_seconds": round(time.monotonic() - started, 1),
        **record.environment(),
    }
    try:
        record.write(facts, output / "record.json")
        contact_sheet.write(output / "predictions.png", data, results)
    except OSError as error:
        raise _unwritable(output, error) from error
    print(f"Wrote {output / 'record.json'} and {output / 'predictions.png'}.")
    return facts


class OutputError(ValueError):
    """A folder cannot be written; the message names it and the remedy."""


def _claim(output: Path) -> None:
    """Creates `output` and checks that it can be written, before the long evaluation."""
    probe = output / "record.json.partial"
    try:
        output.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise _unwritable(output, error) from error


def _unwritable(output: Path, error: OSError) -> OutputError:
    return OutputError(
        f"Cannot write into {str(output)!r}: {error.strerror}. Give another --output."
    )
