"""`dataset.json`: the description beside TFRecord shards."""

import json
from collections.abc import Iterator

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.labelled import imagenet
from clipbench_tf.data.readers.tfrecords import TFRecordReader

DESCRIPTION = "dataset.json"


def open_described(folder: str, source: str) -> Dataset:
    """The data set that `dataset.json` in `folder` describes.

    Raises:
        DatasetError: if the description cannot be read or contradicts itself, with the line to
            correct, or shards are missing.
    """
    path = f"{folder.rstrip('/')}/{DESCRIPTION}"
    try:
        text = files.read(path).decode("utf-8")
        fields = json.loads(text)
        classes, templates = fields.get("classes", []), fields.get("templates")
        shards = {
            name: (
                [f"{folder.rstrip('/')}/{file}" for file in map(_text, split["files"])],
                int(split["examples"]),
                tuple(map(int, split.get("counts", ()))) or None,
            )
            for name, split in fields["splits"].items()
        }
        mistakes = list(_mistakes(text, fields, list(map(_text, classes)), templates))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path} is no description of a data set: {error!r}.") from error
    if mistakes:
        raise DatasetError(f"{path}: {' '.join(mistakes)}")
    missing = [file for paths, _, _ in shards.values() for file in paths if not files.exists(file)]
    if missing:
        raise DatasetError(
            f"{path} names {len(missing)} shards that are missing, first {missing[0]}; "
            f"copy them there or build the data set again."
        )
    return Dataset(
        name=fields.get("name", folder.rstrip("/").rpartition("/")[2]),
        splits={
            name: TFRecordReader(paths, examples, counts, description=path)
            for name, (paths, examples, counts) in shards.items()
        },
        classes=tuple(classes),
        templates=Dataset.templates if templates is None else tuple(templates),
        source=source,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _mistakes(
    text: str, fields: dict, classes: list[str], templates: list[str] | None
) -> Iterator[str]:
    """What contradicts itself in a description, one sentence each, with its line."""
    seen: set[str] = set()
    shared = imagenet.are_names(classes)
    for number, name in enumerate(classes):
        if not name.strip():
            yield f"{_line(text, name)}: class {number} has no name; write one."
        elif name in seen and not shared:
            yield f"{_line(text, name, 2)}: the class name {name!r} stands twice; make them differ."
        seen.add(name)
    for template in templates if templates is not None else ["{}"]:
        if "{}" not in _text(template):
            yield (
                f"{_line(text, template)}: the template {template!r} has no {{}} for the class "
                f"name; put one in."
            )
    if templates == []:
        yield f"{_line(text, 'templates')}: templates is empty; name one, or leave it out."
    for name, split in fields["splits"].items():
        counts = split.get("counts")
        if counts is not None and len(counts) != len(split["files"]):
            yield (
                f"{_line(text, name)}: split {name!r} has {len(split['files'])} files, but "
                f"{len(counts)} counts; give one for each."
            )
        elif counts is not None and sum(counts) != int(split["examples"]):
            yield (
                f"{_line(text, name)}: the counts of split {name!r} add up to {sum(counts)}, but "
                f"its examples are {split['examples']}; correct one of them."
            )


def _line(text: str, value: str, occurrence: int = 1) -> str:
    """Where `value` stands in the JSON text, as "line 12"."""
    for literal in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        parts = text.split(literal)
        if len(parts) > occurrence:
            return f"line {1 + literal.join(parts[:occurrence]).count(chr(10))}"
    return "line 1"
