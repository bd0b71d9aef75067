"""The real Elasticsearch: what it keeps, and what it refuses."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch as Client

from servers.elasticsearch import Elasticsearch

# One thread that writes, one place in its queue: ten shards at once are too many.
TIGHT = {"node.processors": 1, "thread_pool.write.queue_size": 1}


@pytest.fixture(scope="module")
def own_elasticsearch(
    elasticsearch_runs_here: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Elasticsearch]:
    with Elasticsearch(tmp_path_factory.mktemp("own-elasticsearch")) as elasticsearch:
        yield elasticsearch


def client(elasticsearch: Elasticsearch) -> Client:
    return Client(elasticsearch.url, request_timeout=60, retry_on_timeout=False, max_retries=0)


def bulk(ids: range) -> list[dict[str, Any]]:
    return [line for number in ids for line in ({"index": {"_id": str(number)}}, {"number": number})]


def test_what_is_indexed_is_found(elasticsearch: Elasticsearch) -> None:
    es = client(elasticsearch)
    es.index(index="found", id="1", document={"stars": 3}, refresh=True)
    assert es.count(index="found", query={"term": {"stars": 3}})["count"] == 1
    assert es.info()["version"]["number"] == "8.18.8"


def test_what_was_acknowledged_survives_a_kill(own_elasticsearch: Elasticsearch) -> None:
    es = client(own_elasticsearch)
    for start in range(0, 5_000, 500):
        assert not es.bulk(index="kept", operations=bulk(range(start, start + 500)))["errors"]
    own_elasticsearch.kill()
    assert not own_elasticsearch.running()
    own_elasticsearch.start()
    es = client(own_elasticsearch)
    es.indices.refresh(index="kept")
    assert es.count(index="kept")["count"] == 5_000
    assert es.get(index="kept", id="4999")["_source"] == {"number": 4_999}


def test_it_stops_and_starts_again(own_elasticsearch: Elasticsearch) -> None:
    client(own_elasticsearch).index(index="stopped", id="1", document={"stars": 3})
    own_elasticsearch.stop()
    own_elasticsearch.start()
    assert client(own_elasticsearch).get(index="stopped", id="1")["_source"] == {"stars": 3}


def test_too_much_at_once_is_refused_by_the_item(elasticsearch_runs_here: None, tmp_path: Path) -> None:
    with Elasticsearch(tmp_path, settings=TIGHT) as elasticsearch:
        # A request that finds the queue full is refused as a whole: that one is sent again.
        es = client(elasticsearch).options(retry_on_status=429, max_retries=100)
        es.indices.create(index="wide", settings={"number_of_shards": 10, "number_of_replicas": 0})
        items = es.bulk(index="wide", operations=bulk(range(1_000)))["items"]
        statuses = Counter(item["index"]["status"] for item in items)
        errors = {item["index"]["error"]["type"] for item in items if "error" in item["index"]}
        assert (set(statuses), errors) == ({201, 429}, {"es_rejected_execution_exception"})
        es.indices.refresh(index="wide")
        assert es.count(index="wide")["count"] == statuses[201]


def test_a_failed_start_shows_the_log(elasticsearch_runs_here: None, tmp_path: Path) -> None:
    elasticsearch = Elasticsearch(tmp_path, settings={"node.nonsense": 1})
    with pytest.raises(RuntimeError, match=r"(?s)ended while starting.*elasticsearch.log ends with.*node.nonsense"):
        elasticsearch.start()
    assert not elasticsearch.running()
