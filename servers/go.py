"""Programs that Go builds from their modules, or from our own source, at the first use.

``python -m servers.go helm`` says where one is; ``python -m servers.go`` builds all.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from servers.once import SERVERS, once
from servers.process import ROOT


@dataclass(frozen=True)
class Program:
    """A program of a Go module, by its package and version."""

    package: str
    version: str
    options: tuple[str, ...] = ()
    """Of ``go install``."""

    @property
    def path(self) -> Path:
        """Its executable, which is there when it is built."""
        return SERVERS / self.name / f"{self.name}-{self.version}"

    def unavailable(self) -> str | None:
        """The reason why it cannot be had here; None where it can."""
        if shutil.which("go") is None and not self.path.exists():
            return f"{self.name} is built by Go: no `go` on the PATH"
        return None

    def built(self) -> Path:
        """Its executable; built at the first call, in minutes, at once afterwards.

        Raises:
            RuntimeError: the build failed; the message has what Go printed.
        """
        return once(self.path, self._build)

    @property
    def name(self) -> str:
        """The name of the executable."""
        return self.package.rpartition("/")[2]

    def _build(self, into: Path) -> Path:
        package, folder = self._source()
        build = subprocess.run(
            ["go", "install", *self.options, package],
            cwd=folder,
            env={**os.environ, "GOBIN": str(into)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if build.returncode:
            raise RuntimeError(f"Go could not build {self.package} {self.version}:\n{build.stdout}")
        return into / self.name

    def _source(self) -> tuple[str, Path]:
        """What Go is told to install, and in which folder."""
        return f"{self.package}@{self.version}", ROOT


@dataclass(frozen=True)
class OwnProgram(Program):
    """A program of this repository, in a folder with its ``go.mod``. Another source is another version."""

    @classmethod
    def of(cls, folder: str, *options: str) -> "OwnProgram":
        """The program of a folder of this repository."""
        source = b"".join(file.read_bytes() for file in sorted((ROOT / folder).iterdir()))
        options = ("-buildvcs=false", *options)  # git may refuse a checkout of somebody else
        return cls(folder, sha256(source + repr(options).encode()).hexdigest()[:12], options)

    def _source(self) -> tuple[str, Path]:
        return ".", ROOT / self.package


VERSITYGW = Program("github.com/versity/versitygw/cmd/versitygw", "v1.7.0")
HELM = Program("helm.sh/helm/v4/cmd/helm", "v4.3.1")
KUBECONFORM = Program("github.com/yannh/kubeconform/cmd/kubeconform", "v0.7.0")
KUBERNETES_VERSION = "1.34.2"
"""That of its modules in ``servers/kubernetes/go.mod``."""
_TELL_VERSION = f"-ldflags=-X k8s.io/component-base/version.gitVersion=v{KUBERNETES_VERSION}"
KUBERNETES = OwnProgram.of("servers/kubernetes", _TELL_VERSION)
COMPOSE = OwnProgram.of("servers/compose")
PROGRAMS = {program.name: program for program in (VERSITYGW, HELM, KUBECONFORM, COMPOSE)}
"""Those of ``make test``."""

if __name__ == "__main__":
    for name in sys.argv[1:] or [name for name, program in PROGRAMS.items() if program.unavailable() is None]:
        print(PROGRAMS[name].built())
