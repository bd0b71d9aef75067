"""The metrics of this process as Prometheus reads them: our own, and Bytewax's if its server is switched on."""

import os
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException

from prometheus_client import REGISTRY, disable_created_metrics, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_COMMENTS = ("# HELP bytewax_", "# TYPE bytewax_")
_SECONDS = 2.0

disable_created_metrics()  # type: ignore[no-untyped-call]
"""Otherwise each counter and histogram would have a second family, with the time of its first sample."""


def bytewax_port(environ: Mapping[str, str] = os.environ) -> int | None:
    """The port of Bytewax's own server. None: it is off."""
    if "BYTEWAX_DATAFLOW_API_ENABLED" not in environ:
        return None
    return int(environ.get("BYTEWAX_DATAFLOW_API_PORT", "3030"))


def metrics(bytewax: int | None, own: str) -> str:
    """All metrics of this process.

    Args:
        bytewax: the port of Bytewax's server, the only way to Bytewax's metrics. If it does not answer, they are left
            out, and so they are if it is the server of another process that had the port first.
        own: a line that only this process's metrics have.
    """
    ours = generate_latest(REGISTRY).decode()
    page = _ask(bytewax) if bytewax is not None else ""
    return without_duplicates(page) + ours if own in page.splitlines() else ours


def without_duplicates(page: str) -> str:
    """Bytewax's metrics of a page, each series once.

    Bytewax counts in several places under the same labels, and shows each. They are counters and histograms: the sum
    counts them all.
    """
    lines: dict[str, float | None] = {}
    for line in page.splitlines():
        if line.startswith("bytewax_"):
            series, _, value = line.rpartition(" ")
            lines[series] = (lines.get(series) or 0.0) + float(value)
        elif line.startswith(_COMMENTS):
            lines[line] = None
    return "".join(f"{line}\n" if value is None else f"{line} {value}\n" for line, value in lines.items())


def _ask(port: int) -> str:
    # No proxy: urllib would ask one that the environment names.
    connection = HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    except (OSError, HTTPException):
        return ""
    finally:
        connection.close()
