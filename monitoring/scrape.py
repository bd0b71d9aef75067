"""The metrics of one process, from its endpoint."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from prometheus_client.parser import text_string_to_metric_families

Series = tuple[Mapping[str, str], float]
"""Labels and a value."""

_SECONDS = 5.0
_MOST_BYTES = 32 << 20
_CHUNK_BYTES = 1 << 16
_NOT_OURS = ("bytewax_", "# HELP bytewax_", "# TYPE bytewax_")
"""Bytewax's own metrics: by far the most lines, none of which is read here."""


class ScrapeError(RuntimeError):
    """An endpoint does not answer, or not with metrics; the message is one line."""


@dataclass(frozen=True)
class Process:
    """The metrics of a process at a time."""

    url: str
    at: float
    """Epoch seconds."""
    metrics: Mapping[str, tuple[Series, ...]]

    def series(self, name: str, **labels: str) -> Iterator[Series]:
        """The series of a metric that have these labels among theirs."""
        for series in self.metrics.get(name, ()):
            if labels.items() <= series[0].items():
                yield series

    def value(self, name: str, **labels: str) -> float:
        """The sum of these series; 0 if there are none."""
        return sum(value for _, value in self.series(name, **labels))


def scrape(url: str, seconds: float = _SECONDS) -> Process:
    """Read an endpoint, at ``/metrics`` unless the URL has a path; no proxy of the environment is asked.

    Raises:
        ScrapeError: it has not answered within ``seconds``, or not with metrics.
    """
    at = time.time()
    page = url if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/metrics"
    try:
        return Process(url, at, _parse(_get(page, seconds)))
    except HTTPError as error:
        raise ScrapeError(f"HTTP {error.code}") from None
    except URLError as error:
        raise ScrapeError(str(getattr(error.reason, "strerror", None) or error.reason)) from None
    except (OSError, HTTPException, ValueError) as error:
        raise ScrapeError(" ".join(str(error).split()) or type(error).__name__) from None


def _get(url: str, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    body = b""
    with build_opener(ProxyHandler({})).open(url, timeout=seconds) as answer:
        while chunk := answer.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > _MOST_BYTES or time.monotonic() > deadline:
                raise ValueError(f"no end of the answer within {seconds:.0f} s and {_MOST_BYTES >> 20} MiB")
    return body.decode()


def _parse(text: str) -> dict[str, tuple[Series, ...]]:
    metrics: dict[str, list[Series]] = {}
    lines = (line for line in text.splitlines() if not line.startswith(_NOT_OURS))
    for family in text_string_to_metric_families("\n".join(lines)):
        for sample in family.samples:
            metrics.setdefault(sample.name, []).append((sample.labels, sample.value))
    return {name: tuple(series) for name, series in metrics.items()}
