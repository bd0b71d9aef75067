"""A world of customers and ratings, written to Kafka in every form, and a model of what must come out of it.

The model knows what was meant, not how it was written: it shares no code with the flow.
"""

import json
import random
import time
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from confluent_kafka import Producer

from servers.topics import Reader

STATUSES = ["platinum", "Platinum", "gold", "silver", "bronze", None]
CHANNELS = ["web", "iOS", "ios", "iOS-test", "android", None]
TOO_MANY_STARS = 1000
"""More than the search index's type for stars (byte) can hold."""
COLUMNS = ("first_name", "last_name", "email", "club_status", "region")

Names = dict[str, str]
Row = dict[str, Any]
Where = tuple[int, int]


def settings(names: Names, bootstrap: str, **more: str) -> dict[str, str]:
    """The variables of a job on these topics, in a group of its own."""
    topics = {f"{name.upper()}_TOPIC": topic for name, topic in names.items()}
    group = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "KAFKA_GROUP_ID": names["ratings"]}
    return {**topics, **group, "UNMATCHED_GRACE_SECONDS": "1", **more}


@dataclass
class World:
    """What was written, and what must come of it."""

    bootstrap: str
    topics: Names
    random: random.Random
    customers: dict[int, Row] = field(default_factory=dict)
    ratings: dict[Where, Row] = field(default_factory=dict)
    broken: dict[tuple[str, int, int], tuple[bytes | None, bytes | None]] = field(default_factory=dict)
    next_rating: int = 1
    too_many_stars: float = 0.0
    time: Callable[[], int] = lambda: 0
    """The Kafka timestamp of the next message, epoch milliseconds; 0: now."""
    bulk: int = 0
    """So many bytes of noise are in each message."""

    def __post_init__(self) -> None:
        self.producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "linger.ms": 20,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,  # each rating is once on its topic, whatever happens to the broker
                "reconnect.backoff.max.ms": 500,
            }
        )

    def settings(self, **more: str) -> dict[str, str]:
        """The variables of a job in this world."""
        return settings(self.topics, self.bootstrap, **more)

    # What is written.

    def change_customers(self, ids: range, *, changes: int) -> None:
        """Insert customers, then change as many of them at random: updates, deletes, key changes, truncated input."""
        for customer in ids:
            self._put(customer, self._row(customer))
        for _ in range(changes):
            customer = self.random.choice(ids)
            kind = self.random.random()
            if kind < 0.5:
                self._put(customer, self._row(customer))
            elif kind < 0.8:
                self._delete(customer)
            elif kind < 0.9 and customer in self.customers:
                row = self.customers[customer]
                self._delete(customer)
                self._put(customer + 10_000_000, row)
            elif kind < 0.95:
                self._other()
            else:
                key, value = (
                    str(customer).encode(),
                    self.random.choice([b"{", b'{"id":1,"first_name":5}', b"\xff\xfe", b""]),
                )
                self._write("customers", key, value, self._remember_broken)
        self.producer.flush()

    def rate(self, count: int, users: Callable[[], int]) -> None:
        """Write ratings by ``users``, one in a hundred malformed, some with more stars than an index takes."""
        for number in range(count):
            if self.random.random() < 0.01:
                self._write("ratings", self._key(), self._malformed(), self._remember_broken)
            else:
                rating = self._rating(users())
                self._write("ratings", self._key(), self._in_some_form(rating), self._remember(rating))
            if number % 1000 == 0:
                self.producer.poll(0)
        self.producer.flush()

    # What must come of it.

    def enriched(self) -> dict[Where, Row]:
        expected = {}
        for where, rating in self.ratings.items():
            customer = self.customers.get(rating["user_id"], dict.fromkeys(COLUMNS))
            names = [name for name in (customer["first_name"], customer["last_name"]) if name]
            full_name = " ".join(names) or None
            source = {"source_partition": where[0], "source_offset": where[1]}
            expected[where] = {**rating, **customer, "full_name": full_name, **source}
        return expected

    def alerts(self) -> dict[Where, Row]:
        wanted = [
            "rating_id",
            "user_id",
            "full_name",
            "email",
            "club_status",
            "stars",
            "channel",
            "message",
            "rating_ts",
        ]
        return {
            where: {
                **{name: record[name] for name in [*wanted, "source_partition", "source_offset"]},
                "rule": "unhappy-platinum",
            }
            for where, record in self.enriched().items()
            if record["stars"] is not None
            and record["stars"] < 3
            and (record["club_status"] or "").lower() == "platinum"
            and "test" not in (record["channel"] or "").lower()
        }

    def check(self, outputs: "Outputs", *, duplicates: bool = False) -> Counter[str]:
        """Compare what came out with the model, record by record; the number of duplicates by topic."""
        found: Counter[str] = Counter()
        for name, expected in (("enriched", self.enriched()), ("alerts", self.alerts())):
            records = outputs.read(name)
            by_source: dict[Where, Row] = {}
            for key, value in records:
                where = value["source_partition"], value["source_offset"]
                assert key == str(value["user_id"]).encode()
                assert by_source.setdefault(where, value) == value, "a duplicate differs"
            found[name] = len(records) - len(by_source)
            missing, strangers = expected.keys() - by_source.keys(), by_source.keys() - expected.keys()
            assert not missing, f"{len(missing)} of {len(expected)} {name} are missing: {sorted(missing)[:3]}"
            assert not strangers, f"{len(strangers)} {name} too many"
            different = [where for where in expected if by_source[where] != expected[where]]
            assert not different, f"{len(different)} differ: {by_source[different[0]]} is not {expected[different[0]]}"
        letters = [letter for _, letter in outputs.read("dead_letters")]
        identity = itemgetter("topic", "partition", "offset", "step", "destination")
        by_step = {identity(letter): letter for letter in letters}
        found["dead_letters"] = len(letters) - len(by_step)
        by_place = {where[:3]: letter for where, letter in by_step.items() if letter["step"] != "search"}
        assert by_place.keys() == self.broken.keys()
        for place, (written_key, written) in self.broken.items():
            letter = by_place[place]
            assert (letter["key"], letter["value"]) == (_base64(written_key), _base64(written))
            assert letter["step"] == ("decode_ratings" if place[0] == self.topics["ratings"] else "decode_customers")
            assert letter["error"]
            assert letter["message"]
        assert duplicates or not +found, f"duplicates: {found}"
        return found

    def check_search(
        self, documents: dict[str, Row], alerts: dict[str, Row], outputs: "Outputs", *, duplicates: bool = False
    ) -> None:
        """Compare the indices' documents, by id, and the search branch's dead letters with the model."""
        enriched = self.enriched()
        fine = [record for record in enriched.values() if record["stars"] != TOO_MANY_STARS]
        assert documents == {str(record["rating_id"]): _document(record) for record in fine}
        assert alerts == {str(record["rating_id"]): _document(record) for record in self.alerts().values()}
        letters = self.search_letters(outputs)
        assert letters.keys() == {where for where, record in enriched.items() if record["stars"] == TOO_MANY_STARS}
        for of_one in letters.values():
            assert {(letter["topic"], letter["error"]) for letter in of_one} == {
                (self.topics["ratings"], "document_parsing_exception")
            }
            assert duplicates or len(of_one) == len({letter["destination"] for letter in of_one})

    def search_letters(self, outputs: "Outputs") -> dict[Where, list[Row]]:
        """The search branch's dead letters so far, by the place of the rating."""
        letters = defaultdict[Where, list[Row]](list)
        for _, letter in outputs.read("dead_letters"):
            if letter["step"] == "search":
                letters[letter["partition"], letter["offset"]].append(letter)
        return letters

    def lag(self, group: str) -> int:
        """How many ratings and changes of customers the group has not committed."""
        lag = 0
        for topic in (self.topics["ratings"], self.topics["customers"]):
            with Reader(self.bootstrap, topic, group_id=group) as reader:
                committed, ends = reader.committed(), reader.ends()
                lag += sum(end - max(offset, 0) for offset, end in zip(committed, ends, strict=True))
        return lag

    # How it is written.

    def _put(self, customer: int, row: Row) -> None:
        self.customers[customer] = row
        now = {"create_ts": "2018-06-12T11:47:30Z", "messagetopic": "asgard.demo.CUSTOMERS"}
        full = {"id": customer, **row, **now}
        before = {"id": customer, **dict.fromkeys(COLUMNS)}
        forms: list[Callable[[], Row]] = [
            lambda: full,
            lambda: {**full, "__deleted": "false", "__op": "u"},
            lambda: {"schema": {"type": "struct"}, "payload": full},
            lambda: {"before": None, "after": full, "source": {"ts_ms": 1}, "op": self.random.choice("cr"), "ts_ms": 2},
            lambda: {"schema": {}, "payload": {"before": before, "after": full, "op": "u"}},
            lambda: {name.upper(): column for name, column in full.items()},
            lambda: {name: column if column is None else {_avro(column): column} for name, column in full.items()},
        ]
        self._write("customers", self._customer_key(customer), _json(self.random.choice(forms)()))

    def _delete(self, customer: int) -> None:
        self.customers.pop(customer, None)
        row = {"id": customer, **dict.fromkeys(COLUMNS)}
        forms = [
            None,
            b"null",
            _json({"schema": None, "payload": None}),
            _json({**row, "__deleted": "true"}),
            _json({"before": row, "after": None, "op": "d"}),
        ]
        self._write("customers", self._customer_key(customer), self.random.choice(forms))

    def _other(self) -> None:
        others = [
            (b'{"databaseName":"demo"}', {"source": {}, "databaseName": "demo", "ddl": "ALTER", "tableChanges": []}),
            (b'{"serverName":"asgard"}', {"ts_ms": 1}),
            (b'{"id":"571:5"}', {"status": "BEGIN", "id": "571:5", "event_count": None, "data_collections": None}),
        ]
        key, value = self.random.choice(others)
        self._write("customers", key, _json(value))

    def _row(self, customer: int) -> Row:
        pick = self.random.choice
        return {
            "first_name": pick(["Rica", "Zoë", "", None, "Даша"]),
            "last_name": pick([f"Blaisdell {customer}", "O'Neil 😀", None]),
            "email": pick([f"user{customer}@example.com", None]),
            "club_status": pick(STATUSES),
            "region": pick(["EMEA", None]),
        }

    def _rating(self, user: int) -> Row:
        pick = self.random.choice
        self.next_rating += 1
        return {
            "rating_id": self.next_rating,
            "user_id": user,
            "stars": pick([1, 2, 3, 4, None]) if self.random.random() >= self.too_many_stars else TOO_MANY_STARS,
            "route_id": self.random.randrange(1, 9999),
            "rating_time": 1528800546808 + self.next_rating,
            "channel": pick(CHANNELS),
            "message": self._message(),
        }

    def _message(self) -> str | None:
        if self.bulk:
            return self.random.randbytes(self.bulk // 2).hex()
        return self.random.choice(["meh", "(expletive deleted)", "why is it so difficult ? “ñ”", None])

    def _in_some_form(self, rating: Row) -> bytes:
        kind = self.random.random()
        if kind < 0.8:
            items = list(rating.items())
            self.random.shuffle(items)
            return _json({**dict(items), "unknown": {"nested": [1, 2]}})
        if kind < 0.9:
            return _json({"schema": {"type": "struct"}, "payload": rating})
        return _json({name: item if item is None else {_avro(item): item} for name, item in rating.items()})

    def _malformed(self) -> bytes | None:
        return self.random.choice(
            [
                None,
                b"",
                b"null",
                b"not json",
                b'{"rating_id":1,"user_id":2',
                b'{"rating_id":1,"stars":2}',
                b'{"rating_id":1,"user_id":"seven"}',
                b'{"rating_id":1,"user_id":99999999999999999999}',
                b'{"rating_id":1,"user_id":1,"message":"\xff"}',
                b"[1,2]",
                b"\x00\x00\x00\x00\x01abc",
            ]
        )

    def _customer_key(self, customer: int) -> bytes:
        # One form a customer, or its changes would lie in several partitions, in no order.
        form = customer % 4
        if form == 0:
            return f'{{"id":{customer}}}'.encode()
        if form == 1:
            return str(customer).encode()
        if form == 2:
            return f'"{customer}"'.encode()
        return _json({"schema": {"type": "struct"}, "payload": {"id": customer}})

    def _key(self) -> bytes:
        return str(self.random.randrange(1_000_000)).encode()

    def _write(
        self, topic: str, key: bytes | None, value: bytes | None, remember: Callable[[Any, Any], None] | None = None
    ) -> None:
        while True:
            try:
                self.producer.produce(
                    self.topics[topic], value, key, on_delivery=remember or _delivered, timestamp=self.time()
                )
                return
            except BufferError:
                self.producer.poll(0.1)

    def _remember(self, rating: Row) -> Callable[[Any, Any], None]:
        def delivered(error: Any, message: Any) -> None:
            assert error is None
            self.ratings[message.partition(), message.offset()] = {**rating, "rating_ts": message.timestamp()[1]}

        return delivered

    def _remember_broken(self, error: Any, message: Any) -> None:
        assert error is None
        self.broken[message.topic(), message.partition(), message.offset()] = message.key(), message.value()


class Outputs:
    """Reads the output topics, from their beginning, as far as they are written."""

    def __init__(self, world: World, parse_enriched: Callable[[bytes], Row] = json.loads) -> None:
        self._world = world
        parsers: dict[str, Callable[[bytes], Row]] = {"alerts": json.loads, "dead_letters": json.loads}
        self._parsers = {**parsers, "enriched": parse_enriched}
        self._records: dict[str, list[tuple[bytes, Row]]] = {"enriched": [], "alerts": [], "dead_letters": []}
        self._readers = {name: Reader(world.bootstrap, world.topics[name]) for name in self._records}

    def read(self, name: str) -> list[tuple[bytes, Row]]:
        """All records of an output so far: keys and parsed values."""
        records, parse = self._records[name], self._parsers[name]
        records += [(message.key() or b"", parse(message.value() or b"")) for message in self._readers[name].read()]
        return records

    def size(self, name: str) -> int:
        """How many messages an output has."""
        return sum(self._readers[name].ends())

    def sizes(self) -> list[int]:
        """How many messages each output has."""
        return [self.size(name) for name in self._readers]

    def wait(self, *, ratings: int, broken: int, quiet: float = 90, alive: Callable[[], bool] = lambda: True) -> None:
        """Until so many different ratings and dead letters are out, or no more came for a while, or nobody writes."""
        patience = Patience(quiet)
        while alive():
            different = {(value["source_partition"], value["source_offset"]) for _, value in self.read("enriched")}
            letters = len(self.read("dead_letters"))
            if (len(different) >= ratings and letters >= broken) or not patience.lasts(len(different) + letters):
                return
            time.sleep(0.5)

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()


class Patience:
    """Ends when a number has not changed for a while. How long the work takes in all depends on what else runs."""

    def __init__(self, seconds: float = 90) -> None:
        self._seconds, self._number, self._until = seconds, -1, 0.0

    def lasts(self, number: int) -> bool:
        """Whether the number is another one than at the last call, or was so within the seconds."""
        if number != self._number:
            self._number, self._until = number, time.monotonic() + self._seconds
        return time.monotonic() < self._until


def _document(record: Row) -> Row:
    return {"@timestamp": record["rating_ts"], **record}


def _delivered(error: Any, _message: Any) -> None:
    assert error is None, error


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _avro(value: object) -> str:
    return "long" if isinstance(value, int) else "string"


def _base64(content: bytes | None) -> str | None:
    return None if content is None else b64encode(content).decode()
