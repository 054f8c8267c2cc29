"""TensorFlow Datasets that are prepared on disk, read without that package."""

import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import tensorflow as tf
from absl import logging
from google.protobuf.message import DecodeError

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.labelled.naming import named
from clipbench_tf.data.readers.options import refuse_unknown, specification
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.reader import Reader
from clipbench_tf.data.readers.text import decoded
from clipbench_tf.data.readers.tfrecords import TFRecordReader

INFO, FEATURES = "dataset_info.json", "features.json"
OPTIONS = ("image", "caption", "label", "data_dir", "classnames", "templates")
KINDS = {
    "image": ("image", "text", "tensor"),
    "caption": ("text", "tensor"),
    "label": ("classLabel", "tensor"),
}
NAME_PARTS = ("caption", "text", "title", "description")  # by which a caption is known, in order
DOCUMENTATION = {"pythonClassName", "description", "valueRange"}
PICTURES = (None, "uint8", "uint16")  # others are stored as pictures of their bits
_NAME = re.compile(r"(\w+)(?:/([\w+.-]+))?(?::((?:\d+|\*)(?:\.(?:\d+|\*)){2}))?")
_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"


@dataclasses.dataclass(frozen=True)
class Feature:
    """A feature as the records have it.

    Attributes:
        name: with slashes, as in "captions/text".
        kind: as features.json has it: "image", "text", "classLabel", "tensor", ...
        depth: number of sequences that it lies in.
        classes: of a label.
        stem: of the file with the names of its classes.
    """

    name: str
    kind: str
    depth: int = 0
    classes: int = 0
    stem: str = ""

    @property
    def key(self) -> str:
        """The key in a tf.train.Example; sequences of sequences are kept as one."""
        return self.name + "/ragged_flat_values" * (self.depth > 1)


def open_tfds(path: str, options: Mapping[str, str]) -> Dataset:
    """A data set that TensorFlow Datasets has prepared; nothing is downloaded.

    Args:
        path: "tfds:NAME[/CONFIG][:VERSION]", or "tfds:FOLDER" of one with a dataset_info.json. By
            default the newest version there is.
        options: `data_dir`, by default $TFDS_DATA_DIR or ~/tensorflow_datasets; the features
            `image`, `label` and `caption` (or several, with commas), by default those so called,
            or else the first of that kind; without captions, class names are; `classnames` and
            `templates`, see `open_class_folders`.

    Raises:
        DatasetError: if it is not prepared, not of TFRecord files, or has no such features.
    """
    source = specification(path, options)
    refuse_unknown(options, OPTIONS, source)
    folder = _folder(path.partition(":")[2], options.get("data_dir"))
    info, features = _json(f"{folder}/{INFO}"), _json(f"{folder}/{FEATURES}")
    if info.get("fileFormat", "tfrecord") != "tfrecord":
        raise DatasetError(
            f"{folder} holds files of the format {info['fileFormat']}, and only tfrecord is read. "
            f"Prepare it again with file_format='tfrecord'."
        )
    try:
        found = {feature.name: feature for feature in _features(features)}
        shards = {split["name"]: _records(folder, info, split) for split in info["splits"]}
        name = str(info["name"])
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{INFO} and {FEATURES} in {folder} are not of a form that is known ({error!r}); "
            f"prepare the data set again with a newer tensorflow-datasets."
        ) from error
    image, captions, label = _chosen(found, options, source)
    ids = _ids(folder, label) if label else ()
    classes, templates = named(ids, options)
    splits: dict[str, Reader] = {
        split: TFDSReader(records, image, captions, label, classes)
        for split, records in shards.items()
    }
    return Dataset(name, splits, classes, templates, source, ids)


class TFDSReader:
    """The records of one split as pairs.

    Args:
        records: the shards.
        image, captions, label: features; without captions, a caption is the name of the class.
        classes: their names.
    """

    def __init__(
        self,
        records: TFRecordReader,
        image: Feature,
        captions: Sequence[Feature],
        label: Feature | None,
        classes: Sequence[str],
    ) -> None:
        self.examples, self.counts, self.names = records.examples, records.counts, records.names
        self._records, self._classes = records, tuple(classes)
        self._image, self._label = image.key, label.key if label else ""
        self._captions = [caption.key for caption in captions]

    def read(self, part: int, first: int, count: int) -> list[bytes]:
        """See `Reader`."""
        records = enumerate(self._records.read(part, first, count), first)
        name = self.names[part]
        return [self._pair(record, f"{name}:{number}").serialize() for number, record in records]

    def _pair(self, record: bytes, key: str) -> Pair:
        try:
            feature = tf.train.Example.FromString(record).features.feature
        except DecodeError:
            return Pair(key=key, problem="damaged record")
        if "problem" in feature and self._image not in feature:  # of TFRecordReader
            return Pair.of(record)
        image = next(iter(feature[self._image].bytes_list.value), b"")
        label = next(iter(feature[self._label].int64_list.value), -1) if self._label else -1
        texts = [decoded(t) for name in self._captions for t in feature[name].bytes_list.value]
        if not self._captions and 0 <= label < len(self._classes):
            texts = [self._classes[label]]
        captions = tuple(text for text in texts if text.strip())
        problem = "" if image and captions else "no caption" if image else "no picture"
        return Pair(key, image, captions, label, problem)


def _folder(name: str, data_dir: str | None) -> str:
    """The folder of a data set that is prepared, of the newest version that fits."""
    if files.exists(f"{name.rstrip('/')}/{INFO}"):
        return name.rstrip("/")
    match = _NAME.fullmatch(name)
    if not match:
        raise DatasetError(f"'tfds:{name}' is not of the form tfds:NAME[/CONFIG][:1.0.0].")
    dataset, config, version = match.groups()
    base = data_dir or os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets"
    place = f"{str(base).rstrip('/')}/{dataset}"
    configs = [child for child in _children(place) if _versions(f"{place}/{child}", None)]
    if config or (configs and not _versions(place, None)):
        config = config or _default_config(place, configs)
        place = f"{place}/{config}"
    if versions := _versions(place, version):
        return f"{place}/{versions[-1]}"
    full = f"{dataset}/{config}" if config else dataset
    there = ", ".join([*configs, *_versions(place, None)]) or "nothing"
    raise DatasetError(
        f"'tfds:{name}' is not prepared: {base}/{dataset} has {there} of it. Run "
        f"`tfds build {full} --data_dir={base}` once, or in Python "
        f"tfds.builder({full!r}, data_dir={str(base)!r}).download_and_prepare(), both of the "
        f"package tensorflow-datasets; or give another data_dir. Nothing is downloaded here."
    )


def _default_config(place: str, configs: Sequence[str]) -> str:
    """The one that `tfds.load` takes where none is named."""
    metadata = f"{place}/.config/metadata.json"
    if files.exists(metadata):
        return str(_json(metadata).get("default_config_name", configs[0]))
    if len(configs) > 1:
        raise DatasetError(f"{place} has the configurations {', '.join(configs)}: name one.")
    return configs[0]


def _children(place: str) -> list[str]:
    names = tf.io.gfile.listdir(place) if tf.io.gfile.isdir(place) else []
    return sorted(name.rstrip("/") for name in names)


def _versions(place: str, wanted: str | None) -> list[str]:
    """The versions in a folder that fit one with `*`, oldest first."""
    fits = re.compile((wanted or "*.*.*").replace(".", r"\.").replace("*", r"\d+"))
    found = [name for name in _children(place) if fits.fullmatch(name)]
    return sorted(found, key=lambda name: [int(number) for number in name.split(".")])


def _json(path: str) -> dict:
    try:
        value = json.loads(files.read(path))
        if isinstance(value, dict):
            return value
        raise ValueError("no object")
    except (OSError, ValueError) as error:
        raise DatasetError(f"Cannot read {path}: {error}. Prepare the data set again.") from error


def _features(node: Mapping, name: str = "", depth: int = 0, stem: str = "") -> Iterator[Feature]:
    """All features in a node of features.json, nested ones too."""
    if "pythonClassName" not in node:
        raise KeyError("pythonClassName")
    kind = min(node.keys() - DOCUMENTATION, default="")
    value = node.get(kind) or {}
    if kind == "image" and ("label" in value or value.get("dtype") not in PICTURES):
        kind = "mask"
    if kind == "sequence":
        yield from _features(value["feature"], name, depth + 1, stem)
    elif kind == "featuresDict":
        for child, below in sorted(value.get("features", {}).items()):
            joined = f"{name}/{child}".strip("/")
            file = f"{stem}-{child.replace('/', '.')}".strip("-")
            yield from _features(below, joined, depth, file)
    elif kind == "translation":
        for language in value.get("languages", ()):
            yield Feature(f"{name}/{language}", "text", depth)
    else:
        yield Feature(name, kind, depth, int(value.get("numClasses", 0)), stem)


def _chosen(
    found: Mapping[str, Feature], options: Mapping[str, str], source: str
) -> tuple[Feature, list[Feature], Feature | None]:
    """The features of the image, the captions and the label, by option or by kind."""
    flat = sorted((f for f in found.values() if not f.depth), key=lambda f: f.name not in KINDS)
    labels = [f for f in flat if f.kind == "classLabel"]
    texts = [f for f in found.values() if f.kind == "text"]
    likely = [f for part in NAME_PARTS for f in texts if part in f.name.lower()]
    first = {
        "image": [f for f in flat if f.kind == "image"][:1],
        "caption": (likely or ([] if labels else texts))[:1],
        "label": labels[:1],
    }
    for role in KINDS.keys() & options.keys():
        names = options[role].split(",")
        fitting = [found[n] for n in names if n in found and found[n].kind in KINDS[role]]
        deep = role != "caption" and (len(names) > 1 or any(f.depth for f in fitting))
        if len(fitting) < len(names) or deep:
            raise DatasetError(f"{source}: {role} cannot be that. {_listing(found)}")
        first[role] = fitting
    image, label = (next(iter(first[role]), None) for role in ("image", "label"))
    captions = first["caption"]
    if not image:
        raise DatasetError(f"{source} has no image. {_listing(found)} Name one: ?image=...")
    if not captions and not (label and label.classes):
        raise DatasetError(f"{source} has no captions. {_listing(found)} Name one: ?caption=...")
    logging.info("%s: image %s, captions %s, label %s.", source, image, captions, label)
    return image, captions, label


def _listing(found: Mapping[str, Feature]) -> str:
    listed = [f"{f.name} ({f.depth * 'sequence of '}{f.kind})" for f in found.values()]
    return f"It has the features {', '.join(listed)}."


def _ids(folder: str, label: Feature) -> tuple[str, ...]:
    """What the data set calls its classes, in the order of the labels."""
    path = f"{folder}/{label.stem}.labels.txt"
    names = list(map(str, range(label.classes)))
    if files.exists(path):
        names = [line.strip() for line in decoded(files.read(path)).split("\n") if line.strip()]
    return tuple(names)


def _records(folder: str, info: Mapping, split: Mapping) -> TFRecordReader:
    """The shards of one split.

    Raises:
        DatasetError: if some are missing.
    """
    old = "numShards" in split  # of when lengths were not written
    lengths = list(map(int, split["shardLengths"] if old else split.get("shardLengths", ())))
    total = f"{len(lengths):05d}"
    paths = [
        f"{folder}/"
        + (split.get("filepathTemplate") or _TEMPLATE).format(
            DATASET=info["name"],
            SPLIT=split["name"],
            FILEFORMAT="tfrecord",
            SHARD_INDEX=index,
            NUM_SHARDS=total,
            SHARD_X_OF_Y=f"{index}-of-{total}",
        )
        for index in (f"{shard:0{len(total)}d}" for shard in range(len(lengths)))
    ]
    there = {
        f"{place}/{name}"
        for place in {path.rpartition("/")[0] for path in paths}
        for name in _children(place)
    }
    if missing := [path for path in paths if path not in there]:
        raise files.absent(missing, folder)
    return TFRecordReader(paths, sum(lengths), lengths, description=f"{folder}/{INFO}")
