"""The stand-in's own features: injected faults, refusals of what it does not know, bounded memory, an end."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import elasticsearch
import pytest
from elasticsearch import ApiError, Elasticsearch

from servers.embedded.elasticsearch import EmbeddedElasticsearch, Fault, Request, in_turn, transport
from tests.servers.embedded.elasticsearch.contract import bulk, client, lines, outcomes, refusal

ONE = lines({"index": {"_id": "1"}}, {})


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
    monkeypatch.setattr(transport, "_MAX_BODY", 1_000)
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
        bulk(es, "ratings-2", lines({"index": {"_id": "a"}}, {}))
        bulk(es, "ratings", lines({"index": {"_id": "0"}}, {}))  # written again: now it is the newest
        assert (count(double), double.made("ratings"), double.made("ratings-2")) == (9, 8, 1)
        write(double, 3, start=8)
        assert (count(double), double.made("ratings")) == (10, 11)
        ids = {hit["_id"] for hit in es.search(index="ratings*", size=20)["hits"]["hits"]}
        assert ids == {"0", "3", "4", "5", "6", "7", "8", "9", "10", "a"}
        write(double, 100, start=100)
        assert (count(double), double.made("ratings")) == (10, 111)
        assert es.count(index="ratings-2")["count"] == 0
        assert double.made("ratings-2") == 1
        assert double.made("missing") == 0


def test_many_clients_at_once(double: EmbeddedElasticsearch) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: write(double, 100, number // 2 * 100), range(40)))
    statuses = [status for answer in answers for status in outcomes(answer)]
    assert (statuses.count(201), statuses.count(200)) == (2_000, 2_000)
    assert count(double) == 2_000


def in_bulk(action: Any) -> Callable[[Elasticsearch], object]:
    return lambda es: bulk(es, "i", lines(action, {}))


def mapped(**mappings: Any) -> Callable[[Elasticsearch], object]:
    return lambda es: es.indices.create(index="new", mappings=mappings)


def template(**more: Any) -> Callable[[Elasticsearch], object]:
    return lambda es: es.indices.put_index_template(name="t", index_patterns=["x"], **more)


UNKNOWN: dict[str, Callable[[Elasticsearch], object]] = {
    "update": lambda es: es.update(index="i", id="1", doc={}),
    "index": lambda es: es.index(index="i", id="1", document={}),
    "health": lambda es: es.cluster.health(),
    "scroll": lambda es: es.scroll(scroll_id="x"),
    "delete an index": lambda es: es.indices.delete(index="i"),
    "component template": lambda es: es.cluster.put_component_template(name="t", template={}),
    "pattern of templates": lambda es: es.indices.get_index_template(name="*"),
    "all indices": lambda es: es.count(index="_all"),
    "pattern of an index": lambda es: es.get(index="i*,x*", id="1"),
    "query": lambda es: es.search(index="i", query={"term": {"a": 1}}),
    "count by a query": lambda es: es.count(index="i", query={"term": {"a": 1}}),
    "aggregation": lambda es: es.search(index="i", aggs={"x": {"avg": {"field": "a"}}}),
    "sort": lambda es: es.search(index="i", sort=["a"]),
    "exclusion": lambda es: bulk(es, "i", ONE, filter_path="-items"),
    "part of a name": lambda es: bulk(es, "i", ONE, filter_path="err*"),
    "pipeline": lambda es: bulk(es, "i", ONE, pipeline="x"),
    "alias": lambda es: bulk(es, "i", ONE, require_alias=True),
    "bulk delete": in_bulk({"delete": {"_id": "1"}}),
    "bulk update": in_bulk({"update": {"_id": "1"}}),
    "no id": in_bulk({"index": {}}),
    "id that is a number": in_bulk({"index": {"_id": 5}}),
    "version type": in_bulk({"index": {"_id": "1", "version": 1, "version_type": "external"}}),
    "version without a type": in_bulk({"index": {"_id": "1", "version": 1}}),
    "version that is text": in_bulk({"index": {"_id": "1", "version": "1", "version_type": "external_gte"}}),
    "routing": in_bulk({"index": {"_id": "1", "routing": "x"}}),
    "settings of an index": lambda es: es.indices.create(index="new", settings={"number_of_shards": 2}),
    "field type": mapped(properties={"a": {"type": "ip"}}),
    "field parameter": mapped(properties={"a": {"type": "long", "index": False}}),
    "date format": mapped(properties={"a": {"type": "date", "format": "epoch_second"}}),
    "object field": mapped(properties={"a": {"properties": {}}}),
    "source of a mapping": mapped(_source={"enabled": False}),
    "data stream": template(data_stream={}),
    "components of a template": template(composed_of=["x"]),
    "settings of a template": template(template={"settings": {"number_of_shards": 2}}),
    "aliases of a template": template(template={"aliases": {"a": {}}}),
}


@pytest.mark.parametrize("request_", UNKNOWN)
def test_a_request_that_it_does_not_know_is_refused(double: EmbeddedElasticsearch, request_: str) -> None:
    es = client(double.url)
    bulk(es, "i", ONE)
    with pytest.raises(ApiError) as caught:
        UNKNOWN[request_](es)
    assert caught.value.status_code in (400, 501)
    assert caught.value.body["error"]["reason"]
    assert (double.made("i"), double.made("new")) == (1, 0)


UNGUESSED = "dynamic mapping of such a value, in field [a]: set [dynamic] to false or strict"
VALUES: list[Any] = [1.5, True, {}, [], [1], "2024-01-02", "2024/01/02"]


@pytest.mark.parametrize(
    ("mappings", "document", "reason"),
    [
        *(({}, {"a": value}, UNGUESSED) for value in VALUES),
        ({}, {"a.b": 1}, "fields below a field: [a.b]"),
        ({"properties": {"a": {"type": "date"}}}, {"a": "2024-01-02"}, "dates as text: [2024-01-02]"),
        ({"dynamic": False, "properties": {"a": {"type": "text"}}}, {"a.b": 1}, "fields below a field: [a.b]"),
    ],
)
def test_a_document_that_it_does_not_know_is_refused(
    double: EmbeddedElasticsearch, mappings: Any, document: Any, reason: str
) -> None:
    es = client(double.url)
    es.indices.create(index="i", mappings=mappings)
    (item,) = bulk(es, "i", lines({"index": {"_id": "1"}}, document))["items"]
    assert (item["index"]["status"], item["index"]["error"]["type"]) == (501, "embedded_exception")
    assert item["index"]["error"]["reason"] == f"the embedded Elasticsearch does not know {reason}"
    assert double.made("i") == 0


def test_a_defect_of_its_own_is_an_answer(double: EmbeddedElasticsearch, capfd: pytest.CaptureFixture[str]) -> None:
    es = client(double.url)
    assert refusal(lambda: es.indices.create(index="i", mappings=[])) == (500, "embedded_exception")  # type: ignore[arg-type]
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
