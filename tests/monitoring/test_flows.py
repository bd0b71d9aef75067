"""What two observations come to."""

import pytest

from monitoring.flows import overview
from monitoring.look import Observation
from monitoring.model import Branch, Flow, Group, Input, Join, Output, TopicLag
from monitoring.scrape import Series
from tests.monitoring.observed import NOON, lag, observation, process, series

READ = "kafka_source_messages_total"
LAST = "kafka_source_last_message_timestamp_seconds"
NEXT = "kafka_source_next_offset"
HELD_BACK = "sink_held_back_timestamp_seconds"


def the_flow(before: Observation | None, now: Observation) -> Flow:
    (flow,) = overview(before, now).flows
    return flow


def test_processes_are_added_up() -> None:
    def reading(number: int, read: int, last: float, held: int) -> dict[str, list[Series]]:
        return {
            READ: [series(read, topic="in")],
            LAST: [series(last, topic="in")],
            NEXT: [series(read, topic="in", partition=str(number))],
            "decode_records_total": [
                series(2, step="decode_in", outcome="dead_letter"),
                series(9, step="other", outcome="dead_letter"),
            ],
            "kafka_sink_messages_total": [series(read, topic="out")],
            "kafka_sink_rejected_total": [series(1, topic="out")],
            "join_table_rows": [series(10, step="join")],
            "join_held": [series(held, step="join")],
            "join_records_total": [
                series(3, step="join", outcome=outcome) for outcome in ("matched", "late", "emitted", "dropped")
            ],
            "source_snapshot_timestamp_seconds": [series(last)],
        }

    def both(at: float, read: int, end: TopicLag) -> Observation:
        processes = (process(reading(n, read, at - n, 1), number=n, of=2, started=NOON - 600 + n) for n in (0, 1))
        return observation(*processes, at=at, ends=[end])

    before, now = both(NOON - 10, 100, lag(100, 100)), both(NOON, 150, lag(160, 150, committed=120))
    flow = the_flow(before, now)
    assert (flow.found, flow.processes, flow.started, flow.snapshot) == ((0, 1), 2, NOON - 599, NOON - 1)
    assert flow.inputs == (Input("in", 10.0, 300, NOON, 4, 0, 10, now.lags["g", "in"]),)
    assert flow.outputs == (Output("out", 10.0, 300, None, 2),)
    assert flow.join == Join(matched=6, late=6, unmatched=12, held=2, rows=20)
    assert flow.troubles == ()


def test_a_first_look_has_no_rates() -> None:
    now = observation(process({READ: [series(5, topic="in")], LAST: [series(0, topic="in")]}))
    (first,) = the_flow(None, now).inputs
    assert (first.rate, first.total, first.last, first.unread, first.lag) == (None, 5, None, None, None)


def test_a_process_that_has_started_again_counts_from_zero() -> None:
    before = observation(process({READ: [series(1000, topic="in")]}, started=NOON - 600), at=NOON - 10)
    now = observation(process({READ: [series(50, topic="in")]}, started=NOON - 5))
    assert the_flow(before, now).inputs[0].rate == 5.0


def test_of_two_endpoints_of_a_process_the_younger_counts() -> None:
    old, new = (process({READ: [series(n, topic="in")]}, started=NOON - age) for n, age in ((7, 60), (3, 5)))
    assert the_flow(None, observation(new, old)).inputs[0].total == 3


@pytest.mark.parametrize(
    ("read", "last", "end_before", "trouble"),
    [
        (90, NOON - 40, 100, "in stands still: 15 messages to read, none for 40 s"),
        (90, 0.0, 100, "in stands still: 15 messages to read, none since the start"),
        (90, NOON - 20, 100, None),  # not for long
        (90, NOON - 40, 90, None),  # all of them have come since the look before
        (105, NOON - 4000, 105, None),  # idle
    ],
)
def test_an_input_stands_still_once_it_has_read_nothing_for_some_time(
    read: int, last: float, end_before: int, trouble: str | None
) -> None:
    metrics = {LAST: [series(last, topic="in")], NEXT: [series(read, topic="in", partition="0")]}
    before = observation(process(metrics), at=NOON - 2, ends=[lag(end_before)])
    now = observation(process(metrics), ends=[lag(105)])
    found = overview(before, now, still=30)
    assert found.flows[0].troubles == (() if trouble is None else (trouble,))
    assert found.troubles == (() if trouble is None else (f"ratings: {trouble}",))


def test_a_flow_that_has_just_started_does_not_stand_still() -> None:
    metrics = {NEXT: [series(0, topic="in", partition="0")]}
    before, now = (observation(process(metrics, started=NOON - 10), at=at, ends=[lag(9)]) for at in (NOON - 2, NOON))
    assert overview(before, now, still=30).troubles == ()


def test_an_input_that_waits_for_another_does_not_stand_still() -> None:
    metrics = {
        "flow_input_info": [series(1, topic="in", step="a"), series(1, topic="table", step="b")],
        LAST: [series(NOON - 1, topic="table")],
        NEXT: [series(0, topic="in", partition="0"), series(5, topic="table", partition="0")],
    }
    ends = lag(100), lag(50, topic="table")
    before, now = (observation(process(metrics), at=at, ends=ends) for at in (NOON - 2, NOON))
    assert overview(before, now).troubles == ()


@pytest.mark.parametrize(
    ("seconds", "state", "troubles"),
    [(2, "delivering", ()), (42, "held back", ("search: held back for 42 s: no route, 12,345 documents wait",))],
)
def test_a_branch_is_held_back_once_its_destination_has_refused_for_some_time(
    seconds: int, state: str, troubles: tuple[str, ...]
) -> None:
    metrics = {
        "flow_branch_on": [
            series(1, branch="search", destination="Elasticsearch"),
            series(0, branch="archive", destination="S3"),
        ],
        HELD_BACK: [series(NOON - seconds, destination="Elasticsearch", cause="no route")],
        "elasticsearch_buffered_documents": [series(12_345)],
        "elasticsearch_documents_total": [
            series(7, outcome="acknowledged"),
            series(1, outcome="stale"),
            series(2, outcome="rejected"),
        ],
        "elasticsearch_retries_total": [series(30)],
        "elasticsearch_last_document_timestamp_seconds": [series(NOON - 50)],
    }
    flow = the_flow(None, observation(process(metrics)))
    search, archive = flow.branches
    held = {"since": NOON - seconds, "why": "no route"} if troubles else {}
    assert search == Branch(
        "search", "Elasticsearch", "documents", state, **held, total=8, last=NOON - 50, waiting=12_345,  # type: ignore[arg-type]
        waiting_unit="documents", retries=30, failed=2,
    )  # fmt: skip
    assert (archive.state, archive.sentence(NOON)) == ("off", "archive: off")
    assert flow.troubles == troubles


def test_of_an_unknown_branch_the_state_is_known() -> None:
    metrics = {
        "flow_branch_on": [series(1, branch="new", destination="there")],
        HELD_BACK: [series(NOON - 9, destination="there", cause="why")],
    }
    (branch,) = the_flow(None, observation(process(metrics))).branches
    assert branch.sentence(NOON) == "new: held back for 9 s: why, 0 records wait"


def test_missing_processes_are_told() -> None:
    found = overview(None, observation(process(number=1, of=3)))
    assert found.troubles == ("ratings: process 0 of 3 was not found", "ratings: process 2 of 3 was not found")


def test_flows_are_told_apart() -> None:
    found = overview(None, observation(process(flow="ratings"), process(flow="notify")))
    assert [flow.name for flow in found.flows] == ["notify", "ratings"]


@pytest.mark.parametrize(
    ("guessed", "troubles"),
    [
        (False, ("no flow was found at http://a: refused", "no flow was found at http://b: HTTP 404")),
        (True, ("no flow was found at http://a to http://b",)),
    ],
)
def test_a_group_without_its_flow_shows_its_lag(guessed: bool, troubles: tuple[str, ...]) -> None:
    silent = {"http://a": "refused", "http://b": "HTTP 404"}
    found = overview(None, observation(ends=[lag(5)], silent=silent, guessed=guessed))
    assert found.groups == (Group("g", (lag(5),)),)
    assert found.troubles == troubles


def test_a_guess_that_fails_is_no_trouble_beside_a_flow() -> None:
    assert overview(None, observation(process(), silent={"http://a": "refused"}, guessed=True)).troubles == ()


def test_brokers_that_do_not_tell_are_a_trouble() -> None:
    found = overview(None, observation(process(), kafka="Kafka at a:1 does not tell the lag: timed out"))
    assert found.troubles == ("Kafka at a:1 does not tell the lag: timed out",)
