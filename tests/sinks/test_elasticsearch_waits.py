"""An index of the real server that takes no documents for now: they wait, the log says why, and none is lost."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch as Client

from servers.elasticsearch import Elasticsearch
from sinks.elasticsearch import Cluster, ElasticsearchSink
from tests.sinks.test_elasticsearch import QUICK, Rejects, contents, documents, expected, unanswered, wait_until

Step = Callable[[Client, str], object]

COUNT = 2000
"""Of documents: more bytes than the circuit breaker lets in below."""


def setting(**values: Any) -> Step:
    """Change an index's settings; ``_`` in a name stands for a point."""
    changed = {f"index.{name.replace('__', '.')}": value for name, value in values.items()}
    return lambda client, index: client.indices.put_settings(index=index, settings=changed)


def cluster(name: str, value: Any) -> Step:
    return lambda client, _index: client.cluster.put_settings(persistent={name: value})


def with_index(step: Step, **settings: Any) -> Step:
    """Make the index, and then take a step."""

    def steps(client: Client, index: str) -> None:
        client.indices.create(index=index, settings={"number_of_replicas": 0, **settings})
        step(client, index)

    return steps


def aliased(*indices: str, **alias: Any) -> Step:
    """An alias in place of the index."""

    def make(client: Client, name: str) -> None:
        for suffix in indices:
            client.indices.create(index=name + suffix)
            client.indices.put_alias(index=name + suffix, name=name, **alias)

    return make


def nothing(_client: Client, _index: str) -> None:
    pass


STATES: dict[str, tuple[Step, Step, str]] = {
    "closed": (
        with_index(lambda client, index: client.indices.close(index=index)),
        lambda client, index: client.indices.open(index=index),
        "400 index_closed_exception: closed",
    ),
    "write block": (
        with_index(setting(blocks__write=True)),
        setting(blocks__write=None),
        "403 cluster_block_exception: index [{index}] blocked by: [FORBIDDEN/8/index write (api)]",
    ),
    "read only": (
        with_index(setting(blocks__read_only=True)),
        setting(blocks__read_only=None),
        "403 cluster_block_exception",
    ),
    "disk full": (
        with_index(setting(blocks__read_only_allow_delete=True)),
        setting(blocks__read_only_allow_delete=None),
        "429 cluster_block_exception",
    ),
    "alias without a write index": (
        aliased("-1", is_write_index=False),
        lambda client, index: client.indices.put_alias(index=f"{index}-1", name=index, is_write_index=True),
        "400 illegal_argument_exception: no write index is defined for alias [{index}]",
    ),
    "alias of two indices": (
        aliased("-1", "-2"),
        lambda client, index: client.indices.delete_alias(index=f"{index}-2", name=index),
        "400 illegal_argument_exception: no write index is defined for alias [{index}]",
    ),
    "shard limit": (
        cluster("cluster.max_shards_per_node", 1),
        cluster("cluster.max_shards_per_node", None),
        "400 validation_exception: Validation Failed: 1: this action would add [2] shards",
    ),
    "too many fields": (
        with_index(nothing, **{"index.mapping.total_fields.limit": 1}),
        setting(mapping__total_fields__limit=1000),
        "Limit of total fields [1] has been exceeded",
    ),
    "missing pipeline": (
        with_index(setting(default_pipeline="not-there")),
        setting(default_pipeline=None),
        "400 illegal_argument_exception: pipeline with id [not-there] does not exist",
    ),
    "circuit breaker": (
        cluster("network.breaker.inflight_requests.limit", "20kb"),
        cluster("network.breaker.inflight_requests.limit", None),
        "429 circuit_breaking_exception",
    ),
}


@pytest.fixture
def client(elasticsearch: Elasticsearch) -> Iterator[Client]:
    with Client(elasticsearch.url, request_timeout=60) as client:
        yield client


@pytest.mark.parametrize("state", STATES)
def test_documents_wait_for_an_index_that_takes_none(
    elasticsearch: Elasticsearch,
    client: Client,
    topics: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
    state: str,
) -> None:
    index, rejects = topics("index"), Rejects()
    block, mend, reason = STATES[state]
    sink = ElasticsearchSink(Cluster((elasticsearch.url,)), rejects, sending=QUICK, keep_unanswered=True)
    caplog.set_level(logging.WARNING)
    block(client, index)
    try:
        lane = sink.build_part("step", "0000", None)
        lane.write_batch([documents(index, range(COUNT))])
        wait_until(lambda: any(reason.format(index=index) in line for line in lines(caplog)))
        assert unanswered(lane) != ()
    finally:
        mend(client, index)
    wait_until(lambda: unanswered(lane) == ())
    lane.close()
    assert contents(client, index) == expected(range(COUNT))
    assert rejects.seen == []
    (line, *_) = lines(caplog)
    assert line.startswith(f"{COUNT} documents wait for Elasticsearch, the first for {index}: ")
    assert "\n" not in line


def test_a_data_stream_that_is_written_to_like_an_index_keeps_documents_waiting(
    elasticsearch: Elasticsearch, client: Client, topics: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    index, rejects = topics("index"), Rejects()
    client.indices.put_index_template(name=index, index_patterns=[index], priority=500, data_stream={})
    sink = ElasticsearchSink(Cluster((elasticsearch.url,)), rejects, sending=QUICK, keep_unanswered=True)
    lane = sink.build_part("step", "0000", None)
    lane.write_batch([documents(index, range(10))])
    reason = "400 illegal_argument_exception: only write ops with an op_type of create are allowed in data streams"
    wait_until(lambda: any(reason in line for line in lines(caplog)))
    assert unanswered(lane) != ()
    lane.close()
    assert rejects.seen == []


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "sinks.elasticsearch.senders"]


def test_an_index_that_is_closed_while_documents_flow_has_all_of_them_once_it_is_open(
    elasticsearch: Elasticsearch, client: Client, topics: Callable[[str], str]
) -> None:
    index, other, rejects = topics("index"), topics("other"), Rejects()
    sink = ElasticsearchSink(Cluster((elasticsearch.url,)), rejects, sending=QUICK, keep_unanswered=True)
    lanes = [sink.build_part("step", f"{lane:04d}", None) for lane in range(2)]
    for at in range(0, 2000, 100):
        if at == 500:
            client.indices.close(index=index)
        lanes[0].write_batch([documents(index, range(at, at + 100))])
        lanes[1].write_batch([documents(other, range(at, at + 100))])
        for lane in lanes:
            lane.snapshot()
        if at <= 500:
            wait_until(lambda: client.indices.exists(index=index).body)
    wait_until(lambda: unanswered(lanes[1]) == ())
    assert unanswered(lanes[0]) != ()
    client.indices.open(index=index)
    wait_until(lambda: unanswered(lanes[0]) == ())
    for lane in lanes:
        lane.close()
    assert contents(client, index) == contents(client, other) == expected(range(2000))
    assert rejects.seen == []
