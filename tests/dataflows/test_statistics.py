"""The statistics branch in the production graph, between lists and across kills and restarts."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, cluster_main, run_main
from prometheus_client import REGISTRY

from dataflows.ports import Ports
from dataflows.ratings import build
from messages.message import Poll
from servers.embedded.messages import message
from settings import Settings

BEGIN = 1_700_000_040_000
"""The begin of a minute."""
PEOPLE = {1: "platinum", 2: "gold", 3: None}

Rating = tuple[int, int | None, str | None, int]
"""User, stars, channel, timestamp."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("UNMATCHED_GRACE_SECONDS", "0")
    return monkeypatch


def to_json(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def customers() -> Poll:
    rows = [to_json(id=number, club_status=status, region="EU") for number, status in PEOPLE.items()]
    return Poll("customers", 0, [message(row, topic="customers", offset=at) for at, row in enumerate(rows)], 1)


class Job:
    """The main job over polls of ratings, each an epoch; what it writes stays from one run to the next."""

    def __init__(self) -> None:
        self.polls: list[Any] = []
        self.customers: list[Any] = [customers()]
        self.written: list[tuple[str, Any]] = []
        self.documents: list[tuple[str, Any]] = []
        self._offsets: dict[int, int] = {}

    def poll(self, *ratings: Rating, partition: int = 0) -> None:
        first = self._offsets.get(partition, 0)
        self._offsets[partition] = first + len(ratings)
        messages = [
            message(
                to_json(rating_id=offset, user_id=user, stars=stars, channel=channel),
                topic="ratings",
                partition=partition,
                offset=offset,
                timestamp=timestamp,
            )
            for offset, (user, stars, channel, timestamp) in enumerate(ratings, first)
        ]
        self.polls.append(Poll("ratings", partition, messages))

    def flow(self) -> Any:
        ports = Ports(
            ratings=TestingSource(self.polls),
            customers=TestingSource(self.customers),
            enriched=TestingSink([]),
            alerts={"UNHAPPY_PLATINUM_CUSTOMERS": TestingSink([])},
            dead_letters=TestingSink([]),
            statistics=TestingSink(self.written),
            search=TestingSink(self.documents),
        )
        return build(ports, Settings.load())

    def run(self, workers: int = 1) -> dict[str, dict[str, Any]]:
        """Run to the end; the last statistic of each key."""
        cluster_main(self.flow(), [], 0, worker_count_per_proc=workers, epoch_interval=timedelta(0))
        return self.latest()

    def latest(self) -> dict[str, dict[str, Any]]:
        return {one.key: json.loads(one.value) for _, batch in self.written for one in batch}


def counts(statistics: dict[str, dict[str, Any]], field: str = "count") -> dict[str, int]:
    return {key.replace(f"{BEGIN}|", ""): row[field] for key, row in statistics.items() if row[field]}


STORY: list[Rating] = [
    (1, 1, "web", BEGIN),
    (1, 2, "ios", BEGIN + 59_999),
    (2, 1, "web", BEGIN + 1),
    (9, 5, None, BEGIN + 2),
    (3, 9, "null", BEGIN + 3),
]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_ratings_alerts_and_unknown_customers_are_counted(workers: int) -> None:
    job = Job()
    for rating in STORY:
        job.poll(rating)
    found = job.run(workers)
    assert counts(found) == {
        "all|null": 5,
        'channel|"web"': 2,
        'channel|"ios"': 1,
        'channel|"null"': 1,
        "channel|null": 1,
        'club_status|"platinum"': 2,
        'club_status|"gold"': 1,
        "club_status|null": 2,
        'region|"EU"': 4,
        "region|null": 1,
    }
    assert counts(found, "alerts") == {
        "all|null": 2, 'channel|"web"': 1, 'channel|"ios"': 1, 'club_status|"platinum"': 2, 'region|"EU"': 2,
    }  # fmt: skip
    unknown = {"all|null": 1, "channel|null": 1, "club_status|null": 1, "region|null": 1}
    assert counts(found, "unknown_customers") == unknown
    assert found[f"{BEGIN}|all|null"] == {
        "window_start": BEGIN,
        "window_end": BEGIN + 60_000,
        "dimension": "all",
        "value": None,
        "count": 5,
        "mean": 2.25,
        "median": 1.5,
        "poor": 3,
        "poor_share": 0.75,
        "alerts": 2,
        "unknown_customers": 1,
        "stars_1": 2,
        "stars_2": 1,
        "stars_3": 0,
        "stars_4": 0,
        "stars_5": 1,
        "stars_other": 1,
        "stars_none": 0,
    }


def test_the_last_document_of_an_id_is_the_last_statistic() -> None:
    job = Job()
    for rating in STORY:
        job.poll(rating)
    found = job.run()
    documents = {
        one.id: json.loads(one.body)
        for _, batch in job.documents
        for one in batch
        if one.target == "ratings-statistics"
    }
    assert documents == {key: {"@timestamp": BEGIN, **row} for key, row in found.items()}


def test_the_settings_choose_windows_and_dimensions(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STATISTICS_WINDOW_SECONDS", "30")
    environment.setenv("STATISTICS_DIMENSIONS", "channel")
    job = Job()
    job.poll(*STORY[:3])
    assert counts(job.run()) == {
        "all|null": 2, 'channel|"web"': 2, f"{BEGIN + 30_000}|all|null": 1, f'{BEGIN + 30_000}|channel|"ios"': 1,
    }  # fmt: skip


def outcomes() -> dict[str, float]:
    step = "statistics_windows"
    return {
        one: REGISTRY.get_sample_value("windows_records_total", {"step": step, "outcome": one}) or 0
        for one in ("counted", "future", "undated")
    }


def test_ratings_that_are_in_no_statistic_are_counted_by_reason() -> None:
    before = outcomes()
    job = Job()
    job.poll((1, 1, "web", BEGIN))
    job.poll((1, 1, "web", 4 * BEGIN), (1, 4, "web", -1), (1, 4, "web", -1))
    found = job.run()
    now = outcomes()
    assert {one: now[one] - before[one] for one in now} == {"counted": 1, "future": 1, "undated": 2}
    assert counts(found, "alerts") == {
        "all|null": 1, 'channel|"web"': 1, 'club_status|"platinum"': 1, 'region|"EU"': 1,
    }  # fmt: skip


@pytest.fixture
def recovery(tmp_path: Path) -> RecoveryConfig:
    init_db_dir(tmp_path, 1)
    return RecoveryConfig(str(tmp_path))


def test_kills_and_restarts_leave_each_rating_counted_once(recovery: RecoveryConfig) -> None:
    """Killed after each third poll; each run goes on where the last snapshot was."""
    job = Job()
    for number in range(30):
        job.poll((1 + number % 3, 1 + number % 5, "web", BEGIN + number), partition=number % 4)
    polls = job.polls
    for place in range(3, 33, 3):
        job.polls = [*polls[:place], TestingSource.ABORT(), *polls[place:]] if place < 30 else polls
        job.customers.append(customers())  # they are read again at each start
        run_main(job.flow(), epoch_interval=timedelta(0), recovery_config=recovery)
    row = job.latest()[f"{BEGIN}|all|null"]
    assert row["count"] == 30
    assert [row[f"stars_{stars}"] for stars in range(1, 6)] == [6] * 5
    assert row["alerts"] == sum(number % 3 == 0 and number % 5 < 2 for number in range(30))
