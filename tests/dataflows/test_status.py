"""The status, used as a person or a probe does: by its command, of real jobs on an embedded Kafka."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.job import NOTIFY
from servers.embedded.elasticsearch import EmbeddedElasticsearch
from servers.embedded.elasticsearch.faults import Fault
from servers.embedded.kafka import EmbeddedKafka
from servers.job import RATINGS as RATINGS_FLOW
from servers.job import Job, piped
from servers.process import free_ports
from servers.topics import Record, write
from tests.dataflows.world import settings

SECONDS = 90.0
"""The deadline of what a job shows sooner or later."""
RATINGS = 300
WAITING = 2 * RATINGS
"""The documents of so many ratings, each with an alert."""
CUSTOMER = b'{"id":7,"first_name":"Ada","last_name":"Byron","email":"ada@example.com","club_status":"platinum"}'


@pytest.fixture
def kafka(names: dict[str, str]) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as kafka:
        for topic in names.values():
            kafka.create_topic(topic, partitions=2)
        write(kafka.bootstrap, names["customers"], [Record(b"7", CUSTOMER)])
        yield kafka


def rate(kafka: EmbeddedKafka, names: dict[str, str], count: int) -> None:
    ratings = [b'{"rating_id":%d,"user_id":7,"stars":1,"message":"worst"}' % number for number in range(count)]
    write(kafka.bootstrap, names["ratings"], [Record(None, rating, at % 2) for at, rating in enumerate(ratings)])


def shown(port: int | None, variables: dict[str, str], *arguments: str) -> tuple[int, str]:
    """The exit code of the status and what it printed, on both outputs."""
    url = [] if port is None else ["--url", f"http://127.0.0.1:{port}"]
    status = piped("dataflows.status", *url, *arguments, **variables)
    out, errors = status.communicate(timeout=60)
    return status.returncode, out + errors


def until(look: Callable[[], tuple[int, str]], meets: Callable[[int, dict[str, Any]], bool]) -> dict[str, Any]:
    """Look until what is shown as JSON meets a condition."""
    deadline = time.monotonic() + SECONDS
    while True:
        code, text = look()
        content = json.loads(text)
        if meets(code, content):
            return dict(content)
        assert time.monotonic() < deadline, text


def api(port: int, folder: Path) -> dict[str, str]:
    return {
        "BYTEWAX_DATAFLOW_API_ENABLED": "1",
        "BYTEWAX_DATAFLOW_API_PORT": str(port),
        "BYTEWAX_DATAFLOW_API_CACHE_PATH": str(folder),
    }


def held_back(content: dict[str, Any]) -> bool:
    """Whether all documents wait for Elasticsearch."""
    search = branch(content, "search")
    return bool(search["state"] == "held back" and search["waiting"] == WAITING)


def branch(content: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in content["flows"][0]["branches"] if one["name"] == name)


def test_a_branch_that_is_held_back_is_told_in_words(
    kafka: EmbeddedKafka, names: dict[str, str], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    elasticsearch = EmbeddedElasticsearch()
    variables = settings(names, kafka.bootstrap, ELASTICSEARCH_URL=elasticsearch.url)
    with Job(tmp_path, {**variables, **api(port, tmp_path)}):
        rate(kafka, names, RATINGS)
        delivered = until(
            lambda: shown(port, variables, "--json"),
            lambda code, now: bool(now["flows"]) and branch(now, "search")["total"] >= RATINGS and code == 0,
        )
        flow = delivered["flows"][0]
        assert [(one["topic"], one["total"], one["unread"]) for one in flow["inputs"]] == [
            (names["ratings"], RATINGS, 0),
            (names["customers"], 1, 0),
        ]
        outputs = {one["topic"]: one["total"] for one in flow["outputs"]}
        assert outputs == {names["enriched"]: RATINGS, names["alerts"]: RATINGS, names["dead_letters"]: 0}
        assert (branch(delivered, "search")["state"], branch(delivered, "archive")["state"]) == ("delivering", "off")
        assert flow["join"]["rows"] == 1
        assert delivered["troubles"] == []

        elasticsearch.faults = lambda _: Fault(status=503)
        rate(kafka, names, RATINGS)
        until(lambda: shown(port, variables, "--json"), lambda code, now: code == 1 and held_back(now))
        elasticsearch.faults = None
        until(lambda: shown(port, variables, "--json"), lambda code, now: code == 0 and not held_back(now))

        elasticsearch.close()
        rate(kafka, names, RATINGS)
        until(lambda: shown(port, variables, "--json"), lambda code, now: code == 1 and held_back(now))
        code, text = shown(port, variables)
        assert code == 1
        sentence = rf"search: held back for \d+ s: .*refused.*, {WAITING} documents wait"
        assert re.search(rf"^  {sentence}, [\d,]+ retries$", text, re.MULTILINE), text
        assert re.search(rf"^trouble: ratings: {sentence}$", text, re.MULTILINE), text
        assert re.search(rf"^  in  {names['ratings']} .* {3 * RATINGS} ", text, re.MULTILINE), text


def test_without_endpoints_it_tells_what_to_set_and_the_lag(
    kafka: EmbeddedKafka, names: dict[str, str], tmp_path: Path
) -> None:
    variables = settings(names, kafka.bootstrap)
    rate(kafka, names, RATINGS)
    (port,) = free_ports(1)
    code, text = shown(port, variables)
    assert code == 1
    assert f"no flow was found at http://127.0.0.1:{port}: Connection refused" in text
    assert "HEALTH_PORT" in text
    assert re.search(rf"^  in  {names['ratings']} .* {RATINGS}$", text, re.MULTILINE), text


def test_flows_are_found_and_a_missing_process_is_told(
    kafka: EmbeddedKafka, names: dict[str, str], tmp_path: Path
) -> None:
    variables = settings(names, kafka.bootstrap)
    ports = free_ports(2)
    cluster = ";".join(f"127.0.0.1:{port}" for port in free_ports(2))
    urls = ["--json", *(word for port in ports for word in ("--url", f"http://127.0.0.1:{port}"))]
    rate(kafka, names, RATINGS)
    folders = [tmp_path / "first", tmp_path / "notify"]
    for folder in folders:
        folder.mkdir()
    one_of_two = Job(
        folders[0],
        {**variables, **api(ports[0], folders[0])},
        module=[*RATINGS_FLOW, "-i", "0", "-a", cluster],
        recovery=0,
    )
    notifier = Job(folders[1], {**variables, **api(ports[1], folders[1])}, module=NOTIFY, recovery=0)
    with one_of_two, notifier:
        found = until(
            lambda: shown(None, variables, *urls),
            lambda code, now: [flow["name"] for flow in now["flows"]] == ["notify", "ratings"],
        )
    notify, _ = found["flows"]
    assert (notify["group"], notify["inputs"][0]["topic"]) == (f"{names['ratings']}-notify", names["alerts"])
    assert [(one["name"], one["state"]) for one in notify["branches"]] == [("notices", "delivering")]
    assert found["troubles"] == ["ratings: process 1 of 2 was not found"]


@pytest.mark.parametrize(
    ("arguments", "variables", "why"),
    [
        (["--url", "localhost:3030"], {}, "argument --url: must be http://host:port"),
        (["--often"], {}, "unrecognized arguments: --often"),
        ([], {"STATUS_URLS": "a"}, "status: STATUS_URLS is 'a', but it must be `http://host:3031`"),
        ([], {"ALERT_RULES": "nowhere.toml"}, "status: ALERT_RULES is "),
    ],
)
def test_a_wrong_call_ends_with_2(arguments: list[str], variables: dict[str, str], why: str) -> None:
    code, text = shown(None, variables, *arguments)
    assert code == 2
    assert why in text
