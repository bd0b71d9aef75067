"""The steps of the main flow that have state in the recovery store, where the id of a step is all that names its state.

A step that gets another id begins without state, and its old state is orphaned: records that the join holds, open
uploads, documents without an answer. To rename a step, say in the changelog how to bring the store along.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from bytewax.dataflow import Operator
from bytewax.testing import TestingSink, TestingSource

from dataflows import notify
from dataflows.ports import NotifyPorts, Ports
from dataflows.ratings import build
from messages.message import Poll
from records.enriched_avro import EnrichedAvro
from settings import Settings

STEP_IDS = [
    "ratings.alerts",
    "ratings.archive",
    "ratings.customers",
    "ratings.dead_letters",
    "ratings.enriched",
    "ratings.join.join",
    "ratings.ratings",
    "ratings.search",
    "ratings.statistics",
    "ratings.statistics_windows.tally",
    "ratings.statistics_windows.windows",
    "ratings.stop",
    "ratings.ticks",
    "ratings.wait",
    "ratings.wait_told",
]


def with_state(steps: Iterable[Operator]) -> Iterator[str]:
    """The ids of Bytewax's three operators that have state, if their sources and sinks are partitioned."""
    for step in steps:
        if type(step).__name__ in ("input", "stateful_batch", "output"):
            yield step.step_id
        yield from with_state(step.substeps)


def ports(*further: str, avro: EnrichedAvro | None = None) -> Ports:
    return Ports(
        ratings=TestingSource([]),
        customers=TestingSource([]),
        enriched=TestingSink([]),
        alerts={topic: TestingSink([]) for topic in ("UNHAPPY_PLATINUM_CUSTOMERS", *further)},
        dead_letters=TestingSink([]),
        search=TestingSink([]),
        archive=TestingSink([]),
        statistics=TestingSink([]),
        enriched_avro=avro,
    )


@pytest.mark.parametrize("avro", [None, EnrichedAvro(1)], ids=["JSON", "Avro"])
def test_no_step_with_state_gets_another_id(avro: EnrichedAvro | None) -> None:
    assert sorted(with_state(build(ports(avro=avro), Settings.load()).substeps)) == STEP_IDS


def test_the_topic_of_a_rule_is_a_step_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(
        "[[rules]]\nname = 'a'\nwhere = 'true'\n"
        "[[rules]]\nname = 'b'\nwhere = 'true'\ntopic = 'far.away'\n"
        "[[rules]]\nname = 'c'\nwhere = 'true'\ntopic = 'far.away'\n"
    )
    flow = build(ports("far.away"), Settings.load({"ALERT_RULES": str(file)}))
    assert sorted(with_state(flow.substeps)) == sorted([*STEP_IDS, "ratings.alerts:far:away"])


def test_no_step_of_the_notifier_gets_another_id() -> None:
    sources = {topic: TestingSource[Poll]([]) for topic in ("alerts", "more.alerts")}
    ports = NotifyPorts(sources, notices=TestingSink([]), dead_letters=TestingSink([]))
    assert sorted(with_state(notify.build(ports, Settings.load()).substeps)) == [
        "notify.alerts_alerts",
        "notify.alerts_more:alerts",
        "notify.dead_letters",
        "notify.notices",
        "notify.stop",
        "notify.ticks",
        "notify.wait",
        "notify.wait_told",
    ]
