"""Gin at the edge: strict parsing, dead bindings, and the operative config of a run folder."""

import difflib
import importlib.util  # noqa: F401  gin 0.5 uses it without importing it
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gin

from clipbench_tf import moved_names

RUN_CONFIG = "config.gin"  # the operative configuration in a run folder

# The shipped gin files, of the checkout or of the wheel.
_CHECKOUT, _WHEEL = Path(__file__).parents[1] / "gin", Path(__file__).with_name("gin")
_SHIPPED = _CHECKOUT if (_CHECKOUT / "clip.gin").is_file() else _WHEEL
# Where files and includes are looked for beside the current folder: clip.gin and gin/clip.gin.
_PLACES = (_SHIPPED, _SHIPPED.parent)


class ConfigError(ValueError):
    """A configuration that cannot run; the message names the input and the remedy."""


class _GinFile(io.StringIO):
    """The text of a gin file; gin's messages tell its `name`."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def _open(path: str) -> _GinFile:
    """A gin file by today's names: the config of a run is translated, another one is refused."""
    text = Path(path).read_text(encoding="utf-8")
    if Path(path).name == RUN_CONFIG:
        return _GinFile(path, moved_names.translated(text))
    _refuse_moved_names(path, text)
    return _GinFile(path, text)


def _refuse_moved_names(where: str, text: str) -> None:
    moved = [
        f"{old!r} is now {new!r}" if new else f"{old!r} is gone"
        for old, new in moved_names.found(text).items()
    ]
    if moved:
        raise ConfigError(f"{where} uses names that have moved: {'; '.join(moved)}.")


# This reader alone: gin's second one takes the folder of an include for a Python package, logs an
# error for every folder that is none, and fails where one of that name exists.
gin.config._FILE_READERS[:] = [(_open, os.path.isfile)]


def parse(files: Sequence[str], bindings: Sequence[str] = ()) -> None:
    """Reads gin `files` in order, then `bindings`; later ones win.

    Raises:
        ConfigError: for a missing file, a syntax error, or a name that no code has (any more; the
            new one is then told).
    """
    gin.clear_config()
    for folder in _PLACES:
        gin.add_config_file_search_path(str(folder))
    if not files:
        raise ConfigError("No configuration: give --gin_file=gin/clip.gin, for example.")
    for file in files:
        if not any((folder / file).is_file() for folder in (Path(), *_PLACES)):
            raise ConfigError(f"There is no gin file {file!r}. Those shipped are {_recipes()}.")
    try:
        _refuse_moved_names("--gin_bindings", "\n".join(bindings))
        gin.parse_config_files_and_bindings(list(files), list(bindings), skip_unknown=False)
    except ConfigError:
        raise
    except Exception as error:  # gin raises many types, and imports what a file binds
        raise ConfigError(f"In the gin configuration: {_first_lines(error)}") from error


def _recipes() -> str:
    """The shipped gin files that can be trained."""
    files = [f for f in _SHIPPED.glob("*.gin") if "include 'recipes/" in f.read_text("utf-8")]
    return ", ".join(sorted(f"gin/{file.name}" for file in files))


def build(target: str, **arguments):
    """Calls the configurable `target` (`module.Name` as in the gin files) with `arguments`.

    Raises:
        ConfigError: if a value that it needs is bound nowhere, or does not fit.
    """
    configurable = gin.get_configurable(target)
    try:
        return configurable(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(_first_lines(error)) from error


def check_used() -> None:
    """Refuses bindings that nothing reads: misspelt macros, names of another method's parts.

    Call it when everything has been built.

    Raises:
        ConfigError: naming every such binding.
    """
    dead = sorted(_bound(gin.config_str()) - _bound(gin.operative_config_str()))
    if dead:
        raise ConfigError(
            f"The gin configuration binds what nothing reads: {', '.join(dead)}. "
            f"Correct the spelling or remove the binding."
        )


def _bound(text: str) -> set[str]:
    """The names on the left of the bindings and macros in config `text`, shortest form."""
    names = re.findall(r"^([A-Za-z_][\w./]*) = ", text, flags=re.MULTILINE)
    return {".".join(name.split("/")[-1].split(".")[-2:]) for name in names}


def value(name: str, default: Any = None) -> Any:
    """What is bound to `name` (`module.Name.parameter`), through macros, or `default`."""
    try:
        found = gin.query_parameter(name)
    except ValueError:
        return default
    return found.scoped_configurable_fn() if hasattr(found, "scoped_configurable_fn") else found


def bind(name: str, new: object) -> None:
    """Binds `new` to `name`, whatever the files say."""
    with gin.unlock_config():
        gin.bind_parameter(name, new)


def bound() -> str:
    """Everything that was parsed, read or not: workers compare it before anything is built."""
    return gin.config_str()


def operative() -> str:
    """Everything that was bound and read so far, as a gin file that repeats the run."""
    return gin.operative_config_str()


def saved(workdir: Path) -> str | None:
    """The `config.gin` of a run folder, by today's names; None where no run has begun."""
    path = workdir / RUN_CONFIG
    return moved_names.translated(path.read_text(encoding="utf-8")) if path.is_file() else None


def claim(workdir: Path) -> None:
    """Writes `config.gin` into `workdir`, or checks that the one there is the same.

    Arguments that the one there does not know, since an earlier version wrote it, may have their
    defaults. Logs of the job that runs this (*.log, *.out, *.err) may lie there before.

    Raises:
        ConfigError: if the folder belongs to another configuration (with the difference), holds
            other files, or cannot be written.
    """
    path, text, begun = workdir / RUN_CONFIG, operative(), saved(workdir)
    if begun is not None:
        before, now = statements(begun), statements(text)
        known = _bound(begun) | _bound(bound())
        now = [line for line in now if _bound(line) <= known]
        if before != now:
            difference = "\n".join(
                difflib.unified_diff(before, now, str(path), "this command", lineterm="")
            )
            raise ConfigError(
                f"{workdir} belongs to a run with another configuration. Choose another "
                f"--workdir or remove the folder. The difference:\n{difference}"
            )
        return
    if workdir.is_file():
        raise ConfigError(
            f"Cannot write into the run folder {workdir}: it is a file. Choose another --workdir."
        )
    partial = path.with_suffix(".partial")
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        known = {partial.suffix, ".log", ".out", ".err"}
        foreign = sorted(f.name for f in workdir.iterdir() if f.suffix not in known)
        if foreign:
            raise ConfigError(
                f"{workdir} is no run folder, but holds {foreign[0]}. Choose another --workdir."
            )
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise ConfigError(
            f"Cannot write into the run folder {workdir}: {error.strerror}. "
            f"Choose another --workdir."
        ) from error


def statements(text: str) -> list[str]:
    """The imports, macros and bindings of an operative config, sorted."""
    parts = re.split(r"\n(?=\S)", text)  # the rest of one is indented
    return sorted(part.strip() for part in parts if part.strip() and not part.startswith("#"))


def _first_lines(error: Exception) -> str:
    """The message of `error` without gin's stack of calls, in at most two lines."""
    text = re.sub(r"\s*In call to configurable '.*?(\(.*\)|$)", "", str(error), flags=re.MULTILINE)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[:2]) or repr(error)
