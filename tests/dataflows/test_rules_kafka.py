"""Several rules at once on a real Kafka: each topic equals what DuckDB selects from the enriched topic."""

import json
import os
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from dataflows.rules import load
from records.columns import COLUMNS
from servers.job import Job
from servers.kafka import Kafka
from servers.topics import Reader
from tests.dataflows.test_kafka import after_the_first_outputs
from tests.dataflows.world import Names, Outputs, World

RATINGS = int(os.environ.get("WORLD_RATINGS", "6000"))
RULES = {
    "unhappy-platinum": ("alerts", load(None, "alerts")[0].where),
    "no.body": ("further", "full_name IS NULL AND stars IN (1, 2)"),
    "words": ("further", "LENGTH(COALESCE(message, channel, '')) % 2 = 1 AND NOT (stars BETWEEN 2 AND 3)"),
    "gold": ("alerts", "UPPER(TRIM(club_status)) LIKE 'GO_D' OR CONCAT(region, channel) = 'EMEAweb'"),
}
"""Topic and condition of each rule: that of a job without a file, and three more."""
DUCKDB = {"text": "VARCHAR", "integer": "BIGINT", "timestamp": "BIGINT"}


@pytest.fixture
def world(kafka: Kafka, names: Names) -> World:
    names["further"] = f"{names['alerts']}-further"
    for name, partitions in {"ratings": 3, "enriched": 2, "alerts": 1, "dead_letters": 1, "further": 2}.items():
        kafka.create_topic(names[name], partitions=partitions)
    kafka.create_topic(names["customers"], partitions=2, cleanup_policy="compact")
    world = World(kafka.bootstrap, names, random.Random(11))
    world.change_customers(range(1, 501), changes=100)
    return world


def file_of_rules(folder: Path, names: Names) -> Path:
    file = folder / "rules.toml"
    file.write_text(
        "".join(
            f'[[rules]]\nname = "{name}"\nwhere = """{where}"""\n'
            + (f'topic = "{names[topic]}"\n' if topic != "alerts" else "")
            for name, (topic, where) in RULES.items()
        )
    )
    return file


def selected(enriched: list[dict[str, Any]]) -> dict[str, Counter[tuple[int, int]]]:
    """What DuckDB selects for each rule: partition and offset of the ratings."""
    with duckdb.connect() as oracle:
        oracle.execute(f"CREATE TABLE enriched ({', '.join(f'{one.name} {DUCKDB[one.kind]}' for one in COLUMNS)})")
        oracle.register(
            "read", pa.Table.from_pylist([{one.name: row[one.name] for one in COLUMNS} for row in enriched])
        )
        oracle.execute("INSERT INTO enriched SELECT * FROM read")
        query = "SELECT source_partition, source_offset FROM enriched WHERE {}"
        return {name: Counter(oracle.execute(query.format(where)).fetchall()) for name, (_, where) in RULES.items()}


def unhappy(row: dict[str, Any]) -> bool:
    """The filter that was there before rules were."""
    return (
        row["stars"] is not None
        and row["stars"] <= 2
        and row["club_status"] is not None
        and row["club_status"].casefold() == "platinum"
        and not re.search("test", row["channel"] or "", re.IGNORECASE)
    )


def found(alerts: list[dict[str, Any]], rule: str) -> Counter[tuple[int, int]]:
    return Counter((alert["source_partition"], alert["source_offset"]) for alert in alerts if alert["rule"] == rule)


@pytest.mark.parametrize("kills", [0, 3])
def test_each_topic_equals_what_duckdb_selects(world: World, names: Names, tmp_path: Path, kills: int) -> None:
    outputs = Outputs(world)
    settings = world.settings(UNMATCHED_GRACE_SECONDS="1", ALERT_RULES=str(file_of_rules(tmp_path, names)))
    further = Reader(world.bootstrap, names["further"])
    job = Job(tmp_path, settings)
    for _ in range(kills):
        with job:
            world.rate(RATINGS // (kills + 1), lambda: world.random.randrange(1, 600))
            after_the_first_outputs(world, outputs)
            job.kill()
    with job:
        world.rate(RATINGS // (kills + 1), lambda: world.random.randrange(1, 600))
        outputs.wait(ratings=len(world.ratings), broken=len(world.broken), alive=job.running)
        assert job.stop() == [0], job.tail()
    enriched = [row for _, row in outputs.read("enriched")]
    by_topic = {
        "alerts": [row for _, row in outputs.read("alerts")],
        "further": [json.loads(message.value() or b"") for message in further.read()],
    }
    expected = selected(enriched)
    before = [(row["source_partition"], row["source_offset"]) for row in enriched if unhappy(row)]
    assert expected["unhappy-platinum"] == Counter(before)
    assert min(counter.total() for counter in expected.values()) > RATINGS // 100
    assert {name: found(by_topic[topic], name) for name, (topic, _) in RULES.items()} == expected
    assert {topic: {row["rule"] for row in rows} for topic, rows in by_topic.items()} == {
        "alerts": {"unhappy-platinum", "gold"},
        "further": {"no.body", "words"},
    }
