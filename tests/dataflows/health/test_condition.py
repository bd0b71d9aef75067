"""When a process is ready, and when it must end: tables, and properties that hold whatever is seen."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.health.condition import Bounds, Phase, Seen, Stillness, ending, unready

BOUNDS = Bounds(connect=120, stall=130, ready=10)
RUNS = Seen(Phase.RUNNING, in_phase=1000, still=0.5)
PAIR = replace(RUNS, peers=("process 1 at b:9000",), silent=("process 1 at b:9000",))
TRIO = replace(PAIR, peers=(*PAIR.peers, "process 2 at c:9000"))
AWAITS = replace(PAIR, phase=Phase.CONNECTING, in_phase=119)


@pytest.mark.parametrize(
    ("seen", "code", "why"),
    [
        pytest.param(replace(RUNS, still=131), 1, "no epoch has ended for 131 s: Bytewax waits", id="alone"),
        pytest.param(replace(PAIR, still=131), 1, "waits for process 1 at b:9000, or for the disk", id="a peer"),
        pytest.param(replace(TRIO, still=131), 1, "waits for process 1 at b:9000, or for the disk", id="one of them"),
        pytest.param(replace(TRIO, still=131, silent=()), 1, "131 s: Bytewax waits, perhaps for", id="all others wait"),
        pytest.param(
            replace(PAIR, still=131, place="a.py:7 flush"), 1, "a worker is stuck in a.py:7 flush", id="a step"
        ),
        pytest.param(replace(PAIR, left=2.5), 1, "process 1 at b:9000 has ended", id="left"),
        pytest.param(replace(TRIO, left=2.5, silent=()), 1, "process 1 at b:9000 or process 2 at c:9000 has", id="one"),
        pytest.param(replace(AWAITS, in_phase=121), 1, "waited 120 s for process 1 at b:9000", id="nobody comes"),
        pytest.param(replace(PAIR, stopping=10), 1, "no answer from process 1 at b:9000", id="nobody stops"),
        pytest.param(replace(AWAITS, stopping=1), 0, "stopped before the flow ran", id="stopped while it waits"),
        pytest.param(Seen(Phase.STARTING, stopping=1), 0, "stopped before the flow ran", id="stopped before that"),
    ],
)
def test_a_process_that_must_end(seen: Seen, code: int, why: str) -> None:
    end = ending(seen, BOUNDS)
    assert end is not None
    assert end.code == code
    assert why in end.why


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(RUNS, id="runs"),
        pytest.param(replace(PAIR, still=129), id="moves slowly"),
        pytest.param(replace(PAIR, left=1.5), id="left, and Bytewax may end it"),
        pytest.param(replace(PAIR, left=2.5, stopping=3), id="stops, and another one has stopped"),
        pytest.param(AWAITS, id="waits for a peer"),
        pytest.param(Seen(Phase.STARTING, in_phase=9999), id="waits for topics"),
        pytest.param(replace(PAIR, stopping=9), id="stops"),
        pytest.param(replace(RUNS, stopping=100), id="stops alone, and waits for Kafka"),
        pytest.param(replace(PAIR, stopping=100, place="a.py:7 flush"), id="stops, and waits for Kafka"),
    ],
)
def test_a_process_that_goes_on(seen: Seen) -> None:
    assert ending(seen, BOUNDS) is None


@pytest.mark.parametrize(
    ("seen", "lacking"),
    [
        pytest.param(RUNS, {}, id="ready"),
        pytest.param(replace(PAIR, stopping=0.1), {"process": "it stops"}, id="stops"),
        pytest.param(AWAITS, {"peers": "connecting for 119 s", "sources": "not built yet"}, id="waits for a peer"),
        pytest.param(Seen(Phase.STARTING), {"sources": "not built yet"}, id="waits for topics"),
        pytest.param(replace(RUNS, still=11), {"sources": "no epoch has ended for 11 s"}, id="stands still"),
        pytest.param(replace(RUNS, lacks={"table": "it loads"}), {"table": "it loads"}, id="lacks its table"),
        pytest.param(replace(RUNS, outages={"S3": "503"}), {"outputs": "S3: 503"}, id="S3 is away"),
    ],
)
def test_what_is_not_ready(seen: Seen, lacking: dict[str, str]) -> None:
    assert {part: why for part, why in unready(seen, BOUNDS).items() if why is not None} == lacking


looks = st.lists(st.tuples(st.floats(0, 100), st.booleans(), st.booleans()), min_size=1)


@given(looks)
def test_only_time_that_was_lived_through_without_progress_counts(steps: list[tuple[float, bool, bool]]) -> None:
    now, mark, at_most = 0.0, 0.0, 0.0
    stillness = Stillness(now)
    for passed, moves, counts in steps:
        now += passed
        mark += moves
        at_most = 0.0 if moves else at_most + (min(passed, 2.0) if counts else 0.0)
        assert stillness.look(now, mark, counts=counts) == pytest.approx(at_most)
