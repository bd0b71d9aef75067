"""One look at everything that can be seen from outside: metrics endpoints and brokers."""

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from monitoring.lag import Groups, LagError
from monitoring.model import TopicLag
from monitoring.scrape import Process, ScrapeError, scrape

GUESSES = tuple(f"http://localhost:{port}" for port in range(3030, 3038))
"""Endpoints where none are named: Bytewax's port, that of the health page, and the next ones for further processes of
this machine. A process that is found twice counts once."""

_AT_ONCE = 16
"""Endpoints that are read at the same time."""


@dataclass(frozen=True)
class Observation:
    """What was seen."""

    at: float
    """Epoch seconds."""
    processes: tuple[Process, ...]
    """The processes that belong to a flow."""
    silent: Mapping[str, str]
    """Why an endpoint shows no flow, by its URL."""
    guessed: bool
    """The endpoints are guesses: that some show no flow is no trouble."""
    expected: Mapping[str, Collection[str]]
    """The consumer groups of the settings, each with the topics that it reads."""
    lags: Mapping[tuple[str, str], TopicLag]
    """By group and topic."""
    kafka: str | None
    """Why the brokers do not tell the lag. None: they do."""


class Lookout:
    """Looks at endpoints and brokers.

    Args:
        urls: the metrics endpoints.
        groups: asks the brokers.
        guessed: the endpoints are guesses.
        expected: consumer groups to ask for even if no flow of theirs is found, each with the topics that it reads.
    """

    def __init__(
        self, urls: Sequence[str], groups: Groups, expected: Mapping[str, Collection[str]], *, guessed: bool = False
    ) -> None:
        self._urls, self._groups, self._expected, self._guessed = urls, groups, expected, guessed

    def look(self) -> Observation:
        """Look once. It takes about ten seconds at most, if nobody answers."""
        at = time.time()
        processes, silent = self._scrape()
        lags: Mapping[tuple[str, str], TopicLag] = {}
        kafka = None
        try:
            lags = self._groups.lags(self._wanted(processes))
        except LagError as error:
            kafka = str(error)
        return Observation(at, tuple(processes), silent, self._guessed, self._expected, lags, kafka)

    def _scrape(self) -> tuple[list[Process], dict[str, str]]:
        processes, silent = list[Process](), dict[str, str]()
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for url, answer in zip(self._urls, threads.map(_try, self._urls), strict=True):
                if isinstance(answer, str):
                    silent[url] = answer
                elif "flow_info" not in answer.metrics:
                    silent[url] = "it shows no metrics of a flow"
                else:
                    processes.append(answer)
        return processes, silent

    def _wanted(self, processes: Sequence[Process]) -> dict[str, set[str]]:
        wanted = {group: set(topics) for group, topics in self._expected.items()}
        for process in processes:
            for labels, _ in process.series("flow_info"):
                topics = wanted.setdefault(labels["group"], set())
                topics |= {labels["topic"] for labels, _ in process.series("flow_input_info")}
        return wanted


def _try(url: str) -> Process | str:
    try:
        return scrape(url)
    except ScrapeError as error:
        return str(error)
