"""The steps of the main flow that have state in the recovery store, where the id of a step is all that names its state.

A step that gets another id begins without state, and its old state is orphaned: records that the join holds, open
uploads, documents without an answer. To rename a step, say in the changelog how to bring the store along.
"""

from collections.abc import Iterable, Iterator

import pytest
from bytewax.dataflow import Operator
from bytewax.testing import TestingSink, TestingSource

from dataflows.enriched_avro import EnrichedAvro
from dataflows.ports import Ports
from dataflows.ratings import build
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
    "ratings.ticks",
]


def with_state(steps: Iterable[Operator]) -> Iterator[str]:
    """The ids of Bytewax's three operators that have state, if their sources and sinks are partitioned."""
    for step in steps:
        if type(step).__name__ in ("input", "stateful_batch", "output"):
            yield step.step_id
        yield from with_state(step.substeps)


@pytest.mark.parametrize("avro", [None, EnrichedAvro(1)], ids=["JSON", "Avro"])
def test_no_step_with_state_gets_another_id(avro: EnrichedAvro | None) -> None:
    ports = Ports(
        ratings=TestingSource([]),
        customers=TestingSource([]),
        enriched=TestingSink([]),
        alerts={"UNHAPPY_PLATINUM_CUSTOMERS": TestingSink([])},
        dead_letters=TestingSink([]),
        search=TestingSink([]),
        archive=TestingSink([]),
        enriched_avro=avro,
    )
    assert sorted(with_state(build(ports, Settings.load()).substeps)) == STEP_IDS
