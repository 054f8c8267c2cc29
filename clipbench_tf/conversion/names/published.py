"""Published weights beside what they are in ours; every one of them is accounted for."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from clipbench_tf.conversion.names.architecture import Architecture, ConversionError, Shapes
from clipbench_tf.conversion.names.layouts import Weight


class Unused(NamedTuple):
    """A published weight that is left out, and why."""

    name: str
    reason: str


class Stripped(Mapping[str, np.ndarray]):
    """`tensors` by names without `prefix`; those without the prefix are not there."""

    def __init__(self, tensors: Mapping[str, np.ndarray], prefix: str) -> None:
        self._tensors, self._prefix = tensors, prefix

    def __getitem__(self, name: str) -> np.ndarray:
        return self._tensors[self._prefix + name]

    def __iter__(self) -> Iterator[str]:
        size = len(self._prefix)
        return (name[size:] for name in self._tensors if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclasses.dataclass(frozen=True)
class Published:
    """Weights as somebody published them.

    Attributes:
        origin: who, as in --from.
        method: which of the five methods has them, such as "clip".
        towers: what they fit.
        weights: every weight of ours that is made of them.
        tensors: by their names; floating point as float32.
        shapes: of `tensors`.
        patterns: of names that are left out, as regular expressions, each with the reason.
        beside: names of what else was in the file, such as the optimizer's state.
    """

    origin: str
    method: str
    towers: Architecture
    weights: tuple[Weight, ...]
    tensors: Mapping[str, np.ndarray]
    shapes: Shapes
    patterns: tuple[tuple[str, str], ...] = ()
    beside: tuple[str, ...] = ()

    def unused(self) -> list[Unused]:
        """The published weights that are left out on purpose; all others are converted.

        Raises:
            ConversionError: for weights that are missing, or that nothing is known about.
        """
        used = {name for weight in self.weights for name in weight.theirs}
        if missing := sorted(used - self.shapes.keys()):
            raise ConversionError(
                f"The checkpoint lacks {_some(missing)}, which {self.method} with "
                f"{self.towers.kind} needs; it is not whole, or of another model."
            )
        left, unknown = [], []
        for name in self.shapes:
            if name in used:
                continue
            reasons = [reason for pattern, reason in self.patterns if re.fullmatch(pattern, name)]
            if reasons:
                left.append(Unused(name, reasons[0]))
            else:
                unknown.append(name)
        if unknown:
            raise ConversionError(
                f"Nothing is known about {_some(unknown)} in the checkpoint: it is of another "
                f"model than --from={self.origin} converts, and would not compute the same "
                f"without them."
            )
        return left

    def value(self, weight: Weight) -> np.ndarray:
        """`weight` in our layout, read from the checkpoint."""
        return weight.layout.to_ours(*(self.tensors[name] for name in weight.theirs))

    def described(self, weight: Weight) -> str:
        """What `weight` is made of, with shapes, for messages."""
        return " and ".join(f"{name} {self.shapes[name]}" for name in weight.theirs)


def _some(names: Iterable[str]) -> str:
    """The first few of `names`, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
