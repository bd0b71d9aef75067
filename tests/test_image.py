"""The image holds what its commands need, and no more: made from the Dockerfile without Docker."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from servers.process import ROOT
from tests.container import no_isolation
from tests.image import Dockerignore, Image

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

IMPORT = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
"""


def is_code(path: Path) -> bool:
    return path.suffix == ".py" or (path / "__init__.py").exists()


def modules(image: Image) -> dict[str, ast.Module]:
    """The modules of an image by their names."""
    sources = {path.relative_to(image.workdir).with_suffix(""): path for path in image.workdir.rglob("*.py")}
    return {
        ".".join(name.parts).removesuffix(".__init__"): ast.parse(path.read_text()) for name, path in sources.items()
    }


def imported(module: ast.Module) -> set[str]:
    """The first names of what a module imports, wherever in it."""
    names = [alias.name for node in ast.walk(module) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(module) if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    ("lines", "left_out", "kept"),
    [
        ("", [], ["a", "a/b", ".a"]),
        ("a", ["a", "a/b", "a/b/c"], ["b", "b/a", "ab"]),
        ("/a/", ["a", "a/b"], ["b/a"]),
        ("*", ["a", "a/b", ".a"], []),
        ("*.md", ["a.md"], ["a/b.md", "amd"]),
        ("**/*.md", ["a.md", "a/b.md", "a/b/c.md"], ["a"]),
        (".*", [".a", ".a/b"], ["a", "a/.b"]),
        ("a?c", ["abc"], ["ac", "a/c"]),
        ("**/a", ["a", "b/a", "b/c/a/d"], ["ba"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab"]),
        ("a/*", ["a/b", "a/b/c"], ["a"]),
        ("a\n!a/b", ["a", "a/c"], ["a/b", "a/b/c"]),
        ("!a/b\na", ["a/b"], []),
        ("*\n!a\na/b", ["b", "a/b"], ["a", "a/c"]),
        ("# a\n\n  b  ", ["b"], ["a", "# a"]),
    ],
)
def test_what_docker_leaves_out(lines: str, left_out: list[str], kept: list[str]) -> None:
    ignore = Dockerignore(lines)
    assert [path for path in left_out if not ignore.leaves_out(path)] == []
    assert [path for path in kept if ignore.leaves_out(path)] == []


def test_it_holds_the_code_and_nothing_of_development(image: Image) -> None:
    names = {path.name for path in image.workdir.iterdir()}
    code = {path.name for path in ROOT.iterdir() if is_code(path)} - {"tests", "benchmarks", "demo", "servers"}
    assert {"settings", "dataflows", "messages"} <= code
    assert code | {"LICENSE", "requirements", "entrypoint.sh", "entrypoint-recovery.sh"} <= names
    assert not names & {
        "tests",
        "benchmarks",
        "demo",
        "servers",
        "docs",
        "k8s",
        "compose",
        "compose.yaml",
        ".git",
        ".venv",
        ".servers",
        "recovery",
    }
    assert [path.name for path in (image.workdir / "requirements").iterdir()] == ["runtime.txt"]


def test_it_imports_nothing_that_it_does_not_hold(image: Image) -> None:
    found = modules(image)
    own = {name.partition(".")[0] for name in found}
    ours = {path.stem for path in ROOT.iterdir() if is_code(path)} | own
    missing = {name: strange for name, module in found.items() if (strange := imported(module) & ours - own)}
    assert missing == {}


def test_every_user_may_read_it_and_its_own_may_not_write(image: Image) -> None:
    paths = [image.workdir, *image.workdir.rglob("*")]
    closed = [path for path in paths if path.stat().st_mode & 0o7 != (0o5 if path.is_dir() else 0o4)]
    assert closed == []
    code, written = image.run(["python", "-c", "open('dataflow.json', 'w')"], {})
    assert code == 1
    assert ("Permission denied" if no_isolation() else "Read-only file system") in written


def test_its_packages_are_those_that_it_imports(image: Image) -> None:
    distributions = packages_distributions()
    own = {path.stem for path in image.workdir.iterdir()}
    names = {name for module in modules(image).values() for name in imported(module)} - own - sys.stdlib_module_names
    used = {distributions[name][0].lower().replace("_", "-") for name in names if name != "tomli"}
    locked = (image.workdir / "requirements" / "runtime.txt").read_text()
    installed = set(re.findall(r"^([a-z0-9-]+)==", locked, re.MULTILINE))
    assert used - installed == set()
    assert installed & {"moto", "flask", "werkzeug", "cryptography", "rich", "pytest"} == set()


def test_its_labels_are_those_of_the_project(image: Image) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {"title": "name", "description": "description", "licenses": "license", "version": "version"}
    assert image.labels == {f"org.opencontainers.image.{label}": project[name] for label, name in named.items()}


def test_it_knows_its_version(image: Image) -> None:
    code = "from dataflows.shape import own_version; print(own_version())"
    assert image.run(["python", "-c", code], {}) == (0, f"{image.labels['org.opencontainers.image.version']}\n")


@pytest.mark.parametrize("home", [{}, {"HOME": "/nonexistent"}, {"HOME": "/"}], ids=str)
def test_all_its_modules_can_be_imported(image: Image, home: dict[str, str]) -> None:
    names = [name for name in modules(image) if not name.endswith("__main__")]
    assert {"settings", "dataflows.ratings"} <= set(names)
    assert image.run(["python", "-c", IMPORT, *names], home) == (0, "")


def test_the_main_flow_needs_no_extra(image: Image) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = [re.split(r"[^a-z0-9-]", need)[0] for name in ("notify", "web", "demo") for need in extras[name]]
    strange = [name.replace("-", "_") for name in named]
    assert {"slack_sdk", "nicegui", "moto"} <= set(strange)
    without = f"import sys; sys.modules.update(dict.fromkeys({strange}))\n"
    assert image.run(["python", "-c", without + IMPORT, "dataflows.ratings", "dataflows.wiring.ratings"], {}) == (0, "")


def test_it_holds_the_rules_of_a_job_without_a_file(image: Image) -> None:
    code = "from dataflows.rules import load; print(load(None, 'alerts')[0].name)"
    assert image.run(["python", "-c", code], {}) == (0, "unhappy-platinum\n")


def test_its_commands_can_be_called(image: Image) -> None:
    commands = [
        name.removesuffix(".__main__")
        for name, module in modules(image).items()
        if "argparse" in imported(module) and (name.endswith("__main__") or "'__main__'" in ast.dump(module))
    ]
    assert "dataflows.templates" in commands
    for command in commands:
        code, written = image.run(["python", "-m", command, "--help"], {})
        assert (code, written[:6]) == (0, "usage:"), written
