"""Ratings as a test writes them, in JSON or Avro, and what the main job makes of them."""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from confluent_kafka import Producer

from demo.generate.avro import SCHEMA, encoder
from messages.wire import frame
from servers.kafka import Kafka
from servers.topics import Reader

PARTITIONS = {"ratings": 2, "enriched": 1, "alerts": 1, "dead_letters": 1}
DEADLINE_SECONDS = 120

Row = dict[str, Any]
Encode = Callable[[Row], bytes]


def to_json(row: Row) -> bytes:
    return json.dumps(row).encode()


def to_avro(schema_id: int, schema: str = SCHEMA) -> Encode:
    """In the wire format, with a schema that the registry has under this id."""
    bare = encoder(schema)
    return lambda row: frame(schema_id, bare(row))


def create_topics(kafka: Kafka, name: str) -> dict[str, str]:
    """The topics of a job but that of customers; their names by what they are."""
    topics = {output: f"{name}-{output}" for output in PARTITIONS}
    for output, partitions in PARTITIONS.items():
        kafka.create_topic(topics[output], partitions=partitions)
    return topics


class Ratings:
    """Writes ratings and reads what comes of them."""

    def __init__(self, kafka: Kafka, topics: dict[str, str], encode: Encode = to_json) -> None:
        self._topics = topics
        self._encode = encode
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap})
        self.written: dict[tuple[int, int], int] = {}
        """The user by partition and offset."""
        self._readers = {name: Reader(kafka.bootstrap, topics[name]) for name in ("enriched", "alerts")}
        self.found: dict[str, list[Row]] = {name: [] for name in self._readers}

    def rate(self, *users: int, stars: int = 3, encode: Encode | None = None) -> None:
        for user in users:
            rating = {
                "rating_id": len(self.written) + 1,
                "user_id": user,
                "stars": stars,
                "route_id": 2777,
                "rating_time": 1_528_800_546_808,
                "channel": "android",
                "message": "worst. flight. ever. #neveragain",
            }
            value = (encode or self._encode)(rating)
            self._producer.produce(self._topics["ratings"], value, str(user * 31), on_delivery=self._remember(user))
        assert self._producer.flush(30) == 0

    def _remember(self, user: int) -> Callable[[Any, Any], None]:
        def delivered(error: Any, message: Any) -> None:
            assert error is None, error
            self.written[message.partition(), message.offset()] = user

        return delivered

    def read(self, name: str, seconds: float = 0.3) -> list[Row]:
        """All that is in an output after some time."""
        time.sleep(seconds)
        self.found[name] += [self.read_one(message.value() or b"") for message in self._readers[name].read()]
        return self.found[name]

    def latest(self) -> dict[int, Row]:
        """Each user's customer by the newest of the user's ratings that are out."""
        by_place = {(row["source_partition"], row["source_offset"]): row for row in self.read("enriched")}
        return {row["user_id"]: row for _, row in sorted(by_place.items(), key=lambda item: item[1]["rating_id"])}

    def wait_for_all(self) -> Counter[tuple[int, int]]:
        """Until every rating is out; how often each is."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            found = Counter((row["source_partition"], row["source_offset"]) for row in self.read("enriched"))
            missing = self.written.keys() - found.keys()
            if not missing:
                assert not found.keys() - self.written.keys()
                return found
            assert time.monotonic() < deadline, f"{len(missing)} of {len(self.written)} ratings are missing"

    read_one: Callable[[bytes], Row] = staticmethod(json.loads)
    """Reads the value of an output's message."""

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()
