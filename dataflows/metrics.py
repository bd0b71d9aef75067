"""The table of all metrics, for the documents: ``python -m dataflows.metrics docs/metrics.md`` writes the page."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

from prometheus_client.metrics import MetricWrapperBase

ROOMS = ("dataflows", "messages", "operators", "records", "settings", "sinks", "sources", "web")

HEAD = """\
# Metrics

Written by `make docs` from the code. Each process of a flow shows its own numbers on its
[health page](operations.md#health), `http://localhost:3031/metrics`. Python's (`python_...`, `process_...`) are beside
them, and with `BYTEWAX_DATAFLOW_API_ENABLED=1` Bytewax's (`bytewax_...`). The intake and the page show their
own at `/metrics`. A counter starts at 0 with the process.

| metric | type | labels | meaning |
|---|---|---|---|
"""


def metrics() -> list[MetricWrapperBase]:
    """All metrics that a module of the job defines, by name."""
    values = [value for name in _modules() for value in vars(import_module(name)).values()]
    return sorted({value for value in values if isinstance(value, MetricWrapperBase)}, key=exposed)


def exposed(metric: MetricWrapperBase) -> str:
    """The name at ``/metrics``; of a histogram the part that its series share."""
    (family,) = metric.describe()
    return f"{family.name}_total" if family.type == "counter" else family.name


def page() -> str:
    """The page of all metrics."""
    return HEAD + "".join(map(_row, metrics()))


def _modules() -> Iterator[str]:
    for room in ROOMS:
        names = (module.name for module in walk_packages(import_module(room).__path__, f"{room}."))
        yield from (name for name in names if not name.endswith(".__main__"))


def _row(metric: MetricWrapperBase) -> str:
    (family,) = metric.describe()
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    return f"| `{exposed(metric)}` | {family.type} | {labels} | {family.documentation} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
