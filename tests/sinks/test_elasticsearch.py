"""The Elasticsearch sink on the real server."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch as Client
from prometheus_client import REGISTRY

from servers.elasticsearch import Elasticsearch
from sinks.elasticsearch import Cluster, Document, ElasticsearchSink, Refused, Rejected, Sending, Template
from sinks.elasticsearch.lane import Lane
from sinks.elasticsearch.state import LaneState
from sinks.state import decode

MAPPING = {"dynamic": False, "properties": {"number": {"type": "byte"}, "text": {"type": "keyword"}}}
QUICK = Sending(bulk_seconds=0.05)


@pytest.fixture
def index(topics: Callable[[str], str]) -> str:
    return topics("index")


def template(index: str, version: int = 1) -> Template:
    return Template(index, {"index_patterns": [index], "version": version, "template": {"mappings": MAPPING}})


class Rejects:
    """What a sink rejected."""

    def __init__(self) -> None:
        self.seen: list[Rejected] = []

    def __call__(self, rejected: list[Rejected]) -> None:
        self.seen += rejected


@pytest.fixture
def rejects() -> Rejects:
    return Rejects()


@pytest.fixture
def client(elasticsearch: Elasticsearch) -> Iterator[Client]:
    with Client(elasticsearch.url, request_timeout=60) as client:
        yield client


@pytest.fixture
def sink(elasticsearch: Elasticsearch, index: str, rejects: Rejects) -> ElasticsearchSink:
    return ElasticsearchSink(Cluster((elasticsearch.url,)), rejects, (template(index),), sending=QUICK)


def unanswered(lane: Lane) -> tuple[bytes, ...]:
    """The chunks in a snapshot."""
    return decode(LaneState, lane.snapshot()).chunks


def documents(index: str, ids: range, number: int = 1) -> list[Document]:
    return [Document(index, str(one), b'{"number":%d,"text":"t%d"}' % (number, one)) for one in ids]


def contents(client: Client, index: str) -> dict[str, Any]:
    client.indices.refresh(index=index)
    found = client.search(index=index, size=10_000, query={"match_all": {}})
    return {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]}


def expected(ids: range, number: int = 1) -> dict[str, Any]:
    return {str(one): {"number": number, "text": f"t{one}"} for one in ids}


def test_documents_are_indexed_under_their_template(client: Client, sink: ElasticsearchSink, index: str) -> None:
    lane = sink.build_part("step", "0003", None)
    lane.write_batch([documents(index, range(500)), documents(index, range(500, 1000))])
    assert unanswered(lane) == ()
    lane.close()
    assert contents(client, index) == expected(range(1000))
    mapping = client.indices.get_mapping(index=index)[index]["mappings"]
    assert mapping["properties"] == MAPPING["properties"]


def test_the_last_of_one_id_wins(client: Client, sink: ElasticsearchSink, index: str) -> None:
    sink = replace(sink, sending=replace(QUICK, concurrency=4, bulk_bytes=500))
    lanes = [sink.build_part("step", f"{lane:04d}", None) for lane in range(4)]
    for number in range(1, 101):
        for at, lane in enumerate(lanes):
            lane.write_batch([documents(index, range(at * 10, at * 10 + 10), number)])
    for lane in lanes:
        lane.snapshot()
        lane.close()
    assert contents(client, index) == expected(range(40), number=100)


def test_an_older_version_is_stale(client: Client, sink: ElasticsearchSink, index: str, rejects: Rejects) -> None:
    lane = sink.build_part("step", "0000", None)
    for version in (5, 7, 6, 7):
        lane.write_batch([[Document(index, "1", b'{"number":%d}' % version, version)]])
        lane.snapshot()
    lane.close()
    assert contents(client, index) == {"1": {"number": 7}}
    assert rejects.seen == []


def test_create_takes_the_first(client: Client, sink: ElasticsearchSink, index: str, rejects: Rejects) -> None:
    lane = replace(sink, op_type="create").build_part("step", "0000", None)
    for number in (1, 2):
        lane.write_batch([documents(index, range(3), number)])
        lane.snapshot()
    lane.close()
    assert contents(client, index) == expected(range(3), number=1)
    assert rejects.seen == []


def test_refused_items_are_sent_again(tmp_path: Path, elasticsearch_runs_here: None, rejects: Rejects) -> None:
    settings = {"node.processors": 1, "thread_pool.write.queue_size": 1}
    with Elasticsearch(tmp_path, settings=settings) as server, Client(server.url, request_timeout=60) as client:
        client.indices.create(index="i", settings={"number_of_shards": 10, "number_of_replicas": 0}, mappings=MAPPING)
        before = retries()
        sink = ElasticsearchSink(Cluster((server.url,)), rejects, sending=Sending(concurrency=4, bulk_seconds=0.05))
        lanes = [sink.build_part("step", f"{lane:04d}", None) for lane in range(4)]
        for at, lane in enumerate(lanes):
            lane.write_batch([documents("i", range(at * 2000, at * 2000 + 2000))])
        for lane in lanes:
            assert unanswered(lane) == ()
            lane.close()
        assert retries() > before, "the server refused nothing: the test is of no use"
        assert contents(client, "i") == expected(range(8000))
    assert rejects.seen == []


def retries() -> float:
    return REGISTRY.get_sample_value("elasticsearch_retries_total") or 0.0


def test_a_chunk_of_a_snapshot_is_compressed_once(rejects: Rejects) -> None:
    nowhere = Cluster(("http://127.0.0.1:9",))
    lane = ElasticsearchSink(nowhere, rejects, sending=QUICK, keep_unanswered=True).build_part("step", "0000", None)
    for first in (0, 1000):
        lane.write_batch([documents("i", range(first, first + 1000))])
        kept = [chunk.pack() for chunk in lane._chunks]
        state = decode(LaneState, lane.snapshot()).chunks
        assert all(chunk.pack() is packed for chunk, packed in zip(lane._chunks, kept, strict=True))
    lane.close()
    assert len(state) == 2
    assert sum(map(len, state)) < 40_000


def test_a_limit_on_tries_makes_rejections(index: str, rejects: Rejects) -> None:
    nowhere = Cluster(("http://127.0.0.1:9",))
    lane = ElasticsearchSink(nowhere, rejects, sending=replace(QUICK, max_retries=2)).build_part("step", "0000", None)
    lane.write_batch([documents(index, range(3))])
    assert unanswered(lane) == ()
    lane.close()
    assert [rejected.id for rejected in rejects.seen] == ["0", "1", "2"]
    assert {rejected.error for rejected in rejects.seen} == {"too_many_retries"}


def test_a_missing_alias_stops_the_flow(
    client: Client, elasticsearch: Elasticsearch, sink: ElasticsearchSink, index: str
) -> None:
    client.cluster.put_settings(persistent={"action.auto_create_index": "false"})
    try:
        lane = replace(sink, templates=()).build_part("step", "0000", None)
        lane.write_batch([documents(index, range(3))])
        with pytest.raises(Refused, match="index_not_found_exception"):
            lane.snapshot()
        lane.close()
    finally:
        client.cluster.put_settings(persistent={"action.auto_create_index": None})


@pytest.mark.parametrize(("version", "puts"), [(1, False), (2, True)])
def test_a_template_is_put_only_if_newer(
    client: Client, sink: ElasticsearchSink, index: str, version: int, puts: bool
) -> None:
    client.indices.put_index_template(name=index, **template(index).body)
    newer = replace(template(index, version), body={**template(index, version).body, "priority": 7})
    lane = replace(sink, templates=(newer,)).build_part("step", "0000", None)
    lane.write_batch([documents(index, range(3))])
    lane.snapshot()
    lane.close()
    found = client.indices.get_index_template(name=index)["index_templates"][0]["index_template"]
    assert ("priority" in found) == puts


def test_a_body_over_the_clusters_limit_is_sent_in_parts(
    tmp_path: Path, elasticsearch_runs_here: None, rejects: Rejects
) -> None:
    limit = {"http.max_content_length": "20kb"}
    with Elasticsearch(tmp_path, settings=limit) as server, Client(server.url, request_timeout=60) as client:
        lane = ElasticsearchSink(Cluster((server.url,)), rejects, sending=QUICK).build_part("step", "0000", None)
        large = Document("i", "large", json.dumps({"text": "x" * 30_000}).encode())
        lane.write_batch([[*documents("i", range(1000)), large]])
        assert unanswered(lane) == ()
        lane.close()
        assert contents(client, "i") == expected(range(1000))
    assert [rejected.id for rejected in rejects.seen] == ["large"]


def wait_until(done: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)
