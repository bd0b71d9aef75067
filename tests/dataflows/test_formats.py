"""Ratings in JSON and in Avro, one by one and a poll at once."""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from dataflows.formats import of_ratings
from embedded.generate.avro import encoder
from records import rating
from records.decoder import ALONE, Decoder
from records.errors import DecodeError
from records.message import Message
from records.rating import Rating
from schemas.cache import Schemas
from schemas.formats import Format
from schemas.registry import Registry
from schemas.wire import frame
from tests.records.messages import message, to_json
from tests.schemas.double import RegistryDouble

ROW = {
    "rating_id": 604087,
    "user_id": 7,
    "stars": 1,
    "route_id": 2777,
    "rating_time": 1_528_800_546_808,
    "channel": "android",
    "message": "worst. flight. ever. #neveragain",
}
KINDS = {name: "string" if isinstance(value, str) else "long" for name, value in ROW.items()}


def schema(**kinds: Any) -> dict[str, Any]:
    fields = [{"name": name, "type": kind} for name, kind in kinds.items()]
    return {"type": "record", "name": "ratings", "namespace": "ksql", "fields": fields}


@pytest.fixture(scope="module")
def double() -> Iterator[RegistryDouble]:
    with RegistryDouble() as double:
        yield double


@pytest.fixture(scope="module")
def schemas(double: RegistryDouble) -> Schemas:
    return Schemas(Registry(double.url), rating.FIELDS)


def avro(double: RegistryDouble, kinds: dict[str, Any], row: dict[str, Any], subject: str = "") -> bytes:
    text = json.dumps(schema(**kinds))
    number = Registry(double.url).register(subject or uuid.uuid4().hex, text)
    return frame(number, encoder(text)(row))


def decoder(schemas: Schemas | None, form: Format = "auto", *, keep_source: bool = False) -> Decoder[Rating]:
    return of_ratings(form, schemas, keep_source=keep_source)


def decoded(some: Decoder[Rating], one: Message) -> Rating | str | None:
    """What becomes of a message, both ways; the error's name where it is one."""
    many = some.many([one])
    try:
        found = some.one(one)
    except DecodeError as error:
        assert many is None or list(many) == [ALONE]
        return f"{type(error).__name__}: {error}"
    assert many is None or many[0] is ALONE or many[0] == found
    return found


def in_capitals(row: dict[str, Any]) -> dict[str, Any]:
    return {name.upper(): value for name, value in row.items()}


NULLABLE = {name: ["null", kind] for name, kind in KINDS.items()}


@pytest.mark.parametrize(
    ("kinds", "changes"),
    [
        pytest.param(KINDS, {}, id="as kafka-connect-datagen registers it"),
        pytest.param({**KINDS, "user_id": "int", "stars": "int", "route_id": "int"}, {}, id="ints"),
        pytest.param(NULLABLE, {}, id="unions with null"),
        pytest.param(NULLABLE, dict.fromkeys(set(ROW) - {"rating_id", "user_id"}), id="nulls"),
        pytest.param(dict(reversed(KINDS.items())), {}, id="fields in another order"),
        pytest.param({**KINDS, "more": "string"}, {"more": "x"}, id="a field more"),
        pytest.param({**KINDS, "more": "bytes"}, {"more": b"x"}, id="a field more that is not read at once"),
        pytest.param({**KINDS, "channel": {"type": "enum", "name": "C", "symbols": ["android"]}}, {}, id="an enum"),
        pytest.param(
            {**KINDS, "rating_time": {"type": "long", "logicalType": "timestamp-millis"}}, {}, id="a timestamp"
        ),
        pytest.param(
            {**KINDS, "rating_time": {"type": "long", "logicalType": "timestamp-micros"}},
            {"rating_time": 1_528_800_546_808_000},
            id="a timestamp in microseconds",
        ),
    ],
)
def test_a_rating_by_the_schema_that_wrote_it(
    double: RegistryDouble, schemas: Schemas, kinds: dict[str, Any], changes: dict[str, Any]
) -> None:
    found = decoded(decoder(schemas), message(avro(double, kinds, ROW | changes)))
    expected = ROW | {name: value for name, value in changes.items() if value is None}
    assert isinstance(found, Rating)
    assert {name: getattr(found, name) for name in ROW} == expected
    assert (found.rating_ts, found.source_partition, found.source_offset) == (1_528_800_546_808, 2, 7)


def test_names_in_capitals(double: RegistryDouble, schemas: Schemas) -> None:
    found = decoded(decoder(schemas), message(avro(double, in_capitals(KINDS), in_capitals(ROW))))
    assert isinstance(found, Rating)
    assert found.user_id == 7


def without(name: str, mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


@pytest.mark.parametrize(
    ("kinds", "row", "error"),
    [
        (without("user_id", KINDS), ROW, r"InvalidRecord: field user_id is missing; .* schema \d+ \(subject mine"),
        (
            {**NULLABLE, "x": "null"},
            ROW | {"user_id": None, "x": None},
            r"InvalidRecord: field user_id must be a whole number, not null; .* mine",
        ),
        ({**KINDS, "stars": "string"}, ROW | {"stars": "3"}, r"InvalidRecord: field stars .* mine"),
        ({**KINDS, "stars": "double"}, ROW | {"stars": 2.5}, r"InvalidRecord: field stars .* mine"),
    ],
)
def test_a_schema_that_is_not_of_ratings_is_named(
    double: RegistryDouble, schemas: Schemas, kinds: dict[str, Any], row: dict[str, Any], error: str
) -> None:
    value = avro(double, kinds, row, f"mine-{uuid.uuid4().hex}")
    found = decoded(decoder(schemas), message(value))
    assert isinstance(found, str)

    assert re.match(error, found), found


def test_what_each_format_takes(double: RegistryDouble, schemas: Schemas) -> None:
    of_avro, of_json = message(avro(double, KINDS, ROW)), message(to_json(ROW))
    for some in (decoder(schemas), decoder(schemas, "avro")):
        assert isinstance(decoded(some, of_avro), Rating)
    for some in (decoder(schemas), decoder(schemas, "json"), decoder(None)):
        assert isinstance(decoded(some, of_json), Rating)
    assert str(decoded(decoder(schemas, "avro"), of_json)).startswith("UnsupportedFormat: the value is not Avro")
    for some in (decoder(schemas, "json"), decoder(None)):
        assert str(decoded(some, of_avro)).startswith("UnsupportedFormat: the value is Avro")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, "EmptyValue"),
        (b"", "EmptyValue"),
        (b"\x00", "UnsupportedFormat"),
        (b"\x00\x00\x00\x00\xff\x02", "UnknownSchema"),
        (b"{", "NotJson"),
        (b"\x00" * 1_000_001, "TooLarge"),
    ],
)
def test_what_is_neither(schemas: Schemas, value: bytes | None, error: str) -> None:
    assert str(decoded(decoder(schemas), message(value))).startswith(error)


def test_bytes_that_are_not_of_their_schema(double: RegistryDouble, schemas: Schemas) -> None:
    value = avro(double, KINDS, ROW)
    assert str(decoded(decoder(schemas), message(value[:-3]))).startswith("MalformedAvro: the bytes are not of schema")


def test_a_guid_in_a_header_even_if_the_bytes_begin_like_an_id(double: RegistryDouble, schemas: Schemas) -> None:
    value = avro(double, KINDS, ROW | {"rating_id": 0})
    guid = double.guid(int.from_bytes(value[1:5], "big"))
    one = message(value[5:], headers=[("__value_schema_id", b"\x01" + guid.bytes)])
    assert value[5] == 0
    found = decoded(decoder(schemas), one)
    assert isinstance(found, Rating)
    assert (found.rating_id, found.user_id) == (0, 7)


@pytest.mark.parametrize("keep_source", [False, True])
def test_a_poll_of_all_kinds_keeps_its_order(double: RegistryDouble, schemas: Schemas, keep_source: bool) -> None:
    some = decoder(schemas, keep_source=keep_source)
    old = [avro(double, KINDS, ROW | {"rating_id": number}) for number in range(600)]
    new = [avro(double, NULLABLE, ROW | {"rating_id": number}) for number in range(600)]
    values = [*old, to_json(ROW), *new, old[0][:-2], b"{"]
    messages = [message(value, b"k", offset=offset) for offset, value in enumerate(values)]
    many = some.many(messages)
    assert many is not None
    assert len(many) == len(messages)
    alone = [index for index, found in enumerate(many) if found is ALONE]
    # The truncated one makes those of its lot slow, which holds 512 of one schema.
    assert alone == [*range(512, 600), 600, 1201, 1202]
    for index, found in enumerate(many):
        if found is not ALONE:
            assert found == some.one(messages[index])
            assert isinstance(found, Rating)
            assert (found.rating_id, found.source_offset) == (index % 601, index)
            assert found.source_value == (values[index] if keep_source else None)


def test_a_poll_of_json_is_not_touched(schemas: Schemas) -> None:
    assert decoder(schemas).many([message(to_json(ROW))] * 10) is None
