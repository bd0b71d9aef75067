"""Ratings in JSON and in Avro, one by one and a poll at once."""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from dataflows.decoders import of_customers, of_ratings
from demo.generate.avro import encoder
from messages.cache import Schemas
from messages.decoder import ALONE, Decoder
from messages.errors import DecodeError, InvalidRecord
from messages.formats import Format
from messages.message import Message
from messages.registry import Registry
from messages.wire import frame
from records import customer, rating
from records.customer import Customer
from records.rating import Rating, SourcedRating
from servers.embedded.messages import message, to_json
from servers.embedded.registry import RegistryDouble

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


def test_json_with_a_schema(double: RegistryDouble, schemas: Schemas) -> None:
    number = double.add("JSON", '{"type": "object"}')
    framed = message(frame(number, to_json(ROW)))
    by_guid = message(to_json(ROW), headers=[("__value_schema_id", b"\x01" + double.guid(number).bytes)])
    for some in decoder(schemas), decoder(schemas, "json"), decoder(None):
        assert decoded(some, framed) == decoded(some, message(to_json(ROW)))
    assert decoded(decoder(schemas), by_guid) == decoded(decoder(schemas), message(to_json(ROW)))
    refused = decoded(decoder(schemas, "avro"), framed)
    assert refused == f"UnsupportedFormat: the value is JSON with schema {number}, not Avro"
    broken = decoded(decoder(schemas), message(frame(number, b"{")))
    assert str(broken).startswith("NotJson: the value is not JSON: unexpected end")


def test_a_key_with_a_schema_of_json(double: RegistryDouble) -> None:
    number = double.add("JSON", '{"type": "object"}')
    customers = of_customers("auto", Schemas(Registry(double.url), customer.FIELDS))
    for key in b'{"id":1}', b"1", b'"1"':
        change = customers.one(message(None, frame(number, key)))
        assert change is not None
        assert (change.id, change.customer) == (1, None)


@pytest.mark.parametrize(
    ("value", "headers", "fragment"),
    [
        (b"\x00" + (1).to_bytes(8, "big") + b"\x02\x0e", None, "a schema's id of eight bytes, as Apicurio's"),
        (b"\x02\x0e\x00", [("apicurio.value.globalId", bytes(8))], "in Apicurio's header apicurio.value.globalId"),
        (b"\x00\x00\x00\xff\xff\x02", [("apicurio.value.contentId", bytes(8))], "header apicurio.value.contentId"),
        (b"\x03\x00" + bytes(16) + b"\x02\x0e", None, "AWS Glue's schema registry"),
    ],
)
def test_other_registries_are_named(
    schemas: Schemas, value: bytes, headers: list[tuple[str, bytes]] | None, fragment: str
) -> None:
    refused = str(decoded(decoder(schemas), message(value, headers=headers)))
    assert refused.startswith("UnsupportedFormat")
    assert fragment in refused


@pytest.mark.parametrize("kind", ["double", "float", ["null", "double"]])
def test_whole_numbers_as_floats(double: RegistryDouble, schemas: Schemas, kind: Any) -> None:
    kinds = dict.fromkeys(("rating_id", "user_id", "stars"), kind)
    found = decoded(decoder(schemas), message(avro(double, kinds, {"rating_id": 1.0, "user_id": 7.0, "stars": 2.0})))
    assert isinstance(found, Rating)
    assert [(type(n), n) for n in (found.rating_id, found.user_id, found.stars)] == [(int, 1), (int, 7), (int, 2)]


def test_fields_of_mixed_case(double: RegistryDouble, schemas: Schemas) -> None:
    kinds = {"Rating_Id": "long", "USER_ID": "long", "Stars": "int"}
    values = {"Rating_Id": 1, "USER_ID": 7, "Stars": 2}
    found = decoded(decoder(schemas), message(avro(double, kinds, values)))
    assert isinstance(found, Rating)
    assert (found.rating_id, found.user_id, found.stars) == (1, 7, 2)
    twins = decoded(decoder(schemas), message(avro(double, {**kinds, "stars": "int"}, {**values, "stars": 3})))
    assert twins == "InvalidRecord: fields Stars and stars differ in case alone"


def test_a_row_of_other_columns_is_nobody(double: RegistryDouble) -> None:
    customers = of_customers("auto", Schemas(Registry(double.url), customer.FIELDS))
    value = avro(double, {"id": "long", "vorname": "string"}, {"id": 1, "vorname": "Rica"}, "other-value")
    with pytest.raises(InvalidRecord, match=r"none of the columns .*; it has id, vorname; .* \(subject other-value\)"):
        customers.one(message(value))
    assert customers.many([message(value)]) == [ALONE]


@pytest.mark.parametrize("many", [1, 600])
def test_an_unread_column_stops_no_customer(double: RegistryDouble, many: int) -> None:
    customers = of_customers("auto", Schemas(Registry(double.url), customer.FIELDS))
    kinds = {"id": "long", "first_name": ["null", "string"], "born": {"type": "int", "logicalType": "date"}}
    number = Registry(double.url).register(uuid.uuid4().hex, json.dumps(schema(**kinds)))
    raw = encoder(json.dumps(schema(**{**kinds, "born": "int"})))
    rows = [{"id": one, "first_name": "A", "born": 2**31 - 1 if one % 2 else 0} for one in range(many)]
    messages = [message(frame(number, raw(row))) for row in rows]
    found = [customers.one(one) for one in messages]
    assert [change and change.id for change in found] == list(range(many))
    assert customers.many(messages) == found


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("string", "__debezium_unavailable_value"),
        ("bytes", b"__debezium_unavailable_value"),
        ({"type": "array", "items": "string"}, ["__debezium_unavailable_value"]),
    ],
)
def test_a_value_that_was_not_sent(double: RegistryDouble, kind: Any, column: Any) -> None:
    customers = of_customers("auto", Schemas(Registry(double.url), customer.FIELDS))
    value = avro(
        double, {"id": "long", "first_name": "string", "email": kind}, {"id": 1, "first_name": "A", "email": column}
    )
    change = customers.one(message(value))
    assert change is not None
    assert (change.customer, change.untold) == (Customer("A", None, "A", None, None, None), ("email",))
    assert (customers.many([message(value)]) or [ALONE])[0] in (ALONE, change)


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
            assert not keep_source or (isinstance(found, SourcedRating) and found.source_value == values[index])


def test_a_poll_of_json_is_read_at_once(schemas: Schemas) -> None:
    some = decoder(schemas)
    good = message(to_json(ROW))
    assert some.many([good, message(b"{"), good]) == [some.one(good), ALONE, some.one(good)]
