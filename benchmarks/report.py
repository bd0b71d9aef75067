"""The numbers of a benchmark, for a person and for a file."""

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import Run

HEADER = f"{'':16}{'ratings/s':>12}{'CPU us/rating':>16}{'peak RSS MiB':>15}{'s until first':>16}{'s in all':>11}"


def line(run: Run, name: str) -> str:
    """One row of the table."""
    return (
        f"{name:16}{run.ratings_per_s:12,.0f}{run.cpu_us_per_rating:16.2f}"
        f"{run.peak_rss_mib:15,.0f}{run.until_first_s:16.1f}{run.until_first_s + run.window_s:11.1f}"
    )


def medians(runs: Sequence[Run]) -> Run:
    """A run whose every number is the median of those of `runs`, all of one contestant."""
    numbers = {
        field.name: median(getattr(run, field.name) for run in runs)
        for field in fields(Run)
        if field.name != "contestant"
    }
    return Run(contestant=runs[0].contestant, **numbers)


def ratios(ours: Run, rival: Run) -> str:
    """The closing line: ours over the rival's."""
    rate = ours.ratings_per_s / rival.ratings_per_s
    cpu = ours.cpu_us_per_rating / rival.cpu_us_per_rating
    return f"ratio ratings/s {rate:.2f}, ratio CPU {cpu:.2f}"


def write(folder: Path, options: dict[str, Any], runs: Sequence[Run], summary: dict[str, Run]) -> Path:
    """Write everything into a new file of `folder`, with what it was measured on; return its path."""
    packages = ("bytewax", "confluent-kafka", "msgspec", "orjson")
    document = {
        "options": options,
        "machine": {"cpus": os.cpu_count(), "system": platform.platform(), "load": os.getloadavg()},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "runs": [asdict(run) for run in runs],
        "medians": {name: asdict(run) for name, run in summary.items()},
    }
    file = folder / time.strftime("%Y-%m-%dT%H-%M-%S.json")
    file.write_text(json.dumps(document, indent=2) + "\n")
    return file
