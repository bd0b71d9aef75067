"""What only the double has: faults at will, a bound on its memory, an end."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import elasticsearch
import pytest
from elasticsearch import ApiError, Elasticsearch

from servers.embedded.elasticsearch import EmbeddedElasticsearch, Fault, Request, in_turn, server
from tests.servers.embedded.elasticsearch.contract import bulk, client, lines, outcomes, post, refusal

ONE = lines({"index": {}}, {})


def write(double: EmbeddedElasticsearch, count: int = 4, start: int = 0) -> Any:
    body = lines(*(line for number in range(start, start + count) for line in ({"index": {"_id": str(number)}}, {})))
    return bulk(client(double.url), "ratings", body)


def count(double: EmbeddedElasticsearch) -> int:
    return int(client(double.url).count(index="ratings*")["count"])


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, "security_exception"),
        (403, "security_exception"),
        (429, "es_rejected_execution_exception"),
        (503, "unavailable_shards_exception"),
        (500, "exception"),
    ],
)
def test_a_request_fails_as_a_whole(double: EmbeddedElasticsearch, status: int, expected: str) -> None:
    double.faults = in_turn(Fault(status=status), None, Fault(status=status))
    assert refusal(lambda: write(double)) == (status, expected)
    assert count(double) == 0
    assert outcomes(write(double)) == [201] * 4
    assert refusal(lambda: write(double)) == (status, expected)
    assert outcomes(write(double)) == [200] * 4


def test_a_request_is_too_large(double: EmbeddedElasticsearch, monkeypatch: pytest.MonkeyPatch) -> None:
    double.faults = in_turn(Fault(status=413))
    with pytest.raises(ApiError) as asked_for:
        write(double)
    monkeypatch.setattr(server, "_MAX_BODY", 1_000)
    with pytest.raises(ApiError) as real:
        write(double, 1_000)
    assert [(error.value.status_code, error.value.body) for error in (asked_for, real)] == [(413, None)] * 2
    assert outcomes(write(double)) == [201] * 4


def test_items_fail(double: EmbeddedElasticsearch) -> None:
    statuses = {1: 429, 2: 503}
    double.faults = in_turn(
        Fault(items=lambda position, _id: statuses.get(position)),
        Fault(items=lambda _position, id_: (403, "cluster_block_exception") if id_ == "3" else None),
    )
    refused = [(429, "es_rejected_execution_exception"), (503, "unavailable_shards_exception")]
    assert outcomes(write(double)) == [201, *refused, 201]
    assert outcomes(write(double)) == [200, 201, 201, (403, "cluster_block_exception")]
    assert outcomes(write(double)) == [200] * 4


def test_a_delay(double: EmbeddedElasticsearch) -> None:
    double.faults = in_turn(Fault(delay=0.3), Fault(delay=30))
    before = time.monotonic()
    assert outcomes(write(double)) == [201] * 4
    assert time.monotonic() - before >= 0.3
    impatient = Elasticsearch(double.url, request_timeout=0.2, max_retries=0)
    with pytest.raises(elasticsearch.ConnectionTimeout):
        bulk(impatient, "ratings", ONE)


@pytest.mark.parametrize(("drop", "written"), [("before", 0), ("after", 4)])
def test_a_connection_breaks(double: EmbeddedElasticsearch, drop: Any, written: int) -> None:
    double.faults = in_turn(Fault(drop=drop))
    with pytest.raises(elasticsearch.ConnectionError):
        write(double)
    assert count(double) == written
    assert len(write(double)["items"]) == 4


def test_a_fault_sees_the_request(double: EmbeddedElasticsearch) -> None:
    seen: list[Request] = []

    def no_searches(request: Request) -> Fault | None:
        seen.append(request)
        return Fault(status=503) if request.path.endswith("/_search") else None

    double.faults = no_searches
    compressing = Elasticsearch(double.url, http_compress=True, max_retries=0)
    bulk(compressing, "ratings", ONE)
    assert refusal(lambda: compressing.search(index="ratings")) == (503, "unavailable_shards_exception")
    assert seen[0] == Request("PUT", "/ratings/_bulk", ONE)
    double.faults = None
    assert compressing.search(index="ratings")["hits"]["total"]["value"] == 1


def test_faults_in_turn_are_for_bulks_alone(double: EmbeddedElasticsearch) -> None:
    double.faults = in_turn(Fault(status=429))
    assert client(double.url).info()
    assert count(double) == 0
    assert refusal(lambda: write(double))[0] == 429


def test_the_oldest_documents_go() -> None:
    with EmbeddedElasticsearch(max_documents=10) as double:
        es = client(double.url)
        write(double, 8)
        es.index(index="ratings-2", id="a", document={})
        es.index(index="ratings", id="0", document={})  # written again: now it is the newest
        assert (count(double), double.dropped) == (9, 0)
        write(double, 3, start=8)
        assert (count(double), double.dropped) == (10, 2)
        ids = {hit["_id"] for hit in es.search(index="ratings*", size=20)["hits"]["hits"]}
        assert ids == {"0", "3", "4", "5", "6", "7", "8", "9", "10", "a"}
        write(double, 100, start=100)
        assert (count(double), double.dropped) == (10, 102)
        assert es.count(index="ratings-2")["count"] == 0


def test_many_clients_at_once(double: EmbeddedElasticsearch) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: write(double, 100, number // 2 * 100), range(40)))
    statuses = [status for answer in answers for status in outcomes(answer)]
    assert (statuses.count(201), statuses.count(200)) == (2_000, 2_000)
    assert count(double) == 2_000


def test_what_it_does_not_know_it_refuses(double: EmbeddedElasticsearch) -> None:
    es = client(double.url)
    es.index(index="ratings", id="1", document={"a": 1})
    for call in (
        lambda: es.update(index="ratings", id="1", doc={}),
        lambda: es.search(index="ratings", query={"match": {"a": 1}}),
        lambda: es.search(index="ratings", aggs={"x": {"percentiles": {"field": "a"}}}),
        lambda: es.search(index="ratings", highlight={"fields": {}}),
        lambda: bulk(es, "ratings", lines({"update": {"_id": "1"}}, {"doc": {}})),
        lambda: bulk(es, "ratings", ONE, pipeline="x"),
        lambda: es.indices.create(index="x", mappings={"properties": {"a": {"type": "ip"}}}),
        lambda: es.scroll(scroll_id="x"),
    ):
        assert refusal(call)[0] == 400


def test_a_fault_of_our_own_is_an_answer(double: EmbeddedElasticsearch, capfd: pytest.CaptureFixture[str]) -> None:
    es = client(double.url)
    es.index(index="ratings", id="1", document={})
    assert refusal(lambda: post(es, "/ratings/_search", {"size": "x"})) == (500, "embedded_exception")
    assert "TypeError" in capfd.readouterr().err


def test_closed_is_closed(double: EmbeddedElasticsearch) -> None:
    threads = threading.active_count()
    es = client(double.url)
    assert es.ping()
    double.close()
    double.close()
    for each in (es, client(double.url)):  # neither a connection that is open, nor a new one
        with pytest.raises(elasticsearch.ConnectionError):
            each.info()
    deadline = time.monotonic() + 10
    while threading.active_count() >= threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() < threads
