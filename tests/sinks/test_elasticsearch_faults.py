"""The Elasticsearch sink when requests fail, on the embedded one, where they fail as they are told to."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from elasticsearch import Elasticsearch as Client

from embedded.elasticsearch import EmbeddedElasticsearch, Fault, in_turn
from embedded.elasticsearch.faults import ItemFaults
from sinks.elasticsearch import Cluster, ElasticsearchSink, Refused, Template
from tests.sinks.test_elasticsearch import QUICK, Rejects, contents, documents, expected, template


def some(refused: dict[int, int | tuple[int, str]]) -> ItemFaults:
    """Refuse the items at these places."""
    return lambda position, _document: refused.get(position)


@pytest.fixture
def server() -> Iterator[EmbeddedElasticsearch]:
    with EmbeddedElasticsearch() as server:
        yield server


@pytest.fixture
def rejects() -> Rejects:
    return Rejects()


def make(server: EmbeddedElasticsearch, rejects: Rejects, *templates: Template) -> ElasticsearchSink:
    return ElasticsearchSink(Cluster((server.url,)), rejects, templates, sending=replace(QUICK, concurrency=1))


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([Fault(status=429), Fault(status=503), Fault(status=502)], id="the whole request"),
        pytest.param([Fault(drop="before"), Fault(drop="after")], id="no answer, taken or not"),
        pytest.param(
            [Fault(items=some({1: 429, 7: 503})), Fault(items=some({0: 429}))], id="some documents, and again one"
        ),
        pytest.param([Fault(items=some({3: (403, "cluster_block_exception")}))], id="a blocked index"),
        pytest.param([Fault(status=413)], id="too large: halves"),
    ],
)
def test_what_passes_is_sent_again(server: EmbeddedElasticsearch, rejects: Rejects, faults: list[Fault]) -> None:
    server.faults = in_turn(*faults)
    lane = make(server, rejects, template("i")).build_part("step", "0000", None)
    lane.write_batch([documents("i", range(20))])
    assert lane.snapshot() == []
    lane.close()
    with Client(server.url) as client:
        assert contents(client, "i") == expected(range(20))
    assert rejects.seen == []


@pytest.mark.parametrize(
    "fault", [Fault(status=401), Fault(status=403), Fault(items=some({2: (403, "security_exception")}))]
)
def test_what_does_not_pass_stops_the_flow(server: EmbeddedElasticsearch, rejects: Rejects, fault: Fault) -> None:
    server.faults = in_turn(fault)
    lane = make(server, rejects).build_part("step", "0000", None)
    lane.write_batch([documents("i", range(20))])
    with pytest.raises(Refused, match=r"40[13]"):
        lane.snapshot()
    with pytest.raises(Refused, match=r"40[13]"):
        lane.write_batch([documents("i", range(20))])
    lane.close()


def test_only_what_failed_is_sent_again(server: EmbeddedElasticsearch, rejects: Rejects) -> None:
    server.faults = in_turn(Fault(items=some({5: 429})))
    lane = make(server, rejects).build_part("step", "0000", None)
    lane.write_batch([documents("i", range(20))])
    lane.snapshot()
    lane.close()
    with Client(server.url) as client:
        versions = {str(number): client.get(index="i", id=str(number))["_version"] for number in range(20)}
    assert versions == {str(number): 1 for number in range(20)}
