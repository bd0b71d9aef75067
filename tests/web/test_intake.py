"""The intake as its clients use it: requests to the command, on an embedded Kafka."""

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from records.rating import FIELDS
from servers.embedded.kafka import EmbeddedKafka
from servers.topics import count, read
from tests.web.intake import JSON, ONE, Answer, Intake, places
from web.intake.answers import KINDS, Accepted, Refused

TOKEN = "a-token-of-the-tests"  # noqa: S105
GUARDED = {"INTAKE_HOST": "0.0.0.0", "INTAKE_TOKEN": TOKEN}  # noqa: S104


def on_topic(cluster: EmbeddedKafka) -> dict[tuple[int, int], bytes | None]:
    return {(one.partition() or 0, one.offset() or 0): one.value() for one in read(cluster.bootstrap, "ratings")}


@pytest.fixture(scope="module")
def guarded(cluster: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    with Intake(tmp_path_factory.mktemp("guarded"), cluster.bootstrap, **GUARDED) as it:
        it.await_health()
        yield it


@pytest.mark.parametrize("body", [ONE, b"[%s]" % ONE, b" [%s,\n%s] " % (ONE, ONE), b"[%s]" % b",".join([ONE] * 5)])
def test_each_rating_is_where_the_answer_says(intake: Intake, cluster: EmbeddedKafka, body: bytes) -> None:
    answer = intake.post(body)
    found = places(answer)
    assert len(found) == len(set(found)) == body.count(b"rating_id")
    assert {place["topic"] for place in answer.content["accepted"]} == {"ratings"}
    written = on_topic(cluster)
    assert [written[place] for place in found] == [ONE] * len(found)


def test_ratings_keep_the_order_of_the_list(intake: Intake, cluster: EmbeddedKafka) -> None:
    values = [b'{"rating_id":%d,"user_id":7}' % number for number in range(5)]
    found = places(intake.post(b"[%s]" % b",".join(values)))
    written = on_topic(cluster)
    assert [written[place] for place in found] == values


def test_a_list_is_written_whole_or_not_at_all(intake: Intake, cluster: EmbeddedKafka) -> None:
    before = count(cluster.bootstrap, "ratings")
    answer = intake.post(b'[%s,%s,{"rating_id":3,"stars":1}]' % (ONE, ONE))
    assert answer.status == 400
    assert answer.content == {
        "error": "invalid_rating",
        "reason": "field user_id is missing",
        "index": 2,
        "field": "user_id",
    }
    time.sleep(0.1)
    assert count(cluster.bootstrap, "ratings") == before


PLAIN = {"Content-Type": "text/plain"}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "error"),
    [
        ("POST", "/ratings", b"{", JSON, 400, "not_json"),
        ("POST", "/ratings", b"", JSON, 400, "not_json"),
        ("POST", "/ratings", b"[]", JSON, 400, "empty_list"),
        ("POST", "/ratings", b'{"rating_id":1,"user_id":2,"user_id":3}', JSON, 400, "duplicate_name"),
        ("POST", "/rating", ONE, JSON, 404, "not_found"),
        ("POST", "/ratings/1", ONE, JSON, 404, "not_found"),
        ("GET", "/", None, {}, 404, "not_found"),
        ("GET", "/ratings", None, {}, 405, "method_not_allowed"),
        ("PUT", "/ratings", ONE, JSON, 405, "method_not_allowed"),
        ("OPTIONS", "/ratings", None, {"Origin": "http://evil.example"}, 405, "method_not_allowed"),
        ("POST", "/healthz", None, {}, 405, "method_not_allowed"),
        ("POST", "/ratings", b"[%s]" % b",".join([ONE] * 6), JSON, 413, "too_many_ratings"),
        ("POST", "/ratings", ONE + b" " * 2048, JSON, 413, "body_too_large"),
        ("POST", "/ratings", iter([ONE, *[b" " * 512] * 4]), JSON, 413, "body_too_large"),
        ("POST", "/ratings", ONE, {}, 415, "unsupported_media_type"),
        ("POST", "/ratings", ONE, PLAIN, 415, "unsupported_media_type"),
        ("POST", "/ratings", ONE, {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        ("POST", "/ratings", ONE, {**JSON, "Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
    ],
)
def test_requests_that_are_refused(
    intake: Intake, method: str, path: str, body: Any, headers: dict[str, str], status: int, error: str
) -> None:
    answer = intake.ask(method, path, body, headers)
    assert (answer.status, answer.content["error"]) == (status, error)
    assert answer.headers["Content-Type"] == "application/json"
    assert ("Allow" in answer.headers) is (status == 405)
    assert KINDS[error].status == status


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_forms_of_the_content_type(intake: Intake, kind: str) -> None:
    assert intake.post(ONE, Content_Type=kind).status == 202


def test_a_body_in_chunks(intake: Intake) -> None:
    assert intake.post(iter([ONE[:5], ONE[5:]])).status == 202


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 202),
        (f"bearer  {TOKEN}", 202),
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        ("Bearer é".encode().decode("latin-1"), 401),
    ],
)
def test_the_token(guarded: Intake, authorization: str | None, status: int) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answers = [guarded.post(ONE, **headers), guarded.ask("GET", "/metrics", headers=headers)]
    assert [answer.status for answer in answers] == [status, 200 if status == 202 else 401]
    assert [answer.headers["WWW-Authenticate"] for answer in answers] == [None if status == 202 else "Bearer"] * 2
    assert guarded.ask("GET", "/healthz").status == 200


def test_metrics(intake: Intake) -> None:
    def numbers() -> dict[str, float]:
        text = intake.ask("GET", "/metrics").body.decode()
        return {name: float(value) for name, value in re.findall(r"^(intake_[^ ]+) (\S+)$", text, re.MULTILINE)}

    assert intake.post(b"[%s,%s]" % (ONE, ONE)).status == 202
    assert intake.post(b"x").status == 400
    before = numbers()
    assert intake.post(b"[%s,%s]" % (ONE, ONE)).status == 202
    assert intake.post(b"x").status == 400
    after = numbers()
    grown = {name: value - before[name] for name, value in after.items() if "bucket" not in name}
    assert grown['intake_requests_total{status="202"}'] == 1
    assert grown['intake_requests_total{status="400"}'] == 1
    assert grown["intake_ratings_total"] == 2
    assert grown["intake_acknowledgement_seconds_count"] == 1
    assert 0 < grown["intake_acknowledgement_seconds_sum"] < 5
    assert after["intake_ratings_waiting"] == 0


def test_the_openapi_document_tells_what_is_there(intake: Intake) -> None:
    document = intake.ask("GET", "/openapi.json").content
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    assert schemas["Rating"]["properties"].keys() == FIELDS
    assert schemas["Rating"]["required"] == ["rating_id", "user_id"]
    assert intake.post(json.dumps(schemas["Rating"]["example"])).status == 202
    answers = document["paths"]["/ratings"]["post"]["responses"]
    assert {int(status) for status in answers} == {202} | {kind.status for kind in KINDS.values()} - {404, 405}
    # Every reference leads somewhere, and every path answers.
    for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)):
        assert name in schemas
    for path, methods in document["paths"].items():
        assert [intake.ask(method.upper(), path).status not in {404, 405} for method in methods] == [True]


class Page(HTMLParser):
    """What a page loads from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.loaded += [tag] if tag in {"script", "link", "img", "iframe"} or "src" in names else []

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_from_elsewhere(intake: Intake) -> None:
    answer = intake.ask("GET", "/docs")
    page = Page()
    page.feed(answer.body.decode())
    assert (answer.status, page.loaded) == (200, [])
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert all(text in page.text for text in ("POST /ratings", "GET /healthz", "Refused", "rating_id"))


def later(pool: ThreadPoolExecutor, intake: Intake, body: bytes) -> "Future[Answer]":
    """Post, and wait until the ratings wait for Kafka."""
    future = pool.submit(intake.post, body)
    deadline = time.monotonic() + 10
    while b"intake_ratings_waiting 0.0" in intake.ask("GET", "/metrics").body:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return future


def test_a_full_queue_and_kafka_away_and_back(own_cluster: EmbeddedKafka, tmp_path: Path) -> None:
    with (
        Intake(tmp_path, own_cluster.bootstrap, INTAKE_QUEUE_RATINGS="3", INTAKE_DELIVERY_SECONDS="3") as intake,
        ThreadPoolExecutor() as pool,
    ):
        intake.await_health()
        assert intake.post(b"[%s,%s,%s]" % (ONE, ONE, ONE)).status == 202
        assert intake.post(b"[%s,%s,%s,%s]" % (ONE, ONE, ONE, ONE)).status == 413

        own_cluster.broker_down()
        waiting = later(pool, intake, b"[%s,%s]" % (ONE, ONE))
        full = intake.post(b"[%s,%s]" % (ONE, ONE))
        assert (full.status, full.content["error"], full.headers["Retry-After"]) == (429, "queue_full", "1")

        lost = waiting.result()
        assert (lost.status, lost.content["error"], lost.headers["Retry-After"]) == (503, "not_acknowledged", "1")
        assert lost.content["accepted"] == [None, None]
        assert lost.content["reason"].startswith("Kafka did not acknowledge 2 of 2 ratings: ")

        health = intake.await_health(503)
        began = time.monotonic()
        away = intake.post(ONE)
        assert time.monotonic() - began < 1
        assert (away.status, away.content, away.headers["Retry-After"]) == (503, health.content, "1")
        assert away.content.keys() == {"error", "reason"}
        assert away.content["error"] == "kafka_away"
        assert intake.post(b"x").status == 400

        own_cluster.broker_up()
        intake.await_health()
        assert intake.post(b"[%s,%s,%s]" % (ONE, ONE, ONE)).status == 202


def test_a_short_outage_is_waited_for(own_cluster: EmbeddedKafka, tmp_path: Path) -> None:
    with Intake(tmp_path, own_cluster.bootstrap) as intake, ThreadPoolExecutor() as pool:
        intake.await_health()
        assert intake.post(ONE).status == 202
        own_cluster.broker_down()
        waiting = later(pool, intake, ONE)
        own_cluster.broker_up()
        assert len(places(waiting.result())) == 1
        assert count(own_cluster.bootstrap, "ratings") == 2


def test_answers_are_of_the_types_of_the_document(intake: Intake) -> None:
    assert msgspec.json.decode(intake.post(ONE).body, type=Accepted).accepted[0].topic == "ratings"
    assert msgspec.json.decode(intake.post(b"[{}]").body, type=Refused).index == 0


def test_many_clients_at_a_time(intake: Intake, cluster: EmbeddedKafka) -> None:
    before = count(cluster.bootstrap, "ratings")
    found: list[tuple[int, int]] = []
    lock = threading.Lock()

    def client(number: int) -> None:
        for turn in range(20):
            mine = places(intake.post(b'[{"rating_id":%d,"user_id":1},%s]' % (number * 100 + turn, ONE)))
            with lock:
                found.extend(mine)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(client, range(10)))
    assert len(set(found)) == len(found) == 400
    assert count(cluster.bootstrap, "ratings") - before == 400
