"""Who is measured, and how each is started; all read their settings from the same environment variables."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from servers.process import free_ports

Command = list[str]


@dataclass(frozen=True)
class Contestant:
    """A way to do the work.

    Args:
        name: for the table.
        commands: prepares a run in an empty folder and returns the commands to run, one a process.
        env: settings of its own, beside those of all.
        left: how much more there is to wait for, beside the topics of all: records to come, or seconds.
    """

    name: str
    commands: Callable[[Path], list[Command]]
    env: Mapping[str, str] = field(default_factory=dict)
    left: Callable[[], int] = lambda: 0


def project(processes: int) -> Contestant:
    """This project's dataflow with recovery, in a cluster of `processes` where that is more than one."""

    def commands(folder: Path) -> list[Command]:
        recovery = folder / "recovery"
        recovery.mkdir()
        subprocess.run([sys.executable, "-m", "bytewax.recovery", recovery, str(processes)], check=True)
        run = [sys.executable, "-m", "bytewax.run", "dataflows.ratings", "-r", str(recovery), "-s", "1", "-b", "0"]
        if processes == 1:
            return [run]
        addresses = ";".join(f"127.0.0.1:{port}" for port in free_ports(processes))
        return [[*run, "-i", str(number), "-a", addresses] for number in range(processes)]

    return Contestant("project", commands)


LOOP = Contestant("loop", lambda _folder: [[sys.executable, "-m", "benchmarks.loop"]])
