"""The rooms of the package: imports run one way, and no room, file or function grows too large."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "clipbench_tf"
# From the lowest to the highest; each may import those before it. A name without a folder is a
# module of its own.
ROOMS = (
    "__init__",
    "features",
    "counter_random",
    "invocation",
    "moved_names",
    "config",
    "tensorflow_log",
    "hub_preset",
    "hardware",
    "record",
    "distribution",
    "data.text",
    "data.images",
    "data.readers",
    "data.readers.labelled",
    "data.readers.tables",
    "data.readers.tars",
    "data",
    "data.statistics",
    "data.preparation.engine",
    "data.preparation",
    "data.emoji",
    "data.emoji.build",
    "data.openclipart",
    "models.layers",
    "models",
    "objectives.similarity",
    "objectives",
    "optimization",
    "method",
    "evaluation",
    "evaluation.retrieval",
    "evaluation.probes",
    "evaluation.comparison",
    "evaluation.reports",
    "export",
    "export.runtimes",
    "conversion.reading",
    "conversion.names",
    "conversion",
    "assessment.unfinished",
    "assessment",
    "checkpoints",
    "callbacks",
    "callbacks.tensorboard",
    "training",
    "serving",
    "serving.page",
    "api",
    "planning.costs",
    "planning",
    "restoration",
    "leaderboard",
    "leaderboard.plots",
    "leaderboard.page",
    "suites",
    "benchmarks.samples",
    "benchmarks.harness",
    "benchmarks.ours",
    "benchmarks.peers",
    "benchmarks",
    "benchmarks.on_gpu",
    "benchmarks.programs",
    "commands.shared",
    "commands",
)
SOURCES = sorted((ROOT / PACKAGE).rglob("*.py"))
ALL = [*SOURCES, *ROOT.glob("scripts/**/*.py"), *ROOT.glob("tests/**/*.py"), ROOT / "setup.py"]


def room(path: Path) -> str:
    """The folder of a source file, or the module itself where it lies at the top."""
    parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1]) or parts[0]


def imports(path: Path) -> Iterator[Path]:
    """The files of the package that the file `path` imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import; name the package"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (source(name) for name in names if name.split(".")[0] == PACKAGE)


def source(name: str) -> Path:
    """The file of the module called `name`, or of the one that has this name in it."""
    place = ROOT.joinpath(*name.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py", place.parent / "__init__.py"):
        if file.is_file():
            return file
    return place.parent.with_suffix(".py")


def test_every_room_has_its_place_in_the_order():
    assert {room(path) for path in SOURCES} == set(ROOMS)


def test_imports_run_one_way():
    upward = [
        f"{path.relative_to(ROOT)} imports {file.relative_to(ROOT)}"
        for path in SOURCES
        for file in imports(path)
        if ROOMS.index(room(file)) > ROOMS.index(room(path))
    ]
    assert not upward


def test_scripts_and_tests_are_imported_by_no_room():
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert "import tests" not in text and "from tests" not in text, path
        assert "from scripts" not in text, path


def test_no_file_is_over_300_lines():
    long = {str(p): n for p in ALL if (n := len(p.read_text(encoding="utf-8").splitlines())) > 300}
    assert not long


def test_no_function_is_over_60_lines():
    long = {
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in ALL
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= 60
    }
    assert not long


def test_no_room_has_more_than_12_files():
    folders = {path.parent for path in ALL}
    counts = {f: sum(p.name != "__init__.py" for p in f.glob("*.py")) for f in folders}
    assert not {str(folder): count for folder, count in counts.items() if count > 12}
