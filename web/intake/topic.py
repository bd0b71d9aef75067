"""The ratings topic: the producer of the intake, and the bound of what waits in it."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from prometheus_client import Counter, Gauge, Histogram

from web.intake.answers import Coordinates, Refusal, Refused
from web.intake.body import Posted

log = logging.getLogger(__name__)

_accepted = Counter("intake_ratings", "Ratings that Kafka acknowledged to the intake")
_failed = Counter("intake_ratings_not_acknowledged", "Ratings that the intake wrote and Kafka did not acknowledge")
_waiting = Gauge("intake_ratings_waiting", "Ratings in the intake that wait for the acknowledgement of Kafka")
_seconds = Histogram(
    "intake_acknowledgement_seconds",
    "Duration from a valid request to the acknowledgement of its last rating",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)

_BUSY_SECONDS = 0.002
_IDLE_SECONDS = 0.5
"""From one look for reports to the next, while ratings wait for theirs, and otherwise."""
_SPARE_SECONDS = 5.0
"""librdkafka looks for messages whose time is up once a second."""

_DEFAULTS: dict[str, Any] = {
    "linger.ms": 5,
    "batch.size": 1_000_000,
    "batch.num.messages": 100_000,  # the size alone limits a batch
    "compression.type": "lz4",
    # As Java's clients place keys.
    "partitioner": "murmur2_random",
}


class Topic:
    """Writes ratings to the topic, and waits for their acknowledgement; all in one event loop."""

    def __init__(
        self,
        name: str,
        properties: Mapping[str, Any],
        max_ratings: int,
        max_bytes: int,
        seconds: float,
        on_fatal: Callable[[], None],
    ) -> None:
        """Make the producer; it connects by itself.

        Args:
            name: of the topic.
            properties: of librdkafka.
            max_ratings: that may wait for their acknowledgement.
            max_bytes: of those.
            seconds: that a rating may wait.
            on_fatal: is called when the producer cannot go on.

        Raises:
            KafkaException: librdkafka refuses the properties.
        """
        self._name, self._seconds, self._on_fatal = name, seconds, on_fatal
        self.fatal = False
        """Whether the producer cannot go on."""
        self._max_ratings, self._max_bytes = max_ratings, max_bytes
        self._waiting, self._waiting_bytes = 0, 0
        self._wake = asyncio.Event()
        self._producer = Producer(
            {
                **_DEFAULTS,
                **properties,
                "enable.idempotence": True,
                "message.timeout.ms": int(seconds * 1000),
                # The bounds of this class come first, so that a list is written whole or not at all.
                "queue.buffering.max.messages": max_ratings + 100_000,
                "queue.buffering.max.kbytes": 2 * max_bytes // 1024,
                "error_cb": self._on_error,
            }
        )

    async def run(self) -> None:
        """Take librdkafka's reports, until it is cancelled.

        In the event loop, not in a thread: librdkafka's client takes the interpreter's lock once for each report, and
        two busy threads would take it from each other for each rating.
        """
        while True:
            self._producer.poll(0)
            if self._waiting:
                await asyncio.sleep(_BUSY_SECONDS)
            else:
                self._wake.clear()
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _IDLE_SECONDS)

    async def write(self, ratings: Sequence[Posted]) -> list[Coordinates]:
        """Write ratings, and wait until Kafka has acknowledged all of them.

        Raises:
            Refusal: there is no room for all of them, and none was written; or some were not acknowledged.
        """
        size = sum(len(key) + len(value) for key, value in ratings)
        if self._waiting + len(ratings) > self._max_ratings or self._waiting_bytes + size > self._max_bytes:
            raise Refusal(Refused("queue_full", "too many ratings wait for Kafka: send the request again later"))
        began, request = time.monotonic(), _Request(self._name, len(ratings))
        self._take(len(ratings), size)
        try:
            self._produce(ratings, request)
            await request.wait(self._seconds + _SPARE_SECONDS)
        finally:
            # What a cancelled request leaves in the queue of librdkafka has the bounds of that queue.
            self._take(-len(ratings), -size)
            _accepted.inc(request.acknowledged)
            _failed.inc(len(ratings) - request.acknowledged)
        _seconds.observe(time.monotonic() - began)
        return request.coordinates()

    def close(self, seconds: float) -> int:
        """Wait for everything that is under way; return the number of ratings that were not acknowledged."""
        left: int = self._producer.flush(seconds)
        return left

    def _take(self, ratings: int, size: int) -> None:
        self._waiting += ratings
        self._waiting_bytes += size
        _waiting.inc(ratings)
        self._wake.set()

    def _produce(self, ratings: Sequence[Posted], request: "_Request") -> None:
        produce, name, report = self._producer.produce, self._name, request.report
        for index, (key, value) in enumerate(ratings):
            try:
                produce(name, value, key, on_delivery=partial(report, index))
            except (BufferError, KafkaException) as error:
                request.give_up(len(ratings) - index, str(error))
                return

    def _on_error(self, error: KafkaError) -> None:
        # That Kafka is away is told by the health, once.
        log.log(logging.ERROR if error.fatal() else logging.DEBUG, "producer error: %s", error.str())
        if error.fatal():
            self.fatal = True
            self._on_fatal()


class _Request:
    """The ratings of one request on their way."""

    def __init__(self, topic: str, count: int) -> None:
        self._topic, self._left, self._why = topic, count, "no answer"
        self._places: list[Coordinates | None] = [None] * count
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def acknowledged(self) -> int:
        """The number of ratings that Kafka has."""
        return sum(place is not None for place in self._places)

    def report(self, index: int, error: KafkaError | None, message: Message) -> None:
        """Take librdkafka's report about the rating at ``index``."""
        if error is None:
            self._places[index] = Coordinates(self._topic, message.partition(), message.offset())  # type: ignore[arg-type]  # it was written
        else:
            self._why = error.str()
        self._settle(1)

    def give_up(self, count: int, why: str) -> None:
        """Expect no report about so many ratings."""
        self._why = why
        self._settle(count)

    async def wait(self, seconds: float) -> None:
        """Wait until every rating has its report, or so long."""
        await asyncio.wait([self._done], timeout=seconds)

    def coordinates(self) -> list[Coordinates]:
        """The place of each rating.

        Raises:
            Refusal: some were not acknowledged.
        """
        places = [*self._places]
        there = [place for place in places if place is not None]
        if len(there) < len(places):
            reason = f"Kafka did not acknowledge {len(places) - len(there)} of {len(places)} ratings: {self._why}"
            raise Refusal(Refused("not_acknowledged", reason, accepted=places))
        return there

    def _settle(self, count: int) -> None:
        self._left -= count
        if self._left == 0 and not self._done.done():
            self._done.set_result(None)
