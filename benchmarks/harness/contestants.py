"""The contestants and how to start each; all read their settings from the same environment variables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from servers.job import Job


@dataclass(frozen=True)
class Contestant:
    """A way to do the work.

    Args:
        name: for the table.
        job: makes its processes, given an empty folder and the settings of all.
        env: settings of its own, beside those of all.
        left: how much more there is to wait for, beside the topics of all: records to come, or seconds.
    """

    name: str
    job: Callable[[Path, Mapping[str, str]], Job]
    env: Mapping[str, str] = field(default_factory=dict)
    left: Callable[[], int] = lambda: 0


def project(processes: int = 1, workers: int = 1) -> Contestant:
    """This project's dataflow with recovery, in `processes` of `workers` threads."""
    return Contestant("project", partial(Job, processes=processes, workers=workers, recovery=processes))


LOOP = Contestant("loop", partial(Job, module=["benchmarks.harness.loop"], recovery=0))
