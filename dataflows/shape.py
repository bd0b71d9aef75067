"""What a flow is made of, as metrics for those who look from outside: its name and group, its inputs, its branches."""

import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version

from confluent_kafka import libversion
from prometheus_client import Gauge

from dataflows import process

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PROJECT = Path(__file__).parents[1] / "pyproject.toml"

_build = Gauge(
    "build_info",
    "Always 1: the versions of the job and of what it runs on",
    ["version", "python", "bytewax", "librdkafka"],
)
_flow = Gauge(
    "flow_info", "Always 1: a process of a flow, with its consumer group", ["flow", "group", "process", "processes"]
)
_processes = Gauge("flow_processes", "Processes that the flow is started in", ["flow"])
_input = Gauge(
    "flow_input_info", "Always 1: a topic that the flow reads, with the step that decodes it", ["topic", "step"]
)
_branch = Gauge("flow_branch_on", "Branches of the flow: 1 is on, 0 is off", ["branch", "destination"])


def begin(flow: str) -> None:
    """Tell of a start, before it waits for anything, what a process that is missing would not tell."""
    _processes.labels(flow).set(process.launch().processes)


def tell(flow: str, group: str, inputs: Mapping[str, str], branches: Mapping[tuple[str, str], bool]) -> None:
    """Tell once, before the flow runs.

    Args:
        flow: its name.
        group: its consumer group.
        inputs: the decoding step of each topic.
        branches: whether each is on, by its name and its destination.
    """
    _build.labels(own_version(), python_version(), _version("bytewax"), libversion()[0]).set(1)
    launch = process.launch()
    _flow.labels(flow, group, str(launch.process), str(launch.processes)).set(1)
    for topic, step in inputs.items():
        _input.labels(topic, step).set(1)
    for (branch, destination), is_on in branches.items():
        _branch.labels(branch, destination).set(is_on)


def own_version() -> str:
    """The version of this code: of the image or the checkout, or else of the installed package."""
    if not _PROJECT.exists():
        return _version("ratings-enrichment")
    return str(tomllib.loads(_PROJECT.read_text())["project"]["version"])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # the code came without its pyproject.toml, as by waxctl's tar
        return "unknown"
