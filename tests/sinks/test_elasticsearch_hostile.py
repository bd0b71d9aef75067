"""A document that nobody can index stops nothing: it is rejected alone, and all beside it are indexed."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from elasticsearch import Elasticsearch as Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servers.elasticsearch import Elasticsearch
from servers.embedded.elasticsearch import EmbeddedElasticsearch
from sinks.elasticsearch import Cluster, Document, ElasticsearchSink, Rejected
from tests.sinks.test_bulk import HOSTILE
from tests.sinks.test_elasticsearch import QUICK, Rejects, contents, documents, expected, template, unanswered

GOOD = b'{"number":1,"text":"x"}'


def refused(index: str) -> list[Document]:
    """Documents that the sink or the server must refuse, each for a reason of its own."""
    bodies = [
        b"",
        b"{",
        b"abc",
        b"[1]",
        b'{"number":1000}',
        b'{"number":"x"}',
        b'{"number":{"a":1}}',
        b'{"number":%s}' % (b"9" * 400),
        b'{"number":%s}' % (b"9" * 5000),
        b'{"number":\n1}',
        b'{"number":1}\n',
        b'\n\n{"number":1}\n{"index":{}}',
        b'{"number":NaN}',
        b'{"text":"\xff\xfe"}',
    ]
    return [
        *(document if document.target != "i" else document._replace(target=index) for document, _ in HOSTILE),
        *(Document(index, f"body-{at}", body) for at, body in enumerate(bodies)),
        Document(index, "", GOOD),
        Document(index, "x" * 600, GOOD),
        Document(index, "é" * 300, GOOD),
        Document(index, "version", GOOD, -5),
        Document(index, "version", GOOD, 2**63),
        Document("Upper", "1", GOOD),
        Document("with space", "1", GOOD),
        Document("", "1", GOOD),
        Document("x" * 300, "1", GOOD),
    ]


def write(url: str, batches: Sequence[list[Document]]) -> list[Rejected]:
    """Write batches of documents through one lane; those that were rejected."""
    rejects = Rejects()
    name = batches[0][0].target
    sink = ElasticsearchSink(Cluster((url,)), rejects, (template(name),), sending=replace(QUICK, bulk_bytes=10_000))
    lane = sink.build_part("step", "0000", None)
    lane.write_batch(list(batches))
    assert unanswered(lane) == ()
    lane.close()
    return rejects.seen


@pytest.fixture(scope="module")
def double() -> Iterator[EmbeddedElasticsearch]:
    with EmbeddedElasticsearch() as double:
        yield double


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, len(refused("i")) - 1), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_hostile_documents_between_good_ones(double: EmbeddedElasticsearch, chosen: list[int], random: Any) -> None:
    index = f"index-{uuid.uuid4().hex}"
    hostile = [refused(index)[at] for at in chosen]
    good = documents(index, range(100))
    mixed = list(good)
    for document in hostile:
        mixed.insert(random.randrange(1, len(mixed)), document)
    rejected = write(double.url, [mixed[:50], mixed[50:]])
    assert len(rejected) == len(hostile)
    with Client(double.url) as client:
        assert contents(client, index) == expected(range(100))


def test_every_hostile_document_on_the_real_server(elasticsearch: Elasticsearch, topics: Callable[[str], str]) -> None:
    index = topics("index")
    good, hostile = documents(index, range(200)), refused(index)
    mixed = [one for at, document in enumerate(good) for one in (document, *hostile[at : at + 1])]
    rejected = write(elasticsearch.url, [mixed])
    with Client(elasticsearch.url, request_timeout=60) as client:
        assert contents(client, index) == expected(range(200))
    assert len(rejected) == len(hostile)
    assert all(document.error and document.reason for document in rejected)
    bodies = [document.body for document in hostile if isinstance(document.body, bytes)]
    assert sorted(document.body for document in rejected if document.body in bodies) == sorted(bodies)


def test_odd_documents_that_the_server_takes_are_indexed(
    elasticsearch: Elasticsearch, topics: Callable[[str], str]
) -> None:
    index = topics("index")
    odd = [
        Document(index, 'a"b\\c\nd', GOOD),
        Document(index, "é" * 256, GOOD),
        Document(index, "\u0000\u2028", GOOD),
        Document(index, "surrogate", b'{"text":"\\ud800"}'),
        Document(index, "unknown field", b'{"number":1,"other":{"deep":[1,{"a":2}]}}'),
    ]
    assert write(elasticsearch.url, [odd]) == []
    with Client(elasticsearch.url, request_timeout=60) as client:
        assert contents(client, index).keys() == {document.id for document in odd}
