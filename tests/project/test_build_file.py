"""BUILD against the sources: owners, `deps`, data, scripts and test folders.

The `deps` of a rule are what its files import, at any depth and by `import_module("...")` too, and
for a test the conftest.py above it; the parents of an imported module do not count. Code that gin
files and benchmarks load by name is no dependency: what runs has all of it as `data`.
"""

import ast
import functools
import graphlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import pytest

ROOT = next(folder for folder in Path(__file__).parents if (folder / "BUILD").is_file())
ALL = ":clipbench_tf"
# A test wants the error of the first. Beam holds packages below the versions of the lock file, so
# that Bazel, whose packages those are, runs without it.
ABSENT = {"a_package_that_nobody_has", "apache_beam", "open_clip"}
INSTALLED = metadata.packages_distributions()


@dataclass
class Rule:
    kind: str
    srcs: list[str] = field(default_factory=list)
    deps: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    args: list[str] = field(default_factory=list)

    def files(self) -> list[str]:
        """`srcs`, with those of another rule in place of its label."""
        return [file for src in self.srcs for file in (RULES[src].srcs if src in RULES else [src])]


def _found(*patterns: str) -> set[str]:
    """The files of the checkout that fit any of Bazel's `patterns`."""
    return {
        str(path.relative_to(ROOT))
        for pattern in patterns
        for path in ROOT.glob(re.sub(r"\*\*$", "**/*", pattern))
        if path.is_file() and path.suffix != ".pyc"
    }


def _rules() -> dict[str, Rule]:
    """The rules of BUILD by their labels."""
    rules: dict[str, Rule] = {}

    def add(kind: str, name: str, srcs=(), deps=(), data=(), args=(), **_) -> None:
        rules[f":{name}"] = Rule(kind, [*srcs], [*deps], [*data], [*args])

    kinds = ("filegroup", "py_library", "py_binary", "py_test")
    names = {kind: functools.partial(add, kind) for kind in kinds}
    ignored = dict.fromkeys(("load", "package", "exports_files"), lambda *_, **__: None)
    glob = {"glob": lambda include, exclude=(): sorted(_found(*include) - _found(*exclude))}
    exec((ROOT / "BUILD").read_text(), names | ignored | glob)
    return rules


RULES = _rules()
SOURCES = _found("clipbench_tf/**/*.py", "scripts/**/*.py", "tests/**/*.py")
OWNERS = {file: label for label, rule in RULES.items() for file in rule.srcs if file in SOURCES}


def _of_kind(*kinds: str) -> dict[str, Rule]:
    return {label: rule for label, rule in RULES.items() if rule.kind in kinds}


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "_", distribution).lower()


LOCKED = {
    _normal(name)
    for name in re.findall(r"^([\w.-]+).*==", (ROOT / "requirements_lock.txt").read_text(), re.M)
}


def _imports(file: str) -> Iterator[str]:
    """The dotted names that `file` imports; that of an attribute has its module in front."""
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=module, names=aliases, level=level):
                package = Path(file).parts[:-level] if level else ()
                yield from (".".join(filter(None, (*package, module, a.name))) for a in aliases)
            case ast.Call(ast.Attribute(attr="import_module"), [ast.Constant(str(name)), *_]):
                yield name


def _target(name: str) -> set[str]:
    """What an import of `name` asks for in `deps`: nothing if it is of the standard library."""
    parts = name.split(".")
    if parts[0] in sys.stdlib_module_names | ABSENT:
        return set()
    for end in range(len(parts), 0, -1):
        module = "/".join(parts[:end])
        for file in (f"{module}.py", f"{module}/__init__.py"):
            if file in OWNERS:
                return {OWNERS[file]}
    distributions = {_normal(found) for found in INSTALLED.get(parts[0], parts[:1])} & LOCKED
    return {f"@pypi//{found}" for found in distributions} or {f"{name} (not in the lock file)"}


def _needs(label: str) -> set[str]:
    """The `deps` that the sources of a rule ask for."""
    if label == ALL:
        return {owner for file, owner in OWNERS.items() if file.startswith("clipbench_tf/")}
    files = RULES[label].files()
    names = {name for file in files for name in _imports(file)}
    needed = set().union(*map(_target, names))
    if RULES[label].kind == "py_test":
        above = {str(folder / "conftest.py") for file in files for folder in Path(file).parents}
        needed |= {OWNERS[file] for file in above & OWNERS.keys()}
    return needed - {label}


def _carried(label: str) -> set[str]:
    """The labels and files that come with a target."""
    carried, left = set(), [label]
    while left:
        if (label := left.pop()) not in carried:
            carried.add(label)
            rule = RULES.get(label, Rule("file"))
            left += [*rule.srcs, *rule.deps, *rule.data]
    return carried


def test_every_source_file_belongs_to_exactly_one_target():
    owners = Counter(file for rule in RULES.values() for file in rule.srcs)
    assert {file: owners[file] for file in SOURCES if owners[file] != 1} == {}


def test_every_library_test_and_script_depends_on_what_it_imports():
    wrong = []
    for label, rule in _of_kind("py_library", "py_binary", "py_test").items():
        needs, deps = _needs(label), set(rule.deps)
        if needs != deps or len(deps) != len(rule.deps):
            missing, superfluous = sorted(needs - deps), sorted(deps - needs)
            wrong.append(f"{label}: missing {missing}, superfluous {superfluous}")
    assert not wrong, "\n".join(["deps in BUILD differ from the imports:", *wrong])


def test_no_target_depends_on_itself():
    graph = {label: [*rule.srcs, *rule.deps, *rule.data] for label, rule in RULES.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"a cycle, each needs the next: {' -> '.join(reversed(error.args[1]))}")


def test_every_data_file_belongs_to_one_filegroup_that_comes_with_the_whole():
    files = {file for file in _found("clipbench_tf/**", "gin/**") if not file.endswith(".py")}
    owners = Counter(file for rule in _of_kind("filegroup").values() for file in rule.srcs)
    assert {file: owners[file] for file in files if owners[file] != 1} == {}
    assert files - _carried(ALL) == set()


def test_every_script_has_a_binary():
    scripts = [rule.srcs for rule in _of_kind("py_binary").values()]
    assert sorted(scripts) == [[script] for script in sorted(_found("scripts/**/*.py"))]


def test_every_test_folder_has_a_test_that_runs_it():
    runs = {
        tuple(rule.args): SOURCES.intersection(rule.srcs) for rule in _of_kind("py_test").values()
    }
    folders = {str(Path(file).parent) for file in _found("tests/**/test_*.py")}
    assert runs == {(folder,): _found(f"{folder}/test_*.py") for folder in folders}


def test_code_that_is_loaded_by_name_comes_with_every_script_and_test():
    running = _of_kind("py_binary", "py_test")
    assert [label for label in running if ALL not in _carried(label)] == []


def test_whatever_build_names_is_there():
    named = {name for rule in RULES.values() for name in (*rule.srcs, *rule.deps, *rule.data)}
    inside = {name for name in named - RULES.keys() if not name.startswith("@pypi//")}
    assert {name for name in inside if not (ROOT / name).is_file()} == set()
