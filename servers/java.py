"""What servers on the JVM need: Java, and what they are made of, which Maven gets once."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

from servers.once import SERVERS, once

POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17


def unavailable(server: str = "kafka") -> str | None:
    """The reason why `server` (a profile of the pom) cannot run here; None where it can."""
    if shutil.which("java") is None:
        return "real servers need Java: no `java` on the PATH"
    printed = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', printed.stderr)
    if version is None:
        return f"real servers need Java: `java -version` says {printed.stderr.strip()!r}"
    if int(version[1]) < OLDEST_JAVA:
        return f"real servers need Java {OLDEST_JAVA}: `java` is version {version[1]}"
    if shutil.which("mvn") is None and not _folder(server).exists():
        return "real servers come by Maven: no `mvn` on the PATH"
    return None


def class_path(server: str) -> str:
    """The class path of `server`, a profile of the pom; downloaded at the first call, at once afterwards.

    Raises:
        RuntimeError: Maven failed; the message has what it printed.
    """
    return f"{_content(server, 'copy-dependencies')}/*"


def distribution(server: str) -> Path:
    """The folder of `server`, whose profile of the pom names an archive; downloaded and unpacked likewise.

    Raises:
        RuntimeError: Maven failed; the message has what it printed.
    """
    return _content(server, "unpack")


def _folder(server: str) -> Path:
    # Named after the pom's content: it exists only complete, and a changed pom makes another.
    return SERVERS / server / f"maven-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


def _content(server: str, goal: str) -> Path:
    def get(into: Path) -> Path:
        content = into / "content"
        maven = ["mvn", "-q", "-B", "-f", str(POM), "-P", server, f"dependency:{goal}"]
        run = subprocess.run(
            [*maven, f"-DoutputDirectory={content}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if run.returncode:
            raise RuntimeError(f"Maven could not get what {server} is made of:\n{run.stdout}")
        return content

    return once(_folder(server), get)
