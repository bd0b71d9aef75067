"""Programs that Go builds from their modules, at the first use.

``python -m servers.go helm`` says where one is; ``python -m servers.go`` builds all.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from servers.once import SERVERS, once


class Program(NamedTuple):
    """A program of a Go module, by its package and version."""

    package: str
    version: str

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
        build = subprocess.run(
            ["go", "install", f"{self.package}@{self.version}"],
            env={**os.environ, "GOBIN": str(into)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if build.returncode:
            raise RuntimeError(f"Go could not build {self.package} {self.version}:\n{build.stdout}")
        return into / self.name


VERSITYGW = Program("github.com/versity/versitygw/cmd/versitygw", "v1.7.0")
HELM = Program("helm.sh/helm/v4/cmd/helm", "v4.3.1")
KUBECONFORM = Program("github.com/yannh/kubeconform/cmd/kubeconform", "v0.7.0")
PROGRAMS = {program.name: program for program in (VERSITYGW, HELM, KUBECONFORM)}

if __name__ == "__main__":
    for name in sys.argv[1:] or [name for name, program in PROGRAMS.items() if program.unavailable() is None]:
        print(PROGRAMS[name].built())
