"""The real schema registry: what it keeps, and what it refuses."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from servers.registry import Registry

NAME = '{"type":"record","name":"Customer","fields":[{"name":"name","type":"string"}]}'
NUMBER = '{"type":"record","name":"Customer","fields":[{"name":"name","type":"int"}]}'


@pytest.fixture(scope="module")
def own_registry(registry_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("own-registry")) as registry:
        yield registry


def ask(registry: Registry, method: str, path: str, **body: str) -> Any:
    data = json.dumps(body).encode() if body else None
    kind = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    with urlopen(Request(registry.url + path, data, kind, method=method), timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def register(registry: Registry, subject: str, schema: str) -> int:
    return int(ask(registry, "POST", f"/subjects/{subject}/versions", schema=schema)["id"])


def test_ids_survive_a_kill(own_registry: Registry) -> None:
    name = register(own_registry, "names", NAME)
    number = register(own_registry, "numbers", NUMBER)
    own_registry.kill()
    assert not own_registry.running()
    own_registry.start()
    assert [ask(own_registry, "GET", f"/schemas/ids/{number}")["schema"] for number in (name, number)] == [NAME, NUMBER]
    assert register(own_registry, "names-again", NAME) == name


def test_a_subject_refuses_what_it_is_told_to(registry: Registry) -> None:
    register(registry, "free", NAME)
    register(registry, "free", NUMBER)
    register(registry, "bound", NAME)
    ask(registry, "PUT", "/config/bound", compatibility="BACKWARD")
    with pytest.raises(HTTPError, match="409"):
        register(registry, "bound", NUMBER)


def test_an_unknown_id(registry: Registry) -> None:
    with pytest.raises(HTTPError) as refusal:
        ask(registry, "GET", "/schemas/ids/987654")
    assert (refusal.value.code, json.load(refusal.value)["error_code"]) == (404, 40403)


def test_a_failed_start_shows_the_log(registry_runs_here: None, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(registry.url.split(":")[2].partition("/")[0])))
        with pytest.raises(
            RuntimeError, match=r"(?s)ended while starting.*registry.log ends with.*Port [0-9]+ seems to be in use"
        ):
            registry.start()
    assert not registry.running()
