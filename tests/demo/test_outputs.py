import json
from base64 import b64encode
from typing import Any

import pytest

from demo.outputs import (
    Alert,
    DeadLetter,
    Ended,
    Enriched,
    Intent,
    Output,
    Outputs,
    Statistic,
    Taken,
    Unreadable,
    decode_output,
)
from demo.topics import ALERTS, CUSTOMERS, DEAD_LETTERS, ENRICHED, NOTIFIED, PARTITIONS, RATINGS, STATISTICS
from servers.embedded.kafka import EmbeddedKafka
from servers.topics import Record, write

ENRICHED_RATING = {
    "rating_id": 604087,
    "user_id": 7,
    "stars": 1,
    "route_id": 2777,
    "rating_time": 1528800546808,
    "channel": "android",
    "message": "meh",
    "rating_ts": 1528800546808,
    "first_name": None,
    "last_name": None,
    "full_name": None,
    "email": None,
    "club_status": None,
    "region": None,
    "source_partition": 0,
    "source_offset": 12,
}
ALERT = {
    "rating_id": 604087,
    "user_id": 2,
    "full_name": "Ruthie Brockherst",
    "email": "rbrockherst1@ow.ly",
    "club_status": "platinum",
    "stars": 1,
    "channel": "android",
    "message": "meh",
    "rating_ts": 1528800546808,
    "source_partition": 0,
    "source_offset": 12,
}
INTENT: dict[str, Any] = {
    "type": "intent.v1",
    "notice": {"id": "a", "to": "", "keys": ["a rule/7"], "about": "user 1", "at": 1, "body": {}},
}
LETTER = {
    "topic": RATINGS,
    "partition": 0,
    "offset": 13,
    "timestamp": 1528800546808,
    "key": b64encode(b"604088").decode(),
    "value": "",
    "step": "decode_ratings",
    "error": "EmptyValue",
    "message": "the value is empty",
}


def without(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {field: value for field, value in record.items() if field != name}


@pytest.mark.parametrize(
    ("topic", "record", "expected"),
    [
        (ENRICHED, ENRICHED_RATING, Enriched(604087, 1, "android", None)),
        (
            ALERTS,
            ALERT,
            Alert(604087, "Ruthie Brockherst", "rbrockherst1@ow.ly", "platinum", 1, "android", "meh"),
        ),
        (DEAD_LETTERS, LETTER, DeadLetter(604088)),
        (NOTIFIED, INTENT, Intent("a", False, [7])),
        (NOTIFIED, INTENT | {"notice": INTENT["notice"] | {"about": None}}, Intent("a", True, [7])),
        (NOTIFIED, {"type": "ended.v1", "id": "a", "at": 1, "outcome": "told"}, Ended("a")),
        (NOTIFIED, {"type": "taken.v1", "entry": {}}, Taken()),
        (STATISTICS, {"window_start": 1, "dimension": "all", "count": 3, "alerts": 2}, Statistic(1, "all", 3, 2)),
    ],
)
def test_what_the_job_writes_is_read(topic: str, record: dict[str, Any], expected: Output) -> None:
    assert decode_output(topic, json.dumps(record).encode()) == expected


@pytest.mark.parametrize(
    ("topic", "value", "why"),
    [
        (ENRICHED, None, ENRICHED),
        (ENRICHED, b"{", ENRICHED),
        (ENRICHED, json.dumps(without(ENRICHED_RATING, "club_status")).encode(), "club_status"),
        (ALERTS, json.dumps(without(ALERT, "email")).encode(), "email"),
        (DEAD_LETTERS, json.dumps(LETTER | {"key": None}).encode(), DEAD_LETTERS),
        (DEAD_LETTERS, json.dumps(LETTER | {"key": "no base64"}).encode(), DEAD_LETTERS),
        (NOTIFIED, b"{}", NOTIFIED),
        (NOTIFIED, b'{"type":"ended.v1","id":"a","outcome":"refused"}', "a message was refused"),
        (DEAD_LETTERS, json.dumps(LETTER | {"topic": CUSTOMERS}).encode(), "EmptyValue: the value is empty"),
    ],
)
def test_what_breaks_the_contract_is_named(topic: str, value: bytes | None, why: str) -> None:
    output = decode_output(topic, value)
    assert isinstance(output, Unreadable)
    assert output.why.startswith(topic)
    assert why in output.why


def test_all_partitions_of_all_outputs_are_read_from_their_beginning() -> None:
    with EmbeddedKafka() as kafka:
        for topic, partitions in PARTITIONS.items():
            kafka.create_topic(topic, partitions)
        for topic, record in ((ENRICHED, ENRICHED_RATING), (ALERTS, ALERT), (DEAD_LETTERS, LETTER)):
            records = [Record(None, json.dumps(record), partition) for partition in range(PARTITIONS[topic])]
            write(kafka.bootstrap, topic, records)
        with Outputs(kafka.bootstrap) as outputs:
            came: list[Output] = []
            for _ in range(200):
                came += outputs.outputs(0.1)
                if len(came) == 9:
                    break
    assert sorted(type(output).__name__ for output in came) == ["Alert"] * 4 + ["DeadLetter"] + ["Enriched"] * 4
