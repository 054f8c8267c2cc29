"""The options behind the question mark of a source, as in "pets.csv?caption=title"."""

from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from clipbench_tf.data.readers.dataset import DatasetError


def options_in(text: str, source: str) -> dict[str, str]:
    """The options in "name=value&name=value"; %XX stands for a character, as %26 for &.

    Raises:
        DatasetError: if a part has no value, or a name stands twice.
    """
    options: dict[str, str] = {}
    for part in text.split("&"):
        name, equals, value = part.partition("=")
        if not equals:
            raise DatasetError(
                f"{source!r} has an option {part!r} without a value; write {part}=VALUE, or %26 "
                f"for an & that belongs to a value."
            )
        if name in options:
            raise DatasetError(
                f"{source!r} has the option {name!r} twice; give one, and several values with "
                f"commas where it takes them."
            )
        options[name] = unquote(value)
    return options


def specification(path: str, options: Mapping[str, str]) -> str:
    """What `sources.load` takes for `path` with `options`."""
    values = {
        name: value.replace("%", "%25").replace("&", "%26") for name, value in options.items()
    }
    return f"{path}?{'&'.join(map('='.join, values.items()))}" if options else path


def refuse_unknown(options: Mapping[str, str], known: Sequence[str], source: str) -> None:
    """Refuses options that are none of `known`.

    Raises:
        DatasetError: naming one of them, and those there are.
    """
    if unknown := set(options).difference(known):
        raise DatasetError(
            f"{source!r} has an option {min(unknown)!r}; there are {', '.join(sorted(known))}."
        )
