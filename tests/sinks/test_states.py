"""The states of sinks in recovery stores: a store of this version can be read by all later ones, or is refused."""

import json
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sinks.elasticsearch import Cluster, ElasticsearchSink
from sinks.elasticsearch.state import LaneState as Elasticsearch
from sinks.kafka import KafkaSink
from sinks.kafka.state import LaneState as Kafka
from sinks.s3.formats.jsonl import JsonLines
from sinks.s3.state import LaneState as S3
from sinks.state import State, StateError, decode, encode
from tests.sinks.fake_s3 import FakeS3
from tests.sinks.test_s3 import make

GOLDEN = Path(__file__).parents[1] / "states"
KINDS: list[type[State]] = [Kafka, Elasticsearch, S3]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__struct_config__.tag))
def test_a_state_has_the_fields_of_its_version(kind: type[State]) -> None:
    """If this fails, a field has changed: give the state's tag another number, and write that version's file."""
    golden = (GOLDEN / f"{kind.__struct_config__.tag}.json").read_bytes()
    state = msgspec.json.decode(golden, type=kind)
    assert json.loads(msgspec.json.encode(state)) == json.loads(golden)
    assert decode(kind, encode(state)) == state


SINKS: list[Any] = [
    KafkaSink("topic", {"bootstrap.servers": "127.0.0.1:9", "log_level": 0}),
    ElasticsearchSink(Cluster(("http://127.0.0.1:9",)), print),
    make(FakeS3(), "bucket", JsonLines()),
]


@pytest.mark.parametrize("sink", SINKS, ids=lambda sink: type(sink).__name__)
@pytest.mark.parametrize(
    ("state", "form"),
    [
        ((1, "topic", None, (), (1,)), "an unknown form"),
        ([b"a chunk"], "an unknown form"),
        ({"version": 2, "series": "", "next": 0}, "an unknown form"),
        (b"\xc1", "an unknown form"),
        (msgspec.msgpack.encode([1]), "an unknown form"),
        (msgspec.msgpack.encode({"form": "sinks.kafka.v99"}), "sinks.kafka.v99"),
        (msgspec.msgpack.encode({"form": "sinks.s3.v1", "more": 1}), "sinks.s3.v1"),
    ],
)
def test_another_form_is_refused_in_a_line(sink: Any, state: Any, form: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(
        StateError, match=f"has a state of {form}, and .* reads only sinks.*: run the version that wrote"
    ):
        sink.build_part("step", "0000", state)
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "\n" not in line.getMessage()
    assert not line.exc_info
