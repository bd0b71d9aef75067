"""The image without Docker: the files that the Dockerfile makes, in a folder."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from servers import debian
from tests.container import Container

_PATTERN = re.compile(r"\*\*/?|\*|\?|\\.|.", re.DOTALL)
_PACKAGES = re.compile(r"apt-get install(?: -\S+)* ([^&]+)")


class Dockerignore:
    """Which files of a folder Docker leaves out, by the rules of its own matcher: the last pattern that fits counts."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines() if not line.startswith("#")]
        self._rules = [(line.startswith("!"), _regex(line.removeprefix("!"))) for line in lines if line]
        self._kept = [line.removeprefix("!") for line in lines if line.startswith("!")]

    def leaves_out(self, path: str) -> bool:
        """Whether it leaves out a file; a pattern that fits a folder fits all that is in it."""
        parts = path.split("/")
        names = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        out = False
        for keeps, pattern in self._rules:
            if any(pattern.fullmatch(name) for name in names):
                out = not keeps
        return out

    def leaves_out_folder(self, path: str) -> bool:
        """Whether it leaves out a folder with all that is in it."""
        return self.leaves_out(path) and not any(kept.startswith((f"{path}/", "*")) for kept in self._kept)


def _regex(pattern: str) -> re.Pattern[str]:
    cleaned = os.path.normpath(pattern).lstrip("/")
    pieces = _PATTERN.findall(cleaned)
    known = {"*": "[^/]*", "?": "[^/]", "**": ".*", "**/": "(.*/)?"}
    return re.compile("".join(known.get(piece) or re.escape(piece.removeprefix("\\") or piece) for piece in pieces))


def files(context: Path, ignore: Dockerignore) -> Iterator[str]:
    """The files of a context that reach Docker."""
    for folder, folders, names in os.walk(context):
        place = Path(folder).relative_to(context)
        folders[:] = [name for name in folders if not ignore.leaves_out_folder((place / name).as_posix())]
        yield from (path for name in names if not ignore.leaves_out(path := (place / name).as_posix()))


class Image:
    """The image of a context, made in `folder`: instructions that are not known here are refused.

    `folder` stands for the root of its file system. Packages of Debian are programs in it. Those of Python are not
    installed: the interpreter that runs the tests has them.
    """

    def __init__(self, context: Path, folder: Path) -> None:
        self.root = self.workdir = folder
        self.user, self.environment, self.labels = "0", dict[str, str](), dict[str, str]()
        self.entrypoint, self.command, self.health_check = list[str](), list[str](), ""
        self._files = sorted(files(context, Dockerignore((context / ".dockerignore").read_text())))
        self._programs = folder / "usr/local/bin"
        self._programs.mkdir(parents=True)
        self._program("python", [sys.executable])
        inside = ""
        for line in (context / "Dockerfile").read_text().replace("\\\n", "").splitlines():
            instruction, _, rest = line.partition(" ")
            if instruction == "WORKDIR":
                inside = rest
                self.workdir = folder / inside.lstrip("/")
                self.workdir.mkdir(parents=True)
            elif instruction == "COPY":
                self._copy(context, *rest.split())
            elif instruction == "RUN":
                self._run(rest)
            elif instruction == "USER":
                self.user = rest
            elif instruction == "LABEL":
                self.labels |= dict(word.split("=", 1) for word in shlex.split(rest))
            elif instruction == "ENV":
                values = rest.replace(f"={inside}", f"={self.workdir}")
                self.environment |= dict(word.split("=", 1) for word in values.split())
            elif instruction == "HEALTHCHECK":
                self.health_check = rest.partition("CMD ")[2]
            elif instruction == "ENTRYPOINT":
                self.entrypoint = json.loads(rest)
            elif instruction == "CMD":
                self.command = json.loads(rest)
            elif instruction not in {"", "#", "FROM"}:
                raise ValueError(f"{instruction} is not known here")
        if os.getuid() != 0:
            subprocess.run(["chmod", "-R", "a-w", str(self.workdir)], check=True)

    def _run(self, command: str) -> None:
        if command.startswith("pip install "):
            return
        if installs := _PACKAGES.search(command):
            for package in installs[1].split():
                self._program(package, debian.program(package, package))
            return
        command = command.replace("/usr/local/bin", str(self._programs)).replace("/recovery", f"{self.root}/recovery")
        subprocess.run(["sh", "-euc", command], cwd=self.workdir, check=True)

    def _program(self, name: str, command: Sequence[str]) -> None:
        """Put a program into the image that is another one of this machine."""
        script = self._programs / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        script.chmod(0o755)

    def _copy(self, context: Path, source: str, target: str) -> None:
        """Copy a file or what is in a folder, as from a checkout that only its owner may read."""
        base = PurePosixPath(source)
        wanted = [name for name in self._files if base in {PurePosixPath(name), *PurePosixPath(name).parents}]
        if not wanted:
            raise ValueError(f"COPY {source}: there is no such file, or .dockerignore leaves it out")
        for name in wanted:
            inner = PurePosixPath(name).relative_to(base)
            place = self.workdir / target / (base.name if inner == PurePosixPath() and target.endswith("/") else inner)
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(context / name, place)
            place.chmod(0o600)

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: int,
        *,
        user: str = "",
        writable: Sequence[Path] = (),
    ) -> Container:
        """Start a container with a command instead of the image's entrypoint and command.

        Args:
            command: of the image.
            environment: variables beside the image's own.
            output: a descriptor, or `subprocess.PIPE`.
            user: `USER` or `USER:GROUP`; by default the image's own.
            writable: the folders that are not read-only.
        """
        variables = {"PATH": f"{self._programs}:/usr/bin:/bin", **self.environment, **environment}
        return Container(command, self.workdir, variables, output, user or self.user, writable)

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], seconds: float = 60, writable: Sequence[Path] = ()
    ) -> tuple[int, str]:
        """Run a command to its end; its exit code, and what it wrote."""
        with self.start(command, environment, subprocess.PIPE, writable=writable) as container:
            written = container.output(seconds)
            return container.wait(seconds), written
