"""A contestant of the comparison of sinks, run."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.elasticsearch.work import Work
from servers.process import ROOT


@dataclass(frozen=True)
class Contestant:
    """A module, which is given a `Work` and prints what it took as JSON.

    Args:
        name: for the table.
        module: is run as a process.
        options: more arguments of the command.
        python: the interpreter.
    """

    name: str
    module: str
    options: tuple[str, ...] = ()
    python: Path = Path(sys.executable)

    def run(self, work: Work) -> dict[str, Any]:
        """Let it do the work in a process of its own; return what it printed.

        Raises:
            RuntimeError: it failed; the message has what it printed.
        """
        command = [str(self.python), "-m", self.module, work.argument(), *self.options]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if process.returncode:
            raise RuntimeError(f"{self.name} ended with {process.returncode}:\n{process.stdout}{process.stderr}")
        result: dict[str, Any] = json.loads(process.stdout)
        return result
