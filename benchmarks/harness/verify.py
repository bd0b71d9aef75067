"""Whether a contestant's output is complete and right, record by record, and when it was appended."""

from array import array
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.harness.backlog import PARTITIONS
from benchmarks.harness.data import Data, enriched
from benchmarks.harness.outputs import Outputs
from servers.kafka import Kafka
from servers.topics import read

UNHAPPY_STARS = 2
RULE = "unhappy-platinum"
ALERT_FIELDS = (
    "rating_id",
    "user_id",
    "full_name",
    "email",
    "club_status",
    "stars",
    "channel",
    "message",
    "rating_ts",
    "source_partition",
    "source_offset",
)


class WrongOutput(RuntimeError):
    """A contestant wrote something wrong, twice, or not at all."""


@dataclass(frozen=True)
class Verified:
    """When the first and the last enriched rating were appended, epoch seconds; how many alerts there are."""

    first: float
    last: float
    alerts: int


class Verifier:
    """Knows what must come out of a backlog.

    Args:
        data: what the backlog was made of.
        places: where each rating lies, as `backlog.fill` returns it.
    """

    def __init__(self, data: Data, places: "array[int]") -> None:
        self._data = data
        self._places = places
        self._customers = [data.known(number) for number in range(1, data.customers + 1)]

    def enriched(self, number: int) -> dict[str, Any]:
        """The enriched rating of this number."""
        rating = self._data.rating(number)
        offset, partition = divmod(self._places[number], PARTITIONS)
        return enriched(rating, self._customers[rating["user_id"] - 1], partition, offset)

    def verify(self, kafka: Kafka, outputs: Outputs) -> Verified:
        """Compare every record of `outputs`.

        Raises:
            WrongOutput: with the first difference that was found.
        """
        alerting = self._verify_enriched(kafka, outputs, times := array("q"))
        alerts = len(alerting)
        for message in read(kafka.bootstrap, outputs.alerts):
            alert = orjson.loads(message.value() or b"null")
            number = alert["rating_id"]
            if number not in alerting:
                raise WrongOutput(f"an alert too many: {alert}")
            alerting.remove(number)
            rating = self.enriched(number)
            if alert != {**{name: rating[name] for name in ALERT_FIELDS}, "rule": RULE}:
                raise WrongOutput(f"alert: {alert}\nabout: {rating}")
        if alerting:
            raise WrongOutput(f"{len(alerting)} alerts are missing, one about rating {alerting.pop()}")
        for message in read(kafka.bootstrap, outputs.dead_letters):
            raise WrongOutput(f"a dead letter: {message.value()!r}")
        return Verified(min(times) / 1000, max(times) / 1000, alerts)

    def _verify_enriched(self, kafka: Kafka, outputs: Outputs, times: "array[int]") -> set[int]:
        """Append when each was appended, epoch milliseconds; return those that there must be an alert about."""
        seen = bytearray(self._data.ratings)
        alerting = set()
        for message in read(kafka.bootstrap, outputs.enriched):
            rating = orjson.loads(message.value() or b"null")
            number = rating["rating_id"]
            if not 0 <= number < len(seen) or seen[number]:
                raise WrongOutput(f"a rating too many: {rating}")
            seen[number] = True
            expected = self.enriched(number)
            if rating != expected or message.key() != b"%d" % expected["user_id"]:
                raise WrongOutput(f"{message.key()!r}: {rating}\nexpected: {expected}")
            if _unhappy_platinum(expected):
                alerting.add(number)
            times.append(message.timestamp()[1])
        if len(times) < len(seen):
            raise WrongOutput(f"{len(seen) - len(times)} ratings are missing, the first is {seen.index(0)}")
        return alerting


def _unhappy_platinum(rating: dict[str, Any]) -> bool:
    return rating["stars"] <= UNHAPPY_STARS and rating["club_status"] == "platinum" and "test" not in rating["channel"]
