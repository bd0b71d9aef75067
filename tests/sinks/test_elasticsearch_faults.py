"""The Elasticsearch sink when requests fail, on the embedded one, where they fail as they are told to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from elasticsearch import Elasticsearch as Client
from prometheus_client import REGISTRY

from servers.embedded.elasticsearch import EmbeddedElasticsearch, Fault, in_turn
from servers.embedded.elasticsearch.faults import ItemFaults
from sinks.elasticsearch import Cluster, Document, ElasticsearchSink, Refused, Rejected, Template
from sinks.elasticsearch.state import LaneState
from sinks.state import encode
from tests.sinks.answers import ELASTICSEARCH, Answer, Answers
from tests.sinks.test_elasticsearch import (
    QUICK,
    Rejects,
    contents,
    documents,
    expected,
    template,
    unanswered,
    wait_until,
)


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
    assert unanswered(lane) == ()
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


def test_refusals_that_come_during_a_snapshot_are_rejected_with_the_next(server: EmbeddedElasticsearch) -> None:
    refused = some({1: (400, "document_parsing_exception")})
    server.faults = in_turn(Fault(items=refused), Fault(items=refused, delay=0.5))
    seen: list[str | None] = []

    def reject(rejected: Sequence[Rejected]) -> None:
        seen.extend(one.id for one in rejected)
        wait_until(lambda: waiting() == before)

    sink = replace(make(server, Rejects(), template("i")), reject=reject, keep_unanswered=True)
    before = waiting()
    lane = sink.build_part("step", "0000", None)
    lane.write_batch([documents("i", range(5))])
    wait_until(lambda: waiting() == before)
    lane.write_batch([documents("i", range(5, 10))])
    assert unanswered(lane) != (), "its last documents were answered during the snapshot"
    assert seen == ["1"]
    assert unanswered(lane) == ()
    assert seen == ["1", "6"]
    lane.close()


def waiting() -> float:
    return REGISTRY.get_sample_value("elasticsearch_buffered_documents") or 0.0


@pytest.mark.parametrize(
    "fault",
    [
        (400, "index_closed_exception"),
        (400, "illegal_argument_exception"),
        (400, "validation_exception"),
        (500, "null_pointer_exception"),
        (404, "nobody_has_seen_it"),
    ],
)
def test_what_is_not_the_documents_fault_is_waited_for(
    server: EmbeddedElasticsearch, rejects: Rejects, caplog: pytest.LogCaptureFixture, fault: tuple[int, str]
) -> None:
    server.faults = in_turn(*[Fault(items=some(dict.fromkeys(range(20), fault)))] * 3)
    lane = make(server, rejects, template("i")).build_part("step", "0000", None)
    lane.write_batch([documents("i", range(20))])
    assert unanswered(lane) == ()
    lane.close()
    with Client(server.url) as client:
        assert contents(client, "i") == expected(range(20))
    assert rejects.seen == []
    assert f"20 documents wait for Elasticsearch, the first for i: {fault[0]} {fault[1]}: " in caplog.text


class Share:
    """A limit that is passed when the larger part of the documents is rejected."""

    def __init__(self) -> None:
        self.good = self.bad = 0

    def __call__(self, taken: int, errors: Sequence[tuple[str, str]]) -> None:
        self.good += taken
        self.bad += len(errors)
        if self.bad > self.good:
            raise RuntimeError(f"{self.bad} of {self.good + self.bad} documents are refused: {': '.join(errors[0])}")


def test_the_larger_part_is_never_taken_for_bad_documents(
    server: EmbeddedElasticsearch, rejects: Rejects, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = {"properties": {"text": {"type": "byte"}}}
    limit = Share()
    with Client(server.url) as client:
        client.indices.create(index="wrong", mappings=wrong)
    sink = replace(make(server, rejects), limit=limit, keep_unanswered=True)
    lane = sink.build_part("step", "0000", None)
    lane.write_batch([[*documents("right", range(100)), *documents("wrong", range(50))]])
    wait_until(lambda: unanswered(lane) == ())
    assert (limit.good, limit.bad, len(rejects.seen)) == (100, 50, 50)
    with pytest.raises(RuntimeError, match=r"151 of 251 documents are refused: document_parsing_exception: .*\[text\]"):
        lane.write_batch([[*documents("wrong", range(100)), Document("i", 7, b"{}")]])  # type: ignore[arg-type]
        wait_until(lambda: unanswered(lane) == ())
    lane.close()
    assert [rejected.error for rejected in rejects.seen[50:]] == ["AttributeError"], "no dead letters of the others"
    (line,) = (record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert line.startswith("RuntimeError: 151 of 251 documents are refused: ")
    assert "\n" not in line


@pytest.mark.parametrize("call", ["write_batch", "snapshot", "build_part"])
def test_what_stops_the_flow_is_in_the_log(
    server: EmbeddedElasticsearch, rejects: Rejects, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    sink = make(server, rejects)
    server.faults = in_turn(Fault(status=403))
    lane = sink.build_part("step", "0000", None)
    calls: dict[str, Callable[[], object]] = {
        "write_batch": lambda: lane.write_batch([documents("i", range(1))]),
        "snapshot": lane.snapshot,
        "build_part": lambda: sink.build_part("step", "0001", encode(LaneState((b"this is no chunk\n",)))),
    }
    lane.write_batch([documents("i", range(1))])
    with pytest.raises(Refused):
        lane.snapshot()
    caplog.clear()
    with pytest.raises(Exception, match=r".") as caught:
        calls[call]()
    lane.close()
    lines = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert lines == [f"{type(caught.value).__name__}: {caught.value}"]


@pytest.mark.parametrize(
    "answer",
    [b"[]", b"{}", b'{"errors":true,"items":[{"index":{}}]}', b'{"errors":true,"items":[1]}', b'"no"', b"not json"],
)
def test_an_answer_that_is_none_is_waited_for(rejects: Rejects, answer: bytes) -> None:
    bodies = iter([answer, b'{"errors":false,"items":[{"index":{"status":201}}]}'])
    info = b'{"version":{"number":"8.18.8"}}'

    def answers(_method: str, path: str) -> Answer:
        return 200, ELASTICSEARCH, next(bodies) if path.startswith("/_bulk") else info

    with Answers(answers) as server:
        cluster = Cluster((f"http://{server.address}",))
        lane = ElasticsearchSink(cluster, rejects, sending=QUICK).build_part("step", "0000", None)
        lane.write_batch([documents("i", range(1))])
        assert unanswered(lane) == ()
        lane.close()
    assert rejects.seen == []
    assert next(bodies, None) is None
