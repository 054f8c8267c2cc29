"""The first weights of a run: taken from another run, or from converted weights."""

import collections
import dataclasses
import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf

from clipbench_tf.distribution import replicas
from clipbench_tf.method import Method
from clipbench_tf.models.layers.batch_norm import batch_norms
from clipbench_tf.training import position_embeddings
from clipbench_tf.training.saved_weights import InitializationError, SavedWeights

REPORT = "initialization.json"  # in the run folder: where each variable comes from


def parts(method: Method) -> dict[str, dict[str, keras.Variable]]:
    """What of a built `method` can be taken from elsewhere.

    Returns:
        The weights and moving statistics of the parts 'image', 'text', 'temperature', and of each
        objective that has some, by their path below the method. What is no weight, such as a
        queue of earlier features or the position in the data, is not among them.
    """
    statistics = {v.path for norm in batch_norms(method) for v in norm.variables}
    found = {name: tower.weights for name, tower in method.towers.items()}
    for objective in method.objectives:
        weights = objective.variables
        found[objective.name] = [v for v in weights if v.trainable or v.path in statistics]
    found["temperature"] = [method.logit_scale]
    return {
        part: {v.path.removeprefix(f"{method.name}/"): v for v in variables}
        for part, variables in found.items()
        if variables
    }


@dataclasses.dataclass
class Initialization:
    """Where the variables of a method come from.

    Attributes:
        taken: by part, the source of each variable.
        new: by part, the variables that keep their random values.
        resized: position embeddings, and their number of positions before and after.
        unused: by source, what else it holds.
    """

    taken: dict[str, dict[str, SavedWeights]]
    new: dict[str, list[str]]
    resized: dict[str, tuple[int, int]]
    unused: dict[str, set[str]]

    def summary(self) -> str:
        """A few lines for the log."""
        lines = []
        for path, unused in self.unused.items():
            counts = {p: sum(s.path == path for s in v.values()) for p, v in self.taken.items()}
            lines.append(f"Weights from {path}: {_counted(counts)}.")
            if unused:
                owners = collections.Counter(sorted(name.split("/")[0] for name in unused))
                lines.append(f"  Not used of it: {_counted(owners)}.")
        for name, (before, after) in self.resized.items():
            lines.append(f"  Resized: {name}, from {before} to {after} positions.")
        if self.new:
            lines.append(f"New: {', '.join(f'{p} ({_some(n)})' for p, n in self.new.items())}.")
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Writes all names into `folder`, which is created if need be."""
        facts = {
            "taken": {p: {n: s.path for n, s in v.items()} for p, v in self.taken.items() if v},
            "resized": self.resized,
            "new": self.new,
            "unused": {path: sorted(names) for path, names in self.unused.items()},
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REPORT).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def initialize(
    method: Method, init_from: str | Mapping[str, str] | None, strategy: tf.distribute.Strategy
) -> Initialization:
    """Sets the built `method` to the weights that `init_from` names, on every worker alike.

    Args:
        method: whose locked weights must all be found.
        init_from: as in `Trainer`.
        strategy: whose workers all call this.

    Raises:
        InitializationError: if weights are missing or do not fit, or workers read different ones.
    """
    own, read = None, -1
    try:
        plan, read = _initialize(method, init_from)
    except InitializationError as error:
        own = error
    all_read = replicas.of_workers(strategy, read)
    if own is not None:
        raise own
    if len(set(all_read)) > 1:
        failed = f"worker {all_read.index(-1)} cannot" if -1 in all_read else "they differ"
        raise InitializationError(
            f"The workers do not read the same weights from {init_from}: {failed}. All must see "
            f"the same folder."
        )
    return plan


def _initialize(
    method: Method, init_from: str | Mapping[str, str] | None
) -> tuple[Initialization, int]:
    """Does it on this worker; also returns a checksum of what was read."""
    ours = parts(method)
    folders = _folders(ours, init_from)
    plan = _planned(ours, folders)
    if isinstance(init_from, Mapping):
        for part, folder in folders.items():
            if not plan.taken[part]:
                raise InitializationError(
                    f"{folder} has no weights of {part!r}; leave it out of train.Trainer.init_from."
                )
    for part in method.locked:
        missing = [n for n in plan.new.get(part, []) if _locked(ours[part][n])]
        if missing:
            raise InitializationError(
                f"method.Method.locked locks weights of the {part} tower that are random: "
                f"{_some(missing)}. Bind train.Trainer.init_from to a folder that has them."
            )
    checksum = 0
    for part, found in plan.taken.items():
        for name, source in found.items():
            variable = ours[part][name]
            value = source.read(name)
            checksum = zlib.crc32(value.tobytes(), checksum)
            if name in plan.resized:
                resize = position_embeddings.grid if part == "image" else position_embeddings.line
                value = resize(value, variable.shape[0])
            variable.assign(value)
    return plan, checksum & 0x7FFFFFFF  # int32


def _folders(
    ours: Mapping[str, object], init_from: str | Mapping[str, str] | None
) -> dict[str, str]:
    """The folder that each part is taken from."""
    if not isinstance(init_from, Mapping):
        return dict.fromkeys(ours, init_from) if init_from else {}
    for part in init_from:
        if part not in ours:
            raise InitializationError(
                f"train.Trainer.init_from names {part!r}, but the parts of this method are "
                f"{', '.join(ours)}."
            )
    return dict(init_from)


def _planned(
    ours: Mapping[str, Mapping[str, keras.Variable]], folders: Mapping[str, str]
) -> Initialization:
    """What is taken from where, checked, before any variable changes."""
    sources = {folder: SavedWeights(folder) for folder in dict.fromkeys(folders.values())}
    plan = Initialization(taken={part: {} for part in ours}, new={}, resized={}, unused={})
    for part, folder in folders.items():
        source = sources[folder]
        for name, variable in ours[part].items():
            if name not in source.shapes:
                continue
            plan.taken[part][name] = source
            there, here = source.shapes[name], tuple(variable.shape)
            if there != here:
                _check_resizable(part, name, there, here, source)
                plan.resized[name] = (there[0], here[0])
    for part, variables in ours.items():
        new = [name for name in variables if name not in plan.taken[part]]
        if new:
            plan.new[part] = new
    for folder, source in sources.items():
        wanted = [p for p in folders if folders[p] == folder]
        used = {n for p in wanted for n in plan.taken[p]}
        if not used:
            raise InitializationError(
                f"{source.path} has no weights of {', '.join(wanted)}: the names in it begin with "
                f"{', '.join(sorted({n.split('/')[0] for n in source.shapes}))}."
            )
        plan.unused[source.path] = plan.unused.get(source.path, source.weights) - used
    return plan


def _check_resizable(
    part: str, name: str, there: tuple[int, ...], here: tuple[int, ...], source: SavedWeights
) -> None:
    """Raises InitializationError unless `name` is a position embedding that fits if resized."""
    try:
        if name.endswith("/positional_embedding") and there[1:] == here[1:]:
            if part == "image":
                list(map(position_embeddings.side, (there[0], here[0])))
            return
        why = "only position embeddings may differ, in their number of positions"
    except ValueError as error:
        why = str(error).rstrip(".")
    raise InitializationError(
        f"{name} is {there} in {source.path}, {here} here; {why}. Give both the same sizes (a file "
        f"of gin/models), or take other parts alone: train.Trainer.init_from = "
        f"{{'image': {source.folder!r}}}, for example."
    )


def _locked(variable: keras.Variable) -> bool:
    """Whether a weight of a locked tower is locked; moving statistics go with their weights."""
    return not variable.trainable and not variable.name.startswith("moving_")


def _counted(numbers: Mapping[str, int]) -> str:
    """Those that are not 0, as in "image (104), text (17)"."""
    return ", ".join(f"{name} ({number})" for name, number in numbers.items() if number)


def _some(names: list[str]) -> str:
    """How many `names` there are, and the first three."""
    return f"{len(names)}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
