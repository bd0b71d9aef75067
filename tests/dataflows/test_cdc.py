"""The main job on customers from a real database by real change data capture, in each form that Debezium gives them.

What the join knows is seen from outside: through an enriched rating of every user. It must be what the table holds.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from demo.generate.avro import SCHEMA
from messages.registry import Registry as RegistryClient
from servers import debezium
from servers.connect import Connect
from servers.debezium import FORMS, Form
from servers.job import Job
from servers.kafka import Kafka
from servers.mariadb import MariaDB
from servers.registry import Registry
from tests.dataflows.rated import DEADLINE_SECONDS, Encode, Ratings, Row, create_topics, to_avro, to_json

CHANGES = int(os.environ.get("CDC_CHANGES", "10000"))
KILLED: list[Form] = list(FORMS) if "CDC_CHANGES" in os.environ else ["flattened", "envelope-avro"]
"""In `make soak` all."""
SNAPSHOT_ROWS = int(os.environ.get("CDC_SNAPSHOT_ROWS", "20000"))
CUSTOMERS_PARTITIONS = 3
COLUMNS = ("first_name", "last_name", "email", "club_status", "region")
SENTINELS = range(2_000_000_000, 2_000_000_040)
"""The last rows to be inserted: so many that each partition has one, whatever their keys' hashes."""
GRACE_SECONDS = 1


class Database:
    """Random changes of the table: single, in transactions, rolled back."""

    def __init__(self, mariadb: MariaDB, seed: int) -> None:
        self._mariadb = mariadb
        self._random = random.Random(seed)
        self._next_id = 1000
        self.present: list[int] = [id_ for (id_,) in mariadb.execute("SELECT id FROM CUSTOMERS")]
        self.ever = set(self.present)

    def change(self, count: int, between: Callable[[], None]) -> None:
        """Make so many changes, in transactions of 1 to 40; call ``between`` after each transaction."""
        with closing(self._mariadb.connect()) as connection, connection.cursor() as cursor:
            while count > 0:
                connection.begin()
                before = list(self.present)
                for _ in range(min(count, self._random.choice([1, 1, 2, 5, 40]))):
                    cursor.execute(*self._statement())
                    count -= 1
                if self._random.random() < 0.1:
                    connection.rollback()
                    self.present = before
                else:
                    connection.commit()
                between()

    def finish(self) -> None:
        """Insert the sentinels."""
        rows = ", ".join(f"({id_}, 'sentinel')" for id_ in SENTINELS)
        self._mariadb.execute(f"INSERT INTO CUSTOMERS (id, first_name) VALUES {rows}")  # noqa: S608
        self.ever |= set(SENTINELS)

    def table(self) -> dict[int, Row]:
        rows = self._mariadb.execute(f"SELECT id, {', '.join(COLUMNS)} FROM CUSTOMERS")  # noqa: S608
        return {id_: dict(zip(COLUMNS, row, strict=True)) for id_, *row in rows}

    def _statement(self) -> tuple[str, tuple[object, ...]]:
        names, marks = ", ".join(("id", *COLUMNS)), ", ".join(["%s"] * (len(COLUMNS) + 1))
        insert = f"INTO CUSTOMERS ({names}) VALUES ({marks})"
        kind = self._random.random()
        if kind < 0.3 or not self.present:
            return f"INSERT {insert}", (self._newcomer(), *self._row())
        one = self._random.choice(self.present)
        if kind < 0.6:
            changes = ", ".join(f"{column} = %s" for column in COLUMNS)
            return f"UPDATE CUSTOMERS SET {changes} WHERE id = %s", (*self._row(), one)  # noqa: S608
        if kind < 0.7:
            return f"REPLACE {insert}", (one, *self._row())
        if kind < 0.75:
            return f"INSERT {insert} ON DUPLICATE KEY UPDATE email = 'upserted'", (one, *self._row())
        if kind < 0.8:
            return "UPDATE CUSTOMERS SET comments = %s WHERE id %% 7 = %s", ("many rows", self._random.randrange(7))
        self.present.remove(one)
        if kind < 0.9:
            return "UPDATE CUSTOMERS SET id = %s WHERE id = %s", (self._newcomer(), one)
        return "DELETE FROM CUSTOMERS WHERE id = %s", (one,)

    def _newcomer(self) -> int:
        # Now and then one who was deleted comes back.
        gone = sorted(self.ever - set(self.present))
        id_ = self._random.choice(gone) if gone and self._random.random() < 0.3 else self._next_id
        self._next_id += 1
        self.present.append(id_)
        self.ever.add(id_)
        return id_

    def _row(self) -> tuple[str | None, ...]:
        pick = self._random.choice
        return (
            pick(["Rica", "Zoë", "", None, "Даша"]),
            pick(["Blaisdell", "O'Neil 😀", 'a"b\\c', None]),
            pick([f"user{self._random.randrange(10**6)}@example.com", None]),
            pick(["platinum", "gold", "silver", "bronze", None]),
            pick(["EMEA", None]),
        )


class Stage:
    """The connector, the topics and the job of one test."""

    def __init__(
        self, form: Form, kafka: Kafka, mariadb: MariaDB, registry: Registry, connect: Connect, name: str, folder: Path
    ) -> None:
        self.topics = create_topics(kafka, name)
        self._register = partial(
            connect.register, form, prefix=name, partitions=CUSTOMERS_PARTITIONS, seconds=60 + SNAPSHOT_ROWS / 2000
        )
        encode: Encode = to_json
        if form.endswith("avro"):
            encode = to_avro(RegistryClient(registry.url).register(f"{self.topics['ratings']}-value", SCHEMA))
        self.ratings = Ratings(kafka, self.topics, encode)
        self.database = Database(mariadb, seed=len(form))
        self.job = Job(
            folder,
            {
                **{f"{output.upper()}_TOPIC": topic for output, topic in self.topics.items()},
                "CUSTOMERS_TOPIC": debezium.topic(name),
                "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
                "KAFKA_GROUP_ID": name,
                "SCHEMA_REGISTRY_URL": registry.url,
                "UNMATCHED_GRACE_SECONDS": str(GRACE_SECONDS),
            },
        )

    def connect(self) -> None:
        """Register the connector; return when its snapshot is written."""
        self._register()

    def change(self, count: int) -> None:
        """Change customers, and rate by some of all there ever were."""
        pick = random.Random(count)
        users = sorted(self.database.ever)
        self.database.change(count, lambda: self.ratings.rate(*pick.sample(users, 5)))

    def finish(self) -> Counter[tuple[int, int]]:
        """Wait until the join has all changes; rate by everybody, and compare; how often each rating is out."""
        self.database.finish()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            self.ratings.rate(*SENTINELS)
            latest = self.ratings.latest()
            if all(latest.get(id_, {}).get("first_name") == "sentinel" for id_ in SENTINELS):
                break
            assert self.job.running(), self.job.tail()
            assert time.monotonic() < deadline, f"the job does not see the last changes: {self.job.tail()}"
        self.ratings.rate(*sorted(self.database.ever))
        found = self.ratings.wait_for_all()
        assert self.job.stop() == [0], self.job.tail()
        table, latest = self.database.table(), self.ratings.latest()
        nobody = dict.fromkeys(COLUMNS)
        known = {id_: {column: latest[id_][column] for column in COLUMNS} for id_ in self.database.ever}
        assert known == {id_: table.get(id_, nobody) for id_ in self.database.ever}
        return found


@pytest.fixture
def stage(
    kafka: Kafka,
    mariadb: MariaDB,
    registry: Registry,
    connect: Connect,
    topics: Callable[[str], str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Stage]:
    form: Form = request.param
    name = topics(form)
    mariadb.seed()
    stage = Stage(form, kafka, mariadb, registry, connect, name, tmp_path)
    yield stage
    stage.job.kill()
    stage.ratings.close()
    connect.unregister(name)


@pytest.mark.parametrize("stage", FORMS, indirect=True)
def test_the_joins_table_is_the_databases(stage: Stage, mariadb: MariaDB) -> None:
    stage.connect()
    with stage.job:
        stage.change(CHANGES // 2)
        mariadb.execute("ALTER TABLE CUSTOMERS ADD COLUMN points INT DEFAULT 5")
        try:
            stage.change(CHANGES // 2)
        finally:
            mariadb.execute("ALTER TABLE CUSTOMERS DROP COLUMN points")
        found = stage.finish()
    assert set(found.values()) == {1}


@pytest.mark.parametrize("stage", KILLED, indirect=True)
def test_kills_of_connect_and_of_the_job(stage: Stage, connect: Connect) -> None:
    stage.connect()
    with stage.job:
        stage.change(CHANGES // 3)
        connect.kill()
        stage.change(CHANGES // 3)
        stage.job.kill()
        stage.change(CHANGES // 3)
        connect.start()
    with stage.job:
        stage.finish()


@pytest.mark.parametrize("stage", ["envelope-avro"], indirect=True)
def test_a_snapshot_is_read_as_fast_as_it_is_written(stage: Stage, mariadb: MariaDB) -> None:
    ids = range(1_000_000, 1_000_000 + SNAPSHOT_ROWS)
    with closing(mariadb.connect()) as connection, connection.cursor() as cursor:
        for first in range(ids.start, ids.stop, 1000):
            rows = [(id_, f"First {id_}", f"Last {id_}", f"{id_}@example.com") for id_ in range(first, first + 1000)]
            cursor.executemany("INSERT INTO CUSTOMERS (id, first_name, last_name, email) VALUES (%s, %s, %s, %s)", rows)
    some = random.Random(1).sample(ids, 100)
    with stage.job:
        began = time.monotonic()
        stage.connect()
        written = time.monotonic()
        while True:
            stage.ratings.rate(*some)
            latest = stage.ratings.latest()
            if all(latest.get(id_, {}).get("first_name") == f"First {id_}" for id_ in some):
                break
            assert stage.job.running(), stage.job.tail()
            assert time.monotonic() - written < 30, "the job does not see the rows"
        print(f"a snapshot of {len(ids):,} rows: {written - began:.1f} s; ", end="")
        print(f"{time.monotonic() - written:.1f} s later they were in the join")
        stage.ratings.wait_for_all()
        assert stage.job.stop() == [0], stage.job.tail()


@pytest.mark.parametrize("stage", ["flattened"], indirect=True)
def test_the_articles_demo(stage: Stage, mariadb: MariaDB) -> None:
    """Rick Astley joins, tells his address, becomes platinum, is unhappy, and leaves."""

    def rate_until(stars: int = 3, **expected: object) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            stage.ratings.rate(42, stars=stars)
            stage.ratings.wait_for_all()
            latest = stage.ratings.latest()[42]
            if {name: latest[name] for name in expected} == expected:
                return
            assert time.monotonic() < deadline, latest

    stage.connect()
    rick: Row = {"first_name": "Rick", "last_name": "Astley", "full_name": "Rick Astley"}
    with stage.job:
        rate_until(full_name=None, email=None)
        mariadb.execute("INSERT INTO CUSTOMERS (id, first_name, last_name) VALUES (42, 'Rick', 'Astley')")
        rate_until(**rick, email=None, club_status=None)
        mariadb.execute("UPDATE CUSTOMERS SET email = 'rick@example.com' WHERE id = 42")
        rate_until(**rick, email="rick@example.com", club_status=None)
        mariadb.execute("UPDATE CUSTOMERS SET club_status = 'platinum' WHERE id = 42")
        rate_until(**rick, email="rick@example.com", club_status="platinum")
        assert stage.ratings.read("alerts") == []
        stage.ratings.rate(42, stars=1)
        stage.ratings.wait_for_all()
        (alert,) = stage.ratings.read("alerts", seconds=3)
        assert {name: alert[name] for name in ("full_name", "email", "stars", "club_status")} == {
            "full_name": "Rick Astley",
            "email": "rick@example.com",
            "stars": 1,
            "club_status": "platinum",
        }
        mariadb.execute("DELETE FROM CUSTOMERS WHERE id = 42")
        rate_until(stars=3, full_name=None, email=None, club_status=None)
        stage.ratings.rate(42, stars=1)
        stage.ratings.wait_for_all()
        assert len(stage.ratings.read("alerts", seconds=2)) == 1
        assert stage.job.stop() == [0], stage.job.tail()
