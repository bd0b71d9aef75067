"""The states of sinks in recovery stores: a store of this version can be read by all later ones, or is refused."""

import json
from pathlib import Path

import msgspec
import pytest

import sinks.elasticsearch.state
import sinks.kafka.state
import sinks.notices.sink
import sinks.s3.state
from sinks.state import State, decode, encode

GOLDEN = Path(__file__).parents[1] / "states"
KINDS: list[type[State]] = [
    sinks.kafka.state.LaneState,
    sinks.elasticsearch.state.LaneState,
    sinks.notices.sink.LaneState,
    sinks.s3.state.LaneState,
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__struct_config__.tag))
def test_a_state_has_the_fields_of_its_version(kind: type[State]) -> None:
    """If this fails, a field has changed: give the state's tag another number, and write that version's file."""
    golden = (GOLDEN / f"{kind.__struct_config__.tag}.json").read_bytes()
    state = msgspec.json.decode(golden, type=kind)
    assert json.loads(msgspec.json.encode(state)) == json.loads(golden)
    assert decode(kind, encode(state)) == state
