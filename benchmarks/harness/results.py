"""The numbers of a comparison: their medians, and the file that keeps them."""

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

from servers.process import ROOT

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

RESULTS = ROOT / ".bench"
PACKAGES = (
    "bytewax",
    "confluent-kafka",
    "elasticsearch",
    "msgspec",
    "orjson",
    "boto3",
    "pyarrow",
    "fastavro",
    "pyruhvro",
    "uvicorn",
)

Run = TypeVar("Run", bound="DataclassInstance")


def medians(runs: Sequence[Run]) -> Run:
    """A run whose every number is the median of those of `runs`, all of one contestant."""
    first = runs[0]
    names = [field.name for field in fields(first) if not isinstance(getattr(first, field.name), str)]
    numbers: dict[str, Any] = {name: median(getattr(run, name) for run in runs) for name in names}
    return replace(first, **numbers)


def in_turn(
    ways: Mapping[str, Callable[[], Run]], rounds: int, line: Callable[[Run, str], str], warm_up: int = 0
) -> tuple[list[Run], dict[str, Run]]:
    """Let the ways take turns; print every run, and the medians of each way.

    Args:
        ways: each measures one run, by name.
        rounds: of all ways.
        line: the row of a run, given its name.
        warm_up: rounds before these, which are printed and do not count.

    Returns:
        The runs, and the medians by name.
    """
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for number in range(1 - warm_up, rounds + 1):
        for name, way in ways.items():
            run = way()
            print(line(run, f"{name} {number if number > 0 else '(warm-up)'}"), flush=True)
            if number > 0:
                runs[name].append(run)
    summary = {name: medians(of_name) for name, of_name in runs.items()}
    for name, run in summary.items():
        print(line(run, f"{name} median"))
    return [run for in_round in zip(*runs.values(), strict=True) for run in in_round], summary


def write(comparison: str, options: dict[str, Any], numbers: dict[str, Any]) -> Path:
    """Write `numbers`, which may hold runs, into a new file, with what they were measured on; return its path."""
    document = {
        "options": options,
        "machine": {"cpus": os.cpu_count(), "system": platform.platform(), "load": os.getloadavg()},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        **numbers,
    }
    file = RESULTS / time.strftime(f"%Y-%m-%dT%H-%M-%S-{comparison}.json")
    file.write_text(json.dumps(document, indent=2, default=asdict) + "\n")
    return file
