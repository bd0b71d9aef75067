"""The contract of sinks, run by all of them: on a stand-in for their server, and on the real one."""

import itertools
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from elasticsearch import Elasticsearch as Client

from servers.elasticsearch import Elasticsearch
from servers.embedded.elasticsearch import EmbeddedElasticsearch, Fault
from servers.embedded.kafka import EmbeddedKafka
from servers.embedded.s3 import EmbeddedS3
from servers.kafka import Kafka
from servers.s3 import S3
from sinks import background
from sinks.elasticsearch import Cluster, Document, ElasticsearchSink, Rejected, Sending
from sinks.kafka import DeliveryError, Identity, KafkaMessage, KafkaRecord, KafkaSink
from sinks.s3 import Format, Layout, Rejection, Rolling, S3Sink
from tests.contracts.sink import LANES, Destination, SinkContract
from tests.sinks.fake_s3 import FakeS3
from tests.sinks.s3_rows import FORMATS, Row, numbers, row, small
from tests.sinks.test_elasticsearch import template
from tests.sinks.test_kafka import read
from tests.sinks.test_s3 import Clock, objects, uploads

Topics = Callable[[str], str]

_processes = itertools.count()


class KafkaDestination(Destination):
    metrics = ("kafka_sink_messages_total",)

    def __init__(self, server: Kafka | EmbeddedKafka, topics: Topics) -> None:
        super().__init__()
        self._server, self._topic, self._elsewhere = server, topics("out"), topics("elsewhere")
        for topic in (self._topic, self._elsewhere):
            server.create_topic(topic, partitions=3)

    def sink(self) -> KafkaSink:
        config = {
            "bootstrap.servers": self._server.bootstrap,
            "client.id": f"contract-{next(_processes)}",  # a producer of its own
            "linger.ms": 1,
            "log_level": 0,
            "message.timeout.ms": 2000,
            "queue.buffering.max.messages": 100,
            "reconnect.backoff.max.ms": 100,
        }
        identity = Identity(lambda record: record.key, lambda key, _value, _headers: key and key.decode())
        return KafkaSink(self._topic, config, self._reject, identity, lanes=len(LANES))

    def _reject(self, record: KafkaRecord, why: str) -> tuple[str, KafkaMessage]:
        self.rejected.append(int(record.key or -1))
        return self._elsewhere, KafkaMessage(record.key, why.encode())

    def record(self, number: int) -> KafkaMessage:
        return KafkaMessage(str(number), b"value")

    def refused(self, number: int) -> KafkaMessage:
        return KafkaMessage(str(number), b"x" * 2_000_000)

    def written(self) -> list[int]:
        return [int(key or -1) for key, _ in read(self._server, self._topic)]

    def breaks(self) -> None:
        if isinstance(self._server, Kafka):
            os.kill(self._server.pid, signal.SIGSTOP)
        else:
            self._server.broker_down()

    def mends(self) -> None:
        if isinstance(self._server, Kafka):
            os.kill(self._server.pid, signal.SIGCONT)
        else:
            self._server.broker_up()

    def killed(self, lanes: dict[str, Any]) -> None:
        with suppress(DeliveryError):
            for lane in lanes.values():
                lane._writer.flush()


class TestKafka(SinkContract):
    @pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
    def destination(self, request: pytest.FixtureRequest, topics: Topics) -> Iterator[Destination]:
        if request.param == "real":
            yield KafkaDestination(request.getfixturevalue("kafka"), topics)
        else:
            with EmbeddedKafka() as server:
                yield KafkaDestination(server, topics)


class ElasticsearchDestination(Destination):
    metrics = ("elasticsearch_documents_total",)
    buffered = ("elasticsearch_buffered_bytes", "elasticsearch_buffered_documents")

    def __init__(self, server: Elasticsearch | EmbeddedElasticsearch, index: str) -> None:
        super().__init__()
        self._server, self._index = server, index

    def sink(self) -> ElasticsearchSink:
        return ElasticsearchSink(
            Cluster((self._server.url,)),
            self._reject,
            (template(self._index),),
            sending=Sending(bulk_seconds=0.02, max_buffer_bytes=10_000),
            keep_unanswered=True,
            stopping=self.stopping.is_set,
            lanes=len(LANES),
        )

    def _reject(self, rejected: list[Rejected]) -> None:
        assert all(document.error and document.reason for document in rejected)
        self.rejected += [int(document.id) for document in rejected]

    def record(self, number: int) -> Document:
        text = Random(number).randbytes(100).hex()
        return Document(self._index, str(number), b'{"number":1,"text":"%s"}' % text.encode())

    def refused(self, number: int) -> Document:
        return Document(self._index, str(number), b'{"number":1000}')

    def written(self) -> list[int]:
        with Client(self._server.url, request_timeout=60) as client:
            if not client.indices.exists(index=self._index):
                return []
            client.indices.refresh(index=self._index)
            found = client.search(index=self._index, size=10_000, query={"match_all": {}})
            return [int(hit["_id"]) for hit in found["hits"]["hits"]]

    def breaks(self) -> None:
        if isinstance(self._server, Elasticsearch):
            os.kill(self._server.pid, signal.SIGSTOP)
        else:
            self._server.faults = lambda _request: Fault(status=503)

    def mends(self) -> None:
        if isinstance(self._server, Elasticsearch):
            os.kill(self._server.pid, signal.SIGCONT)
        else:
            self._server.faults = None


class TestElasticsearch(SinkContract):
    @pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.elasticsearch)])
    def destination(self, request: pytest.FixtureRequest, topics: Topics) -> Iterator[Destination]:
        if request.param == "real":
            yield ElasticsearchDestination(request.getfixturevalue("elasticsearch"), topics("index"))
        else:
            with EmbeddedElasticsearch() as server:
                yield ElasticsearchDestination(server, topics("index"))


class Connection:
    """A process's connection to S3, which may be cut."""

    def __init__(self, client: Any, is_cut: Callable[[], bool]) -> None:
        self._client, self._is_cut = client, is_cut

    def __getattr__(self, name: str) -> Any:
        if self._is_cut():
            raise ConnectionClosedError(endpoint_url="s3")
        return getattr(self._client, name)


class S3Destination(Destination):
    batch, busy_lanes = 1500, 1  # in 8 epochs two objects, one of them in three parts
    metrics = ("s3_rows_total", "s3_rejected_rows_total")
    buffered = ("s3_buffered_bytes",)
    rolling = Rolling(bytes=11 << 20, seconds=100)

    def __init__(self, server: S3 | EmbeddedS3 | FakeS3, bucket: str, form: Format) -> None:
        super().__init__()
        self._server: Any = server
        self._bucket, self._format, self._broken, self._clock = bucket, form, False, Clock()
        self._alive: list[bool] = []
        """Of each process: after its end nothing that it asks comes through."""

    def sink(self) -> S3Sink:
        process = len(self._alive)
        self._alive.append(True)
        template, extension = "hr={hour}/{lane}-{sequence}.{ext}", self._format.extension
        return S3Sink(
            lambda: Connection(self._server.client(), lambda: self._broken or not self._alive[process]),
            self._bucket,
            Layout(template, prefix="", extension=extension, time=lambda row: row.time),
            self._format,
            self.rolling,
            reject=self._reject,
            max_buffer_bytes=1,
            stopping=self.stopping.is_set,
            clock=self._clock,
            lanes=len(LANES),
        )

    def _reject(self, rejected: list[Rejection]) -> None:
        self.rejected += [row.number for row, _, _ in rejected]

    def record(self, number: int) -> Row:
        return Row(number, 0, Random(number).randbytes(1300).hex())

    def refused(self, number: int) -> Row:
        return Row(number, 0, "\ud800")

    def written(self) -> Iterable[int]:
        rows = [row for rows in objects(self._server, self._bucket).values() for row in rows]
        assert all(row["text"] == self.record(row["number"]).text for row in rows)
        return [row["number"] for row in rows]

    def leftovers(self) -> list[str]:
        return uploads(self._server, self._bucket)

    def breaks(self) -> None:
        self._broken = True

    def mends(self) -> None:
        self._broken = False

    def killed(self, lanes: dict[str, Any]) -> None:
        self._alive = [False] * len(self._alive)

    def time_passes(self, seconds: float) -> None:
        self._clock.now += seconds


class SmallS3(S3Destination):
    """Objects so small that a few rows are parts of one, in an S3 that takes only parts of one size, as R2 does."""

    batch, busy_lanes = 200, len(LANES)
    rolling = Rolling(bytes=6_000, rows=200, seconds=20, open_objects=2)

    def record(self, number: int) -> Row:
        return row(number)

    def written(self) -> Iterable[int]:
        return numbers(self._server)

    def leftovers(self) -> list[str]:
        return [*self._server.uploads]


class TestS3(SinkContract):
    @pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.s3)])
    def destination(self, request: pytest.FixtureRequest, topics: Topics) -> Iterator[Destination]:
        bucket = topics("bucket")
        if request.param == "real":
            server = request.getfixturevalue("s3")
            server.create_bucket(bucket)
            yield S3Destination(server, bucket, FORMATS["parquet"])
        else:
            with EmbeddedS3() as embedded:
                embedded.create_bucket(bucket)
                yield S3Destination(embedded, bucket, FORMATS["jsonl"])


class TestS3OfSmallParts(SinkContract):
    @pytest.fixture(params=list(FORMATS))
    def destination(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Destination:
        small(monkeypatch)
        monkeypatch.setattr(background, "_LONGEST_REST", 0.01)
        return SmallS3(FakeS3(equal_parts=True), "bucket", FORMATS[request.param])

    @pytest.mark.parametrize("seed", range(25))
    def test_each_record_is_written_once_whatever_is_killed(self, destination: Destination, seed: int) -> None:
        super().test_each_record_is_written_once_whatever_is_killed(destination, seed)
