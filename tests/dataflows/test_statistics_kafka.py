"""The statistics of the main job on a real Kafka, with late ratings and kills, beside what DuckDB computes."""

import json
import os
import random
import time
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from servers.job import Job
from servers.kafka import Kafka
from servers.topics import Reader
from sources.kafka.topics import Topics
from tests.dataflows.test_kafka import after_the_first_outputs
from tests.dataflows.world import Names, Outputs, World

RATINGS, KILLS = int(os.environ.get("WORLD_RATINGS", "6000")), 10 if "KILLS" in os.environ else 2
WINDOW, LATENESS = 10, 30 if "KILLS" in os.environ else 10
"""Seconds. A partition that a busy process does not read for longer than the lateness is not waited for."""
BEGIN, MINUTES = (int(time.time()) - 4 * 3600) * 1000, 10
DEADLINE_SECONDS = 120
DIMENSIONS = "channel", "club_status", "region"

FIGURES = """
    count(*), avg(rated), median(rated), count(*) FILTER (rated < 3),
    (count(*) FILTER (rated < 3)) / nullif(count(rated), 0), sum(alerts)::BIGINT, count(*) FILTER (is_unknown),
    {}, count(*) FILTER (rated IS NULL AND stars IS NOT NULL), count(*) FILTER (stars IS NULL)
""".format(", ".join(f"count(*) FILTER (rated = {stars})" for stars in range(1, 6)))
FIELDS = (
    "count", "mean", "median", "poor", "poor_share", "alerts", "unknown_customers",
    "stars_1", "stars_2", "stars_3", "stars_4", "stars_5", "stars_other", "stars_none",
)  # fmt: skip

Statistics = dict[tuple[int, str, str | None], tuple[Any, ...]]
"""The figures by begin of the window, dimension and value."""


@pytest.fixture
def world(kafka: Kafka, names: Names) -> World:
    names["statistics"] = f"{names['ratings']}-statistics"
    for name, partitions in {"ratings": 3, "enriched": 2, "alerts": 1, "dead_letters": 1}.items():
        kafka.create_topic(names[name], partitions=partitions)
    kafka.create_topic(names["customers"], partitions=2, cleanup_policy="compact")
    world = World(kafka.bootstrap, names, random.Random(5), too_many_stars=0.02)
    world.change_customers(range(1, 501), changes=100)
    return world


class Written:
    """The statistics topic, of whose keys the last message counts."""

    def __init__(self, world: World) -> None:
        self._reader = Reader(world.bootstrap, world.topics["statistics"])
        self._last: dict[bytes, dict[str, Any]] = {}

    def read(self) -> Statistics:
        self._last |= {message.key() or b"": json.loads(message.value() or b"") for message in self._reader.read()}
        return {
            (row["window_start"], row["dimension"], row["value"]): tuple(row[field] for field in FIELDS)
            for row in self._last.values()
        }

    def wait(self, ratings: int, job: Job) -> None:
        """Until so many ratings are counted."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (found := sum(figures[0] for key, figures in self.read().items() if key[1] == "all")) < ratings:
            assert job.running(), job.tail()
            assert time.monotonic() < deadline, f"{found} of {ratings} ratings are counted"
            time.sleep(0.1)

    def close(self) -> None:
        self._reader.close()


def computed(world: World, outputs: Outputs, late: set[tuple[int, int]]) -> Statistics:
    """What DuckDB makes of the enriched ratings and the alerts, without those that are late."""
    alerts = Counter((row["source_partition"], row["source_offset"]) for _, row in outputs.read("alerts"))
    rows = [
        {
            **{name: row[name] for name in ("stars", "rating_ts", *DIMENSIONS)},
            "is_unknown": row["user_id"] not in world.customers,
            "alerts": alerts[place],
        }
        for _, row in outputs.read("enriched")
        if (place := (row["source_partition"], row["source_offset"])) not in late
    ]
    assert sum(row["alerts"] for row in rows) > RATINGS // 100
    found: Statistics = {}
    with duckdb.connect() as oracle:
        oracle.register("rows", pa.Table.from_pylist(rows))
        oracle.execute(
            "CREATE TABLE rated AS SELECT *, rating_ts // $1 * $1 AS begin, "
            "CASE WHEN stars BETWEEN 1 AND 5 THEN stars END AS rated FROM rows",
            [WINDOW * 1000],
        )
        for dimension in ("all", *DIMENSIONS):
            value = "NULL::VARCHAR" if dimension == "all" else dimension
            groups = oracle.table("rated").aggregate(f"begin, {value} AS value, {FIGURES}", f"begin, {value}")
            for begin, of, *figures in groups.fetchall():
                found[begin, dimension, of] = tuple(figures)
    return found


def write(world: World, ratings: int, begin: int, milliseconds: int) -> set[tuple[int, int]]:
    """Write ratings whose times lie in a span, out of order by less than the lateness; where they are."""
    before, number = set(world.ratings), count()
    world.time = lambda: begin + next(number) * milliseconds // ratings + world.random.randrange(LATENESS * 1000)
    world.rate(ratings, lambda: world.random.randrange(1, 600))
    return world.ratings.keys() - before


def close_windows(world: World, job: Job, written: Written) -> None:
    """Write ratings of later hours until the windows before have been closed by a snapshot that is durable."""
    until = time.monotonic() + LATENESS
    rounds = 0
    while rounds < 8 or time.monotonic() < until:
        write(world, 12, BEGIN + 3_600_000, 1000)
        written.wait(len(world.ratings), job)
        rounds += 1


@pytest.mark.parametrize("processes", [1, 2])
def test_statistics_equal_what_duckdb_computes_through_kills(
    world: World, outputs: Outputs, tmp_path: Path, processes: int
) -> None:
    settings = world.settings(
        STATISTICS_WINDOW_SECONDS=str(WINDOW), STATISTICS_LATENESS_SECONDS=str(LATENESS), UNMATCHED_GRACE_SECONDS="1"
    )
    job, written = Job(tmp_path, settings, processes=processes), Written(world)
    share, span = RATINGS // (KILLS + 1), MINUTES * 60_000 // (KILLS + 1)
    for number in range(KILLS):
        with job:
            write(world, share, BEGIN + number * span, span)
            after_the_first_outputs(world, outputs)
            job.kill()
    with job:
        write(world, share, BEGIN + KILLS * span, span)
        written.wait(len(world.ratings), job)
        close_windows(world, job, written)
        late = write(world, share, BEGIN, span)
        after_the_first_outputs(world, outputs)
        job.kill()
    with job:
        write(world, share, BEGIN + 7_200_000, span)
        outputs.wait(ratings=len(world.ratings), broken=len(world.broken), alive=job.running)
        assert job.stop() == [0] * processes, job.tail()
    found = written.read()
    written.close()
    expected = computed(world, outputs, late)
    assert found.keys() == expected.keys()
    assert {key: figures for key, figures in found.items() if figures != pytest.approx(expected[key])} == {}
    topics = Topics({"bootstrap.servers": world.bootstrap}, DEADLINE_SECONDS)
    assert topics.may_forget(world.topics["statistics"]) is None  # the job has made it a compacted one
