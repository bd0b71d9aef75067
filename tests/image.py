"""The image without Docker: what the Dockerfile copies, in a folder, and its command, run as its user."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

_PATTERN = re.compile(r"\*\*/?|\*|\?|\\.|.", re.DOTALL)
_USER_IN = ("setpriv", "--clear-groups", "--regid=0", "--no-new-privs")
"""Docker gives a user without a name the group 0."""


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

    The packages are not installed: those of the interpreter that runs the tests are used.
    """

    def __init__(self, context: Path, folder: Path) -> None:
        self.workdir, self.user, self.environment, self.command = folder, "0", dict[str, str](), list[str]()
        self._files = sorted(files(context, Dockerignore((context / ".dockerignore").read_text())))
        for line in (context / "Dockerfile").read_text().splitlines():
            instruction, _, rest = line.partition(" ")
            if instruction == "WORKDIR":
                self.workdir = folder / rest.lstrip("/")
                self.workdir.mkdir(parents=True)
            elif instruction == "COPY":
                self._copy(context, *rest.split())
            elif instruction == "RUN" and not rest.startswith("pip install "):
                subprocess.run(["sh", "-euc", rest], cwd=self.workdir, check=True)
            elif instruction == "USER":
                self.user = rest
            elif instruction == "ENV":
                self.environment |= dict(word.split("=", 1) for word in rest.split())
            elif instruction == "CMD":
                self.command = json.loads(rest)
            elif instruction not in {"", "#", "FROM", "RUN"}:
                raise ValueError(f"{instruction} is not known here")
        if os.getuid() != 0:
            subprocess.run(["chmod", "-R", "a-w", str(self.workdir)], check=True)

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
        self, command: Sequence[str], environment: Mapping[str, str], output: int, error: int = subprocess.STDOUT
    ) -> subprocess.Popen[str]:
        """Start a command of the image as its user, with no variables but these and its own."""
        python, *options = command
        if python != "python":
            raise ValueError(f"{python} is not known here")
        return subprocess.Popen(
            [*as_user(self.user), sys.executable, *options],
            cwd=self.workdir,
            env={"PATH": os.defpath, **self.environment, **environment},
            stdout=output,
            stderr=error,
            text=True,
        )

    def run(self, command: Sequence[str], environment: Mapping[str, str], seconds: float = 60) -> tuple[int, str]:
        """Run a command to its end; its exit code, and what it wrote."""
        process = self.start(command, environment, subprocess.PIPE)
        try:
            written, _ = process.communicate(timeout=seconds)
        finally:
            process.kill()
        return process.returncode, written


def as_user(user: str) -> list[str]:
    """What comes before a command that is to run as `user`; nothing where we may not change the user.

    An interpreter in a home that is closed to others may be read all the same, but nothing may be written.
    """
    if os.getuid() != 0:
        return []
    plain = [*_USER_IN, f"--reuid={user}"]
    if subprocess.run([*plain, sys.executable, "-c", ""], check=False, capture_output=True).returncode == 0:
        return plain
    return [*plain, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
