"""Requests as they travel."""

import http.client
from urllib.parse import urlsplit

import orjson
import pytest
from elasticsearch import Elasticsearch, helpers

from tests.servers.embedded.elasticsearch.contract import ILLEGAL, NO_JSON, count


def url_of(es: Elasticsearch) -> str:
    return next(iter(es.transport.node_pool.all())).base_url


def test_the_client_knows_the_server(es: Elasticsearch) -> None:
    info = es.info()
    assert info["version"]["number"].startswith("8.18.")
    assert info["tagline"] == "You Know, for Search"
    assert es.ping()


def test_compressed_bulks(es: Elasticsearch, index: str) -> None:
    es.indices.create(index=index, mappings={"dynamic": False})
    compressing = Elasticsearch(url_of(es), http_compress=True, request_timeout=60)
    documents = [{"_index": index, "_id": str(number), "text": "x" * 100} for number in range(2_000)]
    assert helpers.bulk(compressing, documents, chunk_size=500, refresh=True) == (2_000, [])
    assert count(es, index) == 2_000


JSON = {"content-type": "application/json"}
NDJSON = {"content-type": "application/x-ndjson"}
GZIP = {**NDJSON, "content-encoding": "gzip"}
ONE = b'{"index":{"_id":"1"}}\n{}\n'


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "error"),
    [
        ("GET", "/", {"accept": "*/*"}, b"", 200, None),
        ("HEAD", "/", {}, b"", 200, None),
        ("PUT", "/{index}/_bulk", NDJSON, ONE, 200, None),
        ("POST", "/{index}/_bulk", JSON, ONE, 200, None),
        ("POST", "/{index}/_bulk", NDJSON, b"", 400, "parse_exception"),
        ("POST", "/{index}/_bulk", NDJSON, ONE.rstrip(), 400, ILLEGAL),
        ("POST", "/{index}/_bulk", GZIP, b"not gzip", 400, "parse_exception"),
        ("POST", "/{index}/_bulk", {"content-type": "text/plain"}, ONE, 406, None),
        ("POST", "/{index}/_bulk?nonsense=1", NDJSON, ONE, 400, ILLEGAL),
        ("GET", "/{index}%2A/_count", {}, b"", 200, None),
        ("POST", "/{index}/_search", JSON, b"{bad", 400, NO_JSON),
        ("POST", "/{index}/_search", JSON, b'{"size":-1}', 400, ILLEGAL),
        ("PUT", "/{index}", JSON, b"{}", 400, "resource_already_exists_exception"),
        ("PUT", "/_index_template/{index}", JSON, b"", 400, "parse_exception"),
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
    for _ in range(2):  # the connection can be used again
        connection.request(method, path.format(index=index), body or None, headers)
        answer = connection.getresponse()
        found = orjson.loads(answer.read() or b"{}").get("error")
        assert (answer.status, found["type"] if isinstance(found, dict) else None) == (status, error)
        assert answer.headers["x-elastic-product"] == "Elasticsearch"
    connection.close()
