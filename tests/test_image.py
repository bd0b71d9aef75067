"""The image holds what its command needs: made from the Dockerfile without Docker, and run as its user."""

import ast
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from servers.kafka import Kafka
from servers.process import ROOT, free_ports
from servers.topics import write
from tests.dataflows.test_start import inputs, read
from tests.dataflows.world import settings
from tests.image import Dockerignore, Image

NOWHERE = {
    "ELASTICSEARCH_URL": "http://127.0.0.1:9",
    "S3_BUCKET": "ratings",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
}
"""All branches on, and their servers away."""

IMPORT = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="image-"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    shutil.rmtree(folder)


@pytest.fixture
def image(folder: Path) -> Image:
    return Image(ROOT, folder / "root")


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
    assert code | {"LICENSE", "requirements"} <= names
    assert not names & {
        "tests",
        "benchmarks",
        "demo",
        "servers",
        "docs",
        "k8s",
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
    assert "Permission denied" in written


@pytest.mark.parametrize("home", [{}, {"HOME": "/nonexistent"}, {"HOME": "/"}], ids=str)
def test_all_its_modules_can_be_imported(image: Image, home: dict[str, str]) -> None:
    names = [name for name in modules(image) if not name.endswith("__main__")]
    assert {"settings", "dataflows.ratings"} <= set(names)
    assert image.run(["python", "-c", IMPORT, *names], home) == (0, "")


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


@pytest.mark.parametrize("home", [{}, {"HOME": "/nonexistent"}], ids=str)
def test_it_enriches_a_rating(
    kafka: Kafka, names: dict[str, str], image: Image, folder: Path, home: dict[str, str]
) -> None:
    inputs(kafka, names)
    write(kafka.bootstrap, names["customers"], [('{"id":1}', b'{"id":1,"last_name":"Astley"}')])
    write(kafka.bootstrap, names["ratings"], [("1", b'{"rating_id":1,"user_id":1}')])
    recovery = folder / "recovery"
    recovery.mkdir()
    recovery.chmod(0o777)
    code, written = image.run(["python", "-m", "bytewax.recovery", str(recovery), "1"], home)
    assert code == 0, written
    (port,) = free_ports(1)
    variables = {
        **settings(names, kafka.bootstrap),
        **NOWHERE,
        **home,
        "BYTEWAX_RECOVERY_DIRECTORY": str(recovery),
        "BYTEWAX_SNAPSHOT_INTERVAL": "1",
        "BYTEWAX_RECOVERY_BACKUP_INTERVAL": "0",
        "BYTEWAX_DATAFLOW_API_ENABLED": "1",
        "BYTEWAX_DATAFLOW_API_PORT": str(port),
    }
    log = folder / "job.log"
    with log.open("w") as output:
        job = image.start(image.command, variables, output.fileno())
    try:
        found = read(kafka.bootstrap, names["enriched"], 1)
        assert [record["full_name"] for record in found] == ["Astley"], log.read_text()
        assert b"join_records_total" in metrics(port)
        assert job.poll() is None, log.read_text()
    finally:
        job.kill()
        job.wait()
        forget(image)
    assert "Traceback" not in log.read_text()


def metrics(port: int, seconds: float = 10) -> bytes:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                return bytes(answer.read())
        except URLError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def forget(image: Image) -> None:
    """Remove what Bytewax's web server wrote, which belongs to the image's user."""
    place = Path(image.environment.get("BYTEWAX_DATAFLOW_API_CACHE_PATH", image.workdir))
    (place / "dataflow.json").unlink(missing_ok=True)
