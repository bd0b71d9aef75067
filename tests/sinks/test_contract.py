"""The contract of sinks, run by all of them: on a stand-in for their server, and on the real one."""

import itertools
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from elasticsearch import Elasticsearch as ElasticsearchClient

from embedded.elasticsearch import EmbeddedElasticsearch, Fault
from embedded.kafka import EmbeddedKafka
from embedded.s3 import EmbeddedS3
from sinks.elasticsearch import Cluster, Document, ElasticsearchSink, Rejected, Sending
from sinks.kafka import DeliveryError, Identity, KafkaRecord, KafkaSink, Key
from sinks.s3 import Format, Layout, Rejection, Rolling, S3Sink
from tests.contracts.sink import LANES, Destination, SinkContract
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.kafka import Kafka
from tests.servers.s3 import S3
from tests.sinks.s3_rows import FORMATS, Row
from tests.sinks.test_elasticsearch import template
from tests.sinks.test_kafka import read
from tests.sinks.test_s3 import Clock, objects

_processes = itertools.count()


class KafkaDestination(Destination):
    metrics = ("kafka_sink_messages_total",)

    def __init__(self, server: Kafka | EmbeddedKafka, topics: Callable[[str], str]) -> None:
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
        identity = Identity(lambda record: record[0], lambda key, _value, _headers: key and key.decode())
        return KafkaSink(self._topic, config, self._reject, identity, lanes=len(LANES))

    def _reject(self, key: Key, value: bytes, why: str) -> tuple[str, KafkaRecord]:
        self.rejected.append(int(key or -1))
        return self._elsewhere, (key, why.encode(), None)

    def record(self, number: int) -> KafkaRecord:
        return str(number), b"value", None

    def refused(self, number: int) -> KafkaRecord:
        return str(number), b"x" * 2_000_000, None

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
        for lane in lanes.values():
            try:
                lane._writer.settle()
            except DeliveryError:
                return


class TestKafka(SinkContract):
    @pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
    def destination(self, request: pytest.FixtureRequest, topics: Callable[[str], str]) -> Iterator[KafkaDestination]:
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
            op_type="create",  # it would show a document that is written over as stale, and not be seen otherwise
            sending=Sending(bulk_seconds=0.02, max_buffer_bytes=10_000),
            keep_unanswered=True,
            stopping=self.stopping.is_set,
            lanes=len(LANES),
        )

    def _reject(self, rejected: list[Rejected]) -> None:
        assert all(document.error and document.reason for document in rejected)
        self.rejected += [int(document.id) for document in rejected]

    def record(self, number: int) -> Document:
        return Document(
            self._index, str(number), b'{"number":1,"text":"%s"}' % Random(number).randbytes(100).hex().encode()
        )

    def refused(self, number: int) -> Document:
        return Document(self._index, str(number), b'{"number":1000}')

    def written(self) -> list[int]:
        with ElasticsearchClient(self._server.url, request_timeout=60) as client:
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
            self._server.faults = lambda _request: None


class TestElasticsearch(SinkContract):
    @pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.elasticsearch)])
    def destination(
        self, request: pytest.FixtureRequest, topics: Callable[[str], str]
    ) -> Iterator[ElasticsearchDestination]:
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

    def __init__(self, server: S3 | EmbeddedS3, bucket: str, form: Format) -> None:
        super().__init__()
        self._server, self._bucket, self._format, self._broken, self._clock = server, bucket, form, False, Clock()
        server.create_bucket(bucket)

    def sink(self) -> S3Sink:
        layout = Layout(
            "{lane}-{sequence}.{ext}", prefix="", extension=self._format.extension, time=lambda row: row.time
        )
        return S3Sink(
            lambda: Connection(self._server.client(), lambda: self._broken),
            self._bucket,
            layout,
            self._format,
            Rolling(bytes=11 << 20),
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

    def breaks(self) -> None:
        self._broken = True

    def mends(self) -> None:
        self._broken = False

    def time_passes(self) -> None:
        self._clock.now += 300


class TestS3(SinkContract):
    @pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.s3)])
    def destination(self, request: pytest.FixtureRequest, topics: Callable[[str], str]) -> Iterator[S3Destination]:
        if request.param == "real":
            yield S3Destination(request.getfixturevalue("s3"), topics("bucket"), FORMATS["parquet"])
        else:
            with EmbeddedS3() as server:
                yield S3Destination(server, topics("bucket"), FORMATS["jsonl"])
