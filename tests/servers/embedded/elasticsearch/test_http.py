"""Requests as they travel."""

import http.client
from urllib.parse import urlsplit

import orjson
import pytest
from elasticsearch import ApiError, Elasticsearch, helpers

from tests.servers.embedded.elasticsearch.contract import ILLEGAL, INVALID, NO_JSON


def test_a_client_that_knows_the_server(es: Elasticsearch) -> None:
    info = es.info()
    assert info["version"]["number"].startswith("8.18.")
    assert info["tagline"] == "You Know, for Search"
    assert es.ping()
    health = es.cluster.health(wait_for_status="yellow", timeout="10s")
    assert (health["timed_out"], health["status"] in ("yellow", "green")) == (False, True)


def test_health_of_a_missing_index(es: Elasticsearch, index: str) -> None:
    with pytest.raises(ApiError) as caught:
        es.cluster.health(index=index, timeout="10ms")
    assert (caught.value.status_code, caught.value.body["timed_out"]) == (408, True)


def url_of(es: Elasticsearch) -> str:
    return next(iter(es.transport.node_pool.all())).base_url


def test_compressed_bulks_of_a_helper(es: Elasticsearch, index: str) -> None:
    compressing = Elasticsearch(url_of(es), http_compress=True, request_timeout=60)
    documents = [{"_index": index, "_id": str(number), "number": number, "text": "x" * 100} for number in range(2_000)]
    assert helpers.bulk(compressing, documents, chunk_size=500, refresh=True) == (2_000, [])
    assert es.count(index=index)["count"] == 2_000


JSON = {"content-type": "application/json"}
NDJSON = {"content-type": "application/x-ndjson"}
OTHER_VERSION = {**NDJSON, "accept": "application/vnd.elasticsearch+json;compatible-with=9"}
GZIP = {**NDJSON, "content-encoding": "gzip"}
ONE = b'{"index":{}}\n{}\n'


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "error"),
    [
        ("GET", "/", {}, b"", 200, None),
        ("HEAD", "/", {}, b"", 200, None),
        ("PUT", "/{index}/_bulk", NDJSON, ONE, 200, None),
        ("POST", "/{index}/_bulk", JSON, ONE, 200, None),
        ("POST", "/{index}/_bulk", NDJSON, b"", 400, "parse_exception"),
        ("POST", "/{index}/_bulk", NDJSON, ONE.rstrip(), 400, ILLEGAL),
        ("POST", "/{index}/_bulk", GZIP, b"not gzip", 400, "parse_exception"),
        ("POST", "/{index}/_bulk", {"content-type": "text/plain"}, ONE, 406, None),
        ("POST", "/{index}/_bulk", OTHER_VERSION, ONE, 400, "media_type_header_exception"),
        ("POST", "/{index}/_bulk?nonsense=1", NDJSON, ONE, 400, ILLEGAL),
        ("GET", "/{index}/_search?size=x", {}, b"", 400, ILLEGAL),
        ("DELETE", "/_bulk", {}, b"", 405, None),
        ("POST", "/{index}", {}, b"", 405, None),
        ("GET", "/{index}/_doc", {}, b"", 405, None),
        ("GET", "/a/b/c/d", {}, b"", 400, None),
        ("GET", "/_nonsense", {}, b"", 400, "invalid_index_name_exception"),
        ("PUT", "/{index}/_doc/1", {}, b"", 400, "parse_exception"),
        ("PUT", "/{index}/_doc/1", JSON, b"{bad", 400, "document_parsing_exception"),
        ("PUT", "/{index}/_doc/1?version=1", JSON, b"{}", 400, INVALID),
        ("POST", "/{index}/_search", JSON, b"{bad", 400, NO_JSON),
        ("PUT", "/{index}-new", JSON, b'{"nonsense":{}}', 400, "parse_exception"),
        ("PUT", "/_index_template/{index}", JSON, b"", 400, "parse_exception"),
        ("PUT", "/_index_template/{index}", JSON, b"{}", 400, ILLEGAL),
    ],
)
def test_requests_as_they_travel(
    es: Elasticsearch,
    index: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    status: int,
    error: str | None,
) -> None:
    es.indices.create(index=index)
    connection = http.client.HTTPConnection(urlsplit(url_of(es)).netloc, timeout=60)
    for _ in range(2):  # the connection is good for another request
        connection.request(method, path.format(index=index), body or None, headers)
        answer = connection.getresponse()
        found = orjson.loads(answer.read() or b"{}").get("error")
        assert (answer.status, found["type"] if isinstance(found, dict) else None) == (status, error)
        assert answer.headers["x-elastic-product"] == "Elasticsearch"
    connection.close()


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/json", "application/json"),
        (
            "application/vnd.elasticsearch+json; compatible-with=8",
            "application/vnd.elasticsearch+json;compatible-with=8",
        ),
    ],
)
def test_the_media_type_of_an_answer(es: Elasticsearch, accept: str, expected: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url_of(es)).netloc, timeout=60)
    connection.request("GET", "/", headers={"accept": accept})
    assert connection.getresponse().headers["content-type"] == expected
    connection.close()
