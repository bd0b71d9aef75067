"""What the page tells Prometheus of itself."""

import time
from pathlib import Path
from urllib.request import urlopen

from demo.page import Page
from servers.embedded.kafka import EmbeddedKafka
from servers.prometheus import promtool
from servers.topics import write
from tests.dataflows.health.strict import faults

SECONDS = 60
READ = 'page_messages_total{topic="ratings-dead-letters"}'
UNREADABLE = 'page_unreadable_messages_total{topic="ratings-dead-letters"}'


def numbers(page: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")]
    return {series: float(value) for series, _, value in lines}


def test_metrics(tmp_path: Path, prometheus_runs_here: None) -> None:
    def metrics() -> str:
        with urlopen(f"{page.url}metrics", timeout=30) as answer:  # noqa: S310
            return str(answer.read(), "utf-8")

    with EmbeddedKafka() as kafka:
        kafka.create_topic("ratings-dead-letters", 1)
        write(kafka.bootstrap, "ratings-dead-letters", [(None, b"neither"), (None, b"of them")])
        with Page(kafka.bootstrap, tmp_path, ()) as page:
            deadline = time.monotonic() + SECONDS
            while numbers(text := metrics()).get(UNREADABLE) != 2:
                assert time.monotonic() < deadline, text
                time.sleep(0.1)
    seen = numbers(text)
    assert {name: seen[name] for name in (READ, "page_open", "page_reading")} == {
        READ: 2,
        "page_open": 0,
        "page_reading": 0,  # the other topics are missing
    }
    assert faults(text) == []
    promtool("check", "metrics", text=text)
