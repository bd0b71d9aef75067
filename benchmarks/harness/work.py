"""The work of a contestant in a comparison of sinks, and its timing.

Every contestant imports this, Quix in an environment without the project's packages too.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from typing_extensions import Self

from benchmarks.harness.data import Data, enriched
from benchmarks.harness.memory import keep_memory

PARTITIONS = 4
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Work:
    """Write an enriched rating of each rating of `data`; a subclass says where."""

    data: Data

    @classmethod
    def from_command_line(cls) -> Self:
        """The work that the process was started with."""
        work = json.loads(sys.argv[1])
        return cls(**{**work, "data": Data(**work["data"])})

    def ratings(self) -> Iterator[dict[str, Any]]:
        """All enriched ratings, by their number."""
        return map(self.rating, range(self.data.ratings))

    def rating(self, number: int) -> dict[str, Any]:
        """An enriched rating, as if the ratings lay on PARTITIONS partitions in turn."""
        rating = self.data.rating(number)
        offset, partition = divmod(number, PARTITIONS)
        return enriched(rating, self.data.known(rating["user_id"]), partition, offset)


@dataclass(frozen=True)
class Writer:
    """A contestant: a module, which is given a `Work` and prints what it took as JSON.

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

    def run(self, work: Work, server: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Let it do the work in a process of its own, with the server's environment; return what it printed.

        Raises:
            RuntimeError: it failed; the message has what it printed.
        """
        command = [str(self.python), "-m", self.module, json.dumps(asdict(work)), *self.options]
        env = {**os.environ, **(server or {})}
        process = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        if process.returncode:
            raise RuntimeError(f"{self.name} ended with {process.returncode}:\n{process.stdout}{process.stderr}")
        result: dict[str, Any] = json.loads(process.stdout)
        return result


def timed(write_all: Callable[[], dict[str, float] | None], practice: Callable[[], object] = lambda: None) -> None:
    """Print what a call took, wall clock and CPU of all threads, and what it returned: the process's result.

    The practice comes first. It finds no memory, no connection and no code that was used before, as no process does
    that runs for long. What exists before is not looked at by the garbage collector: to have all records ready is the
    benchmark's way.
    """
    keep_memory()
    practice()
    began, cpu = time.perf_counter(), time.process_time()
    more = write_all()
    took = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({**took, **(more or {})}))
