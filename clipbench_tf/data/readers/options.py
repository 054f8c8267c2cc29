"""The options behind the question mark of a source, as in "pets.csv?caption=title"."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from clipbench_tf.data.readers.dataset import DatasetError


def specification(path: str, options: Mapping[str, str]) -> str:
    """What `sources.load` takes for `path` with `options`."""
    return f"{path}?{urlencode(options, safe='/:,')}" if options else path


def refuse_unknown(options: Mapping[str, str], known: Sequence[str], source: str) -> None:
    """Refuses options that are none of `known`.

    Raises:
        DatasetError: naming one of them, and those there are.
    """
    if unknown := set(options).difference(known):
        raise DatasetError(
            f"{source!r} has an option {min(unknown)!r}; there are {', '.join(sorted(known))}."
        )
