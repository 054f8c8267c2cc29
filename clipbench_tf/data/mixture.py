"""Several sources read as one."""

from collections.abc import Mapping
from typing import NamedTuple

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.reader import CheckedReader, Reader


class _Part(NamedTuple):
    name: str
    reader: Reader
    number: int


class MixtureReader:
    """The parts of several readers, each as often as its weight says.

    A source of weight 2 is read twice in an epoch, so its share of a batch is its weight times its
    size, over the sum of these. Pairs are shuffled across sources.

    Args:
        readers: by the name of their source.
        weights: of each source, whole numbers from 1 on.

    Raises:
        DatasetError: for another weight.
    """

    def __init__(self, readers: Mapping[str, Reader], weights: Mapping[str, int]) -> None:
        for name, weight in weights.items():
            if isinstance(weight, bool) or not isinstance(weight, int) or weight < 1:
                raise DatasetError(
                    f"The weight of {name!r} is {weight!r}: it says how often an epoch reads the "
                    f"source, 1 or 2 or more. To read one half as often, double the others."
                )
        self._readers = list(readers.values())
        self._parts = [
            _Part(f"{source}/{name}", reader, number)
            for source, reader in readers.items()
            for number, name in enumerate(reader.names)
            for _ in range(weights[source])
        ]
        self.examples = sum(readers[name].examples * weight for name, weight in weights.items())

    @property
    def counts(self) -> list[int]:
        """See `Reader`."""
        return [part.reader.counts[part.number] for part in self._parts]

    @property
    def names(self) -> list[str]:
        """See `Reader`."""
        return [part.name for part in self._parts]

    def read(self, part: int, first: int, count: int) -> list[bytes]:
        """See `Reader`."""
        found = self._parts[part]
        return found.reader.read(found.number, first, count)

    def check(self) -> None:
        """See `CheckedReader`."""
        for reader in self._readers:
            if isinstance(reader, CheckedReader):
                reader.check()
