"""Writes docs/configuration.md from the signatures and docstrings of what gin files bind.

python scripts/build/docs.py, or with --verify to compare with the page that is there.
"""

import dataclasses
import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a bare checkout too

from clipbench_tf import moved_names, tensorflow_log

ROOT = Path(__file__).resolve().parents[2]
_OUTPUT = flags.DEFINE_string("output", str(ROOT / "docs/configuration.md"), "The page to write.")
_VERIFY = flags.DEFINE_bool("verify", False, "Write nothing: compare with the page.")

HEAD = """# Configuration reference

Everything that the gin files bind, and everything else that can be bound to the same classes and
functions. `python scripts/build/docs.py` writes this page from the signatures and docstrings, and a
test compares the two. A binding is written `module.Name.parameter = value`, in a gin file that
imports the module, or in `--gin_bindings` of a command:

```bash
python scripts/train.py --gin_file=gin/clip.gin --gin_bindings='recipe.Recipe.epochs = 3'
```

A parameter without a default must be bound, unless the code that calls gives it, as it gives
`workdir`, `strategy`, captions and seeds. Several objects of one class have scopes, `light/` and
`strong/` before the name of a `View`; a binding with a scope holds for that one alone. Misspelt
names, and bindings that nothing reads, are errors.
"""
MACROS = """## Macros

Sizes that several parts share; `%NAME` stands for one.

| macro | value | set in |
| --- | --- | --- |"""
MOVED = """
## Names of earlier versions

A gin file that uses one of these is refused with its new name; the `config.gin` of a run is
understood.

| earlier | today |
| --- | --- |"""
IMPORT = re.compile(r"^from (clipbench_tf[\w.]*) import (\w+)$", re.MULTILINE)
USE = re.compile(r"^(?:\w+/)?(\w+\.\w+)\.\w+ =|@(?:\w+/)?(\w+\.\w+)", re.MULTILINE)
MACRO = re.compile(r"^([A-Z_]+) = (.*?)(?:  #.*)?$", re.MULTILINE)


def gin_texts() -> dict[str, str]:
    """The text of each gin file, by its path."""
    files = sorted((ROOT / "gin").rglob("*.gin"))
    return {str(f.relative_to(ROOT)): f.read_text(encoding="utf-8") for f in files}


def configurables() -> dict[str, Callable]:
    """What the gin files bind or refer to by `module.Name`, and the functions that are defaults."""
    found: dict[str, Callable] = {}
    for text in gin_texts().values():
        modules = {name: f"{package}.{name}" for package, name in IMPORT.findall(text)}
        for names in USE.findall(text):
            module, name = "".join(names).split(".")
            found[f"{module}.{name}"] = getattr(importlib.import_module(modules[module]), name)
    for made in list(found.values()):
        for parameter in inspect.signature(made).parameters.values():
            if inspect.isfunction(default := parameter.default):
                found[f"{default.__module__.split('.')[-1]}.{default.__name__}"] = default
    return dict(sorted(found.items(), key=lambda item: (item[1].__module__, item[0])))


def documented(made: Callable) -> dict[str, str]:
    """What the Args or Attributes of a docstring say, by name."""
    entries = {"name": "in logs and checkpoints"}
    texts = [made.__doc__, made.__init__.__doc__ if inspect.isclass(made) else None]
    for text in filter(None, texts):
        for part in re.findall(
            r"^(?:Args|Attributes):\n((?: +.*\n?|\n)*)", inspect.cleandoc(text), re.M
        ):
            lines = inspect.cleandoc(part).splitlines()
            for line in lines:
                if begun := re.match(r"(\w+(?:, \w+)*): (.*)", line):
                    names = begun[1].split(", ")
                    entries |= dict.fromkeys(names, begun[2])
                elif line.strip():
                    entries |= {name: f"{entries[name]} {line.strip()}" for name in names}
    return entries


def kind(parameter: inspect.Parameter) -> str:
    """The annotation as one writes it, without the modules."""
    if parameter.annotation is parameter.empty:
        return ""
    return re.sub(r"\b[a-z_]\w*\.(?=\w)", "", inspect.formatannotation(parameter.annotation))


def value(default: object) -> str:
    """A default as one would bind it."""
    if isinstance(default, float):
        return repr(float(f"{default:.6g}"))
    if isinstance(default, tuple):
        return f"({', '.join(map(value, default))}{',' if len(default) == 1 else ''})"
    if dataclasses.is_dataclass(default):
        return f"{type(default).__name__}()"
    return default.__name__ if inspect.isfunction(default) else repr(default)


def table(made: Callable) -> Iterator[str]:
    """The rows of one configurable."""
    entries = documented(made)
    yield "| parameter | type | default | what it does |"
    yield "| --- | --- | --- | --- |"
    for name, parameter in inspect.signature(made).parameters.items():
        default = "" if parameter.default is parameter.empty else f"`{value(parameter.default)}`"
        what = entries.get(name, "")
        if not re.match(r"\w+ \[", what):  # the shape of a tensor keeps its letters
            what = what[:1].upper() + what[1:]
        row = f"`{name}`", f"`{kind(parameter)}`", default, what
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def page() -> str:
    """The whole page."""
    lines, found = [HEAD], configurables()
    links = [f"[{name}](#{name.replace('.', '').lower()})" for name in found]
    lines += [",\n".join([*links, "[macros](#macros)"]) + ".", ""]
    for name, made in found.items():
        path = f"{made.__module__.replace('.', '/')}.py"
        summary = " ".join((made.__doc__ or "").split("\n\n")[0].split())
        lines += [f"## {name}", "", f"{summary} ([{path}](../{path}))", "", *table(made), ""]
    macros = [(n, v, file) for file, text in gin_texts().items() for n, v in MACRO.findall(text)]
    lines += [
        MACROS,
        *(f"| `{n}` | `{v}` | [{file}](../{file}) |" for n, v, file in sorted(macros)),
    ]
    moved = {f"clipbench_tf.{a}": f"clipbench_tf.{b}" for a, b in moved_names.MODULES.items()}
    moved |= moved_names.CONFIGURABLES
    lines += [MOVED, *(f"| `{old}` | `{new}` |" for old, new in moved.items())]
    return "\n".join(lines) + "\n"


def main(_: list[str]) -> None:
    """Writes the page; with --verify, compares."""
    path = Path(_OUTPUT.value)
    with tensorflow_log.suppressed():
        made = page()
    if not _VERIFY.value:
        path.write_text(made, encoding="utf-8")
        return
    there = path.read_text(encoding="utf-8") if path.is_file() else ""
    if there != made:
        difference = difflib.unified_diff(
            there.splitlines(), made.splitlines(), str(path), "the signatures", n=0, lineterm=""
        )
        print("\n".join(difference))
        sys.exit(f"Error: {path} is not what the code says; run scripts/build/docs.py.")
    print(f"verified: {path.name}")


if __name__ == "__main__":
    app.run(main)
