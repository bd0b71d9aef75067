"""The contract of sinks, run by the sink of notices: on the stand-in for Slack, and a real and an embedded Kafka."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from servers.embedded.kafka import EmbeddedKafka
from servers.embedded.slack import Call, EmbeddedSlack, Fault
from servers.kafka import Kafka
from sinks.notices import Entry, NoticeSink
from tests.contracts.sink import Destination, SinkContract
from tests.sinks import told

Topics = Callable[[str], str]


class SlackDestination(Destination):
    lanes, busy_lanes = ("0000",), 1
    metrics = ("notices_told_total", "notices_refused_total")
    buffered = ("notices_waiting",)

    def __init__(self, slack: EmbeddedSlack, kafka: Kafka | EmbeddedKafka, topic: str) -> None:
        super().__init__()
        self._slack, self._kafka, self._topic, self._dead = slack, kafka, topic, 0
        self._started = 0

    def sink(self) -> NoticeSink:
        self._started += 1
        process = self._started
        way = told.Mortal(told.bot(self._slack), lambda: process <= self._dead)
        limits = replace(told.QUICK, most_waiting=50)
        return told.sink(self._kafka, self._topic, way, self._reject, limits, stopping=self.stopping.is_set)

    def _reject(self, entries: Sequence[Entry], error: str, reason: str) -> None:
        assert error
        assert reason
        self.rejected += [int(one.key) for one in entries]

    def record(self, number: int) -> Entry:
        return told.entry(str(number))

    def refused(self, number: int) -> Entry:
        return told.entry(str(number), to="C0UNKNOWN")

    def written(self) -> Iterable[int]:
        return [int(key) for one in list(self._slack.posted) for key in told.keys(one)]

    def breaks(self) -> None:
        self._slack.faults = self._fault

    @staticmethod
    def _fault(_call: Call) -> Fault:
        return Fault(status=503)

    def mends(self) -> None:
        self._slack.faults = None

    def killed(self, lanes: dict[str, Any]) -> None:
        self._dead = self._started
        for lane in lanes.values():
            lane.close()


class TestSlack(SinkContract):
    @pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
    def destination(self, request: pytest.FixtureRequest, topics: Topics) -> Iterator[Destination]:
        with EmbeddedSlack() as slack:
            if request.param == "real":
                kafka = request.getfixturevalue("kafka")
                kafka.create_topic(topics("notified"), partitions=1)
                yield SlackDestination(slack, kafka, topics("notified"))
            else:
                with EmbeddedKafka() as server:
                    server.create_topic(topics("notified"), partitions=3)
                    yield SlackDestination(slack, server, topics("notified"))
