"""Topics into the model, on an embedded Kafka: both formats, topics that come later, what cannot be read, an outage."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from messages.dead_letter import dead_letter, to_message
from records.alert import encoder
from records.customer import Customer
from records.enriched import Match, encode_matches
from records.enriched_avro import EnrichedAvro
from records.rating import Rating
from servers.embedded.kafka import EmbeddedKafka
from servers.topics import Record, write
from settings import Settings
from web.page.model import Model
from web.page.topics import Topics

SECONDS = 60
ENRICHED, ALERTS, LETTERS = "ratings-with-customer-data", "UNHAPPY_PLATINUM_CUSTOMERS", "ratings-dead-letters"
ADA = Customer("Ada", "Byron", "Ada Byron", "ada@example.com", "platinum", "EMEA")


def match(offset: int) -> Match:
    rating = Rating(offset, 7, 1, 1, 1, "web", "meh")
    rating.rating_ts, rating.source_partition, rating.source_offset = time.time_ns() // 1_000_000, 0, offset
    return Match(rating, ADA)


def running(kafka: EmbeddedKafka, steps: Callable[[Model, Topics], Awaitable[None]], **variables: str) -> Model:
    """Read while the steps run, and stop in order."""
    settings = Settings.load({"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, **variables})
    properties: dict[str, Any] = {**settings.properties}
    model = Model(60)
    topics = Topics(settings, properties, model)

    async def run() -> None:
        reading = asyncio.create_task(topics.run())
        await steps(model, topics)
        topics.reader.stop()
        await asyncio.wait_for(reading, SECONDS)

    asyncio.run(run())
    return model


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def test_everything_is_read() -> None:
    with EmbeddedKafka() as kafka:
        kafka.create_topic(ENRICHED, 2)
        kafka.create_topic(ALERTS, 1)
        avro = [Record(None, one.value, 1) for one in EnrichedAvro(3).encode([match(2), match(3)])]
        json = [Record(None, one.value, 0) for one in encode_matches([match(0), match(1)])]
        write(kafka.bootstrap, ENRICHED, [*json, *avro, Record(None, b"junk", 0), Record(None, None, 1)])
        kafka.create_topic("more", 1)
        for topic, rule in ((ALERTS, "strict"), ("more", "lax")):
            alerts = [Record(None, one.value, 0) for one in encoder(rule, ("stars",))([match(3)])]
            write(kafka.bootstrap, topic, [*alerts, Record(None, b"[]", 0)])

        async def steps(model: Model, topics: Topics) -> None:
            await until(lambda: model.unreadable == 4 and model.total == 4)
            await until(lambda: topics.reader.trouble == f"topic {LETTERS} does not exist yet")
            kafka.create_topic(LETTERS, 1)
            letter = dead_letter("ratings", 0, 9, -1, None, b"?", step="join", error="UnknownCustomer", message="why")
            key, value, _ = to_message(letter)
            write(kafka.bootstrap, LETTERS, [Record(key.encode(), value, 0), Record(None, b"junk", 0)])
            await until(lambda: model.unreadable == 5 and len(model.letters) == 1)
            assert topics.reader.trouble is None

        model = running(kafka, steps, PAGE_ALERTS_TOPICS=f"{ALERTS},more")
        assert [set(seen.rules) for _, seen in sorted(model.recent.items())] == [set(), set(), set(), {"strict", "lax"}]


@pytest.mark.parametrize(("last", "first_read"), [("4", 6), ("0", 10)])
def test_it_begins_near_the_end(last: str, first_read: int) -> None:
    with EmbeddedKafka() as kafka:
        for topic in (ENRICHED, ALERTS, LETTERS):
            kafka.create_topic(topic, 1)
        write(
            kafka.bootstrap, ENRICHED, [Record(None, one.value, 0) for one in encode_matches([*map(match, range(10))])]
        )

        async def steps(model: Model, topics: Topics) -> None:
            await until(lambda: topics.reader.trouble is None)
            write(kafka.bootstrap, ENRICHED, [Record(None, one.value, 0) for one in encode_matches([match(10)])])
            await until(lambda: (0, 10) in model.recent)

        model = running(kafka, steps, PAGE_READ_BACK=last)
        assert [offset for _, offset in model.recent] == [*range(first_read, 11)]


def test_an_outage_is_told_and_ends() -> None:
    with EmbeddedKafka() as kafka:
        for topic in (ENRICHED, ALERTS, LETTERS):
            kafka.create_topic(topic, 1)

        async def steps(model: Model, topics: Topics) -> None:
            await until(lambda: topics.reader.trouble is None)
            kafka.broker_down()
            await until(lambda: topics.reader.trouble is not None)
            kafka.broker_up()
            await until(lambda: topics.reader.trouble is None)
            write(kafka.bootstrap, ENRICHED, [Record(None, one.value, 0) for one in encode_matches([match(1)])])
            await until(lambda: model.total == 1)

        running(kafka, steps)
