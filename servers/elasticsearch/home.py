"""The folder that a node runs from, `path.home`: made once of jars by Maven and of the two classes beside this file."""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from servers import java
from servers.once import SERVERS, once

SOURCES = Path(__file__).parent
PARTS = ("pom.xml", "Launcher.java", "RootPlugin.java", "log4j2.properties", "home.py")
CACHE = SERVERS / "elasticsearch"

DESCRIPTOR = """\
name={name}
description={name}
version={version}
elasticsearch.version={version}
java.version=17
classname={main}
"""


def unavailable() -> str | None:
    """The reason why Elasticsearch cannot run here; None where it can."""
    if reason := java.unavailable("elasticsearch"):
        return reason
    if shutil.which("javac") is None and not _folder().exists():
        return "Elasticsearch's launcher is compiled by a JDK: no `javac` on the PATH"
    return None


def home() -> Path:
    """The folder; made at the first call, at once afterwards. Many nodes can share it, none writes to it.

    Raises:
        RuntimeError: Maven or the compiler failed; the message has what it printed.
    """
    return once(_folder(), _make)


def _folder() -> Path:
    # Named after all it is made of: it exists only complete, and a change makes another.
    made_of = b"".join((SOURCES / part).read_bytes() for part in PARTS)
    return CACHE / f"home-{hashlib.sha256(made_of).hexdigest()[:12]}"


def _make(into: Path) -> Path:
    home = into / "home"
    lib, classes = home / "lib", home / "classes"
    for folder in (lib, classes, home / "config", home / "plugins"):
        folder.mkdir(parents=True)
    shutil.copy(SOURCES / "log4j2.properties", home)
    maven = ["mvn", "-q", "-B", "-f", str(SOURCES / "pom.xml"), "dependency:copy-dependencies"]
    _run([*maven, f"-DoutputDirectory={lib}"])
    _compile("Launcher", lib, classes)
    netty = _module(home, "transport-netty4", "org.elasticsearch.transport.netty4.Netty4Plugin")
    # A module's jars must not be on the class path, too.
    for jar in (*lib.glob("netty-*.jar"), *lib.glob("transport-netty4-*.jar")):
        jar.rename(netty / jar.name)
    root = _module(home, "root", "servers.RootPlugin")
    with tempfile.TemporaryDirectory() as compiled:
        _compile("RootPlugin", lib, Path(compiled))
        _run(["jar", "cf", str(root / "root.jar"), "-C", compiled, "."])
    return home


def _module(home: Path, name: str, main: str) -> Path:
    module = home / "modules" / name
    module.mkdir(parents=True)
    (server,) = (home / "lib").glob("elasticsearch-8.*.jar")
    version = server.stem.removeprefix("elasticsearch-")
    (module / "plugin-descriptor.properties").write_text(DESCRIPTOR.format(name=name, main=main, version=version))
    return module


def _compile(name: str, lib: Path, into: Path) -> None:
    _run(["javac", "-cp", f"{lib}/*", "-d", str(into), str(SOURCES / f"{name}.java")])


def _run(command: Sequence[str]) -> None:
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"Elasticsearch could not be made, {command[0]} failed:\n{run.stdout}")
