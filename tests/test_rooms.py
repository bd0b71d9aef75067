"""Which room may import which, and what an ``__init__.py`` may hold: read from the code of every file."""

import ast
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

import pytest

from servers.process import ROOT

FLOW = {"dataflows", "operators", "sources", "sinks", "settings", "records", "messages"}
MAY_IMPORT = {
    "dataflows": FLOW | {"monitoring"},
    "operators": {"messages"},
    "sources": {"messages"},
    "sinks": set[str](),
    "messages": set[str](),
    "records": {"messages"},
    "settings": {"records.index_names"},
    "monitoring": {"settings", "messages"},
    "web": {"settings", "messages", "records", "monitoring"},
    "servers": set[str](),
    "demo": FLOW | {"servers"},
    "examples": {"operators", "sources", "sinks", "messages"},
    "benchmarks": FLOW | {"web", "servers", "demo"},
    "tests": FLOW | {"monitoring", "web", "servers", "demo", "examples", "benchmarks"},
}
"""Of each room the rooms, or modules of them, that it may import beside itself."""

FILES = {
    path.relative_to(ROOT): ast.parse(path.read_text()) for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py")
}


def imported(file: Path, tree: ast.Module) -> Iterator[str]:
    """The full names of what a file imports, in functions and for type checkers, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), ".".join(file.parent.parts))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def strangers(file: Path, tree: ast.Module) -> list[str]:
    """What a file imports of rooms that it may not import."""
    room = file.parts[0]
    may = {room, *MAY_IMPORT[room]}
    ours = [name for name in imported(file, tree) if name.partition(".")[0] in MAY_IMPORT]
    return [name for name in ours if not any(f"{name}.".startswith(f"{one}.") for one in may)]


def machinery(tree: ast.Module) -> list[str]:
    """The statements of a file beyond docstring, imports and ``__all__``."""
    body = tree.body[1:] if ast.get_docstring(tree) else tree.body
    rest = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
    return [line for node in rest if not (line := ast.unparse(node)).startswith("__all__ = ")]


@pytest.mark.parametrize(
    ("file", "code", "found"),
    [
        ("sinks/a.py", "import records", ["records"]),
        ("sinks/s3/a.py", "from sinks import lanes\nfrom . import b\nfrom ..lanes import c", []),
        ("sources/a.py", "def a():\n    from records import rating", ["records.rating"]),
        ("records/a.py", "if TYPE_CHECKING:\n    from settings.kafka import Kafka", ["settings.kafka.Kafka"]),
        ("settings/a.py", "from records.index_names import rivals\nfrom records import index_names", []),
        ("settings/a.py", "from records import rating", ["records.rating"]),
    ],
)
def test_what_is_found(file: str, code: str, found: list[str]) -> None:
    assert strangers(Path(file), ast.parse(code)) == found


def test_every_room_is_in_the_table() -> None:
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == MAY_IMPORT.keys()
    assert list(ROOT.glob("*.py")) == []


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_no_other_than_it_may(room: str) -> None:
    files = {file: tree for file, tree in FILES.items() if file.parts[0] == room}
    assert {str(file): names for file, tree in files.items() if (names := strangers(file, tree))} == {}


def test_no_init_holds_more_than_a_docstring_and_exports() -> None:
    inits = {file: tree for file, tree in FILES.items() if file.name == "__init__.py"}
    assert {str(file): rest for file, tree in inits.items() if (rest := machinery(tree))} == {}
