"""Schemas by their id: fetched once, and for as long as it takes."""

import json
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Message

from messages import cache
from messages.avro import AvroReader
from messages.cache import JsonText, SchemaNotThereError, Schemas
from messages.errors import UnknownSchema, UnsupportedFormat
from messages.registry import Registry
from messages.wire import SchemaId, frame
from servers.embedded.messages import message
from servers.embedded.registry import RegistryDouble

TEXT = json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]})
WANTED = frozenset({"a"})


@pytest.fixture
def schemas(double: RegistryDouble) -> Iterator[Schemas]:
    yield Schemas(Registry(double.url), WANTED)
    double.failure = None  # so that its thread ends its asking


def until(condition: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def framed(number: int, key: int | None = None) -> Message:
    return message(frame(number, b"\x02"), None if key is None else frame(key, b"\x02"))


def avro_reader(schemas: Schemas, schema: SchemaId) -> AvroReader:
    found = schemas.reader(schema)
    assert isinstance(found, AvroReader)
    return found


def test_a_schema_is_fetched_once(double: RegistryDouble, schemas: Schemas) -> None:
    number = Registry(double.url).register("s-value", TEXT)
    before = double.requests
    assert not schemas.unready([framed(number)] * 3)
    asked = double.requests
    assert asked - before == 2  # the schema and its subjects
    assert avro_reader(schemas, number).read(b"\x02") == {"a": 1}
    assert schemas.reader(number).name == f"{number} (subject s-value)"
    assert not schemas.unready([framed(number)] * 3)
    assert double.requests == asked


def test_by_guid(double: RegistryDouble, schemas: Schemas) -> None:
    guid = double.guid(Registry(double.url).register("s-value", TEXT))
    of_guid = message(b"\x02", headers=[("__value_schema_id", b"\x01" + guid.bytes)])
    assert not schemas.unready([of_guid])
    assert avro_reader(schemas, guid).read(b"\x02") == {"a": 1}


def test_json_and_what_has_no_value_is_always_ready(double: RegistryDouble, schemas: Schemas) -> None:
    double.failure = 503
    before = double.requests
    assert not schemas.unready([message(b"{}", b"1"), message(None, b'{"id":1}'), message(b"\x00\x01"), message(b"")])
    assert double.requests == before


def test_an_unknown_id_and_another_kind_are_told_and_do_not_wait(double: RegistryDouble, schemas: Schemas) -> None:
    other = double.add("PROTOBUF", 'syntax = "proto3";')
    assert not schemas.unready([framed(99), framed(other)])
    with pytest.raises(UnknownSchema, match="99"):
        schemas.reader(99)
    with pytest.raises(UnsupportedFormat, match="PROTOBUF; of its kinds only AVRO and JSON are read"):
        schemas.reader(other)


def test_a_schema_of_json(double: RegistryDouble, schemas: Schemas) -> None:
    number = double.add("JSON", "{}")
    assert not schemas.unready([framed(number)])
    assert schemas.reader(number) == JsonText(str(number))


def test_while_the_registry_is_away_only_messages_of_new_schemas_wait(double: RegistryDouble, schemas: Schemas) -> None:
    registry = Registry(double.url)
    old = registry.register("s-value", TEXT)
    new = registry.register("t-value", TEXT.replace('"a"', '"b"'))
    assert not schemas.unready([framed(old)])
    double.failure = 503
    some = [framed(old), framed(new), message(b"{}"), framed(old, key=new)]
    assert schemas.unready(some) == [1, 3]
    assert schemas.unready_values(some) == [1]
    with pytest.raises(SchemaNotThereError):
        schemas.reader(new)
    assert avro_reader(schemas, old).read(b"\x02") == {"a": 1}
    began = time.monotonic()
    schemas.unready(some)
    assert time.monotonic() - began < 0.5  # it is patient only the first time
    double.failure = None
    until(lambda: not schemas.unready(some))


def test_a_registry_that_was_stopped_is_asked_until_it_is_there(double: RegistryDouble, schemas: Schemas) -> None:
    number = Registry(double.url).register("s-value", TEXT)
    double.stop()
    assert schemas.unready([framed(number)]) == [0]
    double.start()
    until(lambda: not schemas.unready([framed(number)]))


def test_refusals_are_taken_for_trouble_that_passes(double: RegistryDouble, schemas: Schemas) -> None:
    number = Registry(double.url).register("s-value", TEXT)
    double.failure = 401
    assert schemas.unready([framed(number)]) == [0]
    double.failure = None
    until(lambda: not schemas.unready([framed(number)]))


def test_ids_that_mean_nothing_are_forgotten_in_time(
    double: RegistryDouble, schemas: Schemas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_MAX_UNUSABLE", 3)
    for number in range(100, 110):
        assert not schemas.unready([framed(number)])
    before = double.requests
    schemas.unready([framed(100), framed(109)])
    assert double.requests == before + 1
