"""What was written with a schema, read one by one and many at once."""

import io
import json
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.generate.avro import encoder
from messages.avro import AvroReader
from messages.errors import InvalidRecord, MalformedAvro, UnsupportedFormat

ALL = frozenset({"a", "b", "c"})


def write(schema: Any, value: Any) -> bytes:
    return encoder(json.dumps(schema))(value)


def record(**fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": n, "type": kind} for n, kind in fields.items()]}


def reader(schema: Any, *references: Any, wanted: frozenset[str] = ALL) -> AvroReader:
    return AvroReader("7", json.dumps(schema), [json.dumps(reference) for reference in references], wanted)


INNER = {"type": "record", "name": "Inner", "fields": [{"name": "b", "type": ["null", "string"]}]}
MS = 1_528_800_546_808


@pytest.mark.parametrize(
    ("kind", "value", "plain"),
    [
        ("int", -3, -3),
        ("long", 2**63 - 1, 2**63 - 1),
        ("string", "Zoë 😀", "Zoë 😀"),
        ("boolean", True, True),
        ("double", 1.5, 1.5),
        ("null", None, None),
        (["null", "long"], None, None),
        (["long", "null"], 5, 5),
        (["null", "long", "string"], "text", "text"),
        (["int", "string"], 8, 8),
        ({"type": "enum", "name": "E", "symbols": ["x", "y"]}, "y", "y"),
        ({"type": "string", "avro.java.string": "String"}, "text", "text"),
        ({"type": "int", "connect.type": "int16"}, 4, 4),
        (["null", {"type": "long", "logicalType": "timestamp-millis"}], MS, MS),
        ({"type": "long", "logicalType": "timestamp-micros"}, MS * 1000 + 999, MS),
        ({"type": "long", "logicalType": "local-timestamp-millis"}, MS, MS),
        ({"type": "bytes", "logicalType": "decimal", "precision": 20}, Decimal(42), 42),
        ({"type": "int", "logicalType": "time-millis"}, 7, 7),
        ({"type": "string", "logicalType": "date"}, "text", "text"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2}, Decimal("1.25"), Decimal("1.25")),
        ("bytes", b"\x00\xff", b"\x00\xff"),
        ({"type": "fixed", "name": "F", "size": 2}, b"ab", b"ab"),
        ({"type": "array", "items": "string"}, ["x"], ["x"]),
        ({"type": "map", "values": "long"}, {"K": 1}, {"k": 1}),
        (INNER, {"b": "x"}, {"b": "x"}),
        (["null", INNER], None, None),
    ],
)
def test_a_field_of_each_type(kind: Any, value: Any, plain: Any) -> None:
    schema = record(a=kind, b="int")
    payload = write(schema, {"a": value, "b": 1})
    some = reader(schema)
    assert some.read(payload) == {"a": plain, "b": 1}
    assert some.read_all([payload, payload]) in (None, [{"a": plain, "b": 1}] * 2)


def test_datetimes_before_the_epoch_are_negative() -> None:
    schema = record(a={"type": "long", "logicalType": "timestamp-micros"})
    assert reader(schema).read(write(schema, {"a": datetime(1969, 12, 31, 23, 59, 59, tzinfo=timezone.utc)})) == {
        "a": -1000
    }


@pytest.mark.parametrize(
    ("schema", "fast"),
    [
        (record(a="long", b="string"), True),
        (record(a=["null", INNER]), True),
        (record(a="long", z={"type": "array", "items": "string"}), True),
        (record(a="long", z=["null", "long", "string"]), True),
        (record(a="long", z={"type": "long", "logicalType": "timestamp-micros"}), True),
        (record(a="long", z="bytes"), False),
        (record(a={"type": "long", "logicalType": "timestamp-micros"}), False),
        (record(a=["null", "long", "string"]), False),
        (record(z="long"), False),
        ({"type": "record", "name": "R", "fields": []}, False),
        ("long", False),
    ],
)
def test_which_schemas_are_read_many_at_once(schema: Any, fast: bool) -> None:
    values = {"long": 1, "string": "s", "bytes": b"x"}
    value: Any = 5
    if isinstance(schema, dict):
        value = {f["name"]: values.get(f["type"]) if isinstance(f["type"], str) else None for f in schema["fields"]}
        for field in schema["fields"]:
            if isinstance(field["type"], dict):
                value[field["name"]] = [] if field["type"]["type"] == "array" else 5
    assert (reader(schema).read_all([write(schema, value)]) is not None) == fast


def test_names_are_in_lower_case_and_only_wanted_ones_are_kept_of_many() -> None:
    schema = record(A="long", Z=INNER, c=["null", "Inner"])
    payload = write(schema, {"A": 1, "Z": {"b": "x"}, "c": {"b": None}})
    some = reader(schema)
    assert some.read(payload) == {"a": 1, "z": {"b": "x"}, "c": {"b": None}}
    assert some.read_all([payload]) == [{"a": 1, "c": {"b": None}}]


def test_a_schema_that_refers_to_others() -> None:
    base = {"type": "record", "name": "Base", "fields": [{"name": "b", "type": "long"}]}
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "a", "type": "Base"}]}
    schema = record(c="Inner")
    named: dict[str, Any] = {}
    for one in (base, inner):
        fastavro.parse_schema(json.loads(json.dumps(one)), named)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema, named), {"c": {"a": {"b": 3}}})
    some = reader(record(c="Inner"), base, inner)
    assert some.read(out.getvalue()) == {"c": {"a": {"b": 3}}}
    assert some.read_all([out.getvalue()]) is None


@pytest.mark.parametrize(
    ("kind", "raw", "value", "plain"),
    [
        # A type, the type without its logical type, what was written, and what is read.
        ({"type": "long", "logicalType": "timestamp-nanos"}, "long", MS * 1_000_000 + 999, MS),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, "long", -1, -1),
        ({"type": "long", "logicalType": "timestamp-micros"}, "long", 2**63 - 1, (2**63 - 1) // 1000),
        ({"type": "long", "logicalType": "timestamp-micros"}, "long", -(2**63), -(2**63) // 1000),
        ({"type": "long", "logicalType": "timestamp-millis"}, "long", 2**63 - 1, 2**63 - 1),
        ({"type": "int", "logicalType": "date"}, "int", 17_694, 17_694 * 86_400_000),
        ({"type": "int", "logicalType": "date"}, "int", 2**31 - 1, (2**31 - 1) * 86_400_000),
        (["string", "null", {"type": "int", "logicalType": "date"}], ["string", "null", "int"], 1, 86_400_000),
        (["boolean", {"type": "int", "logicalType": "date"}], ["boolean", "int"], True, True),
        ({"type": "array", "items": {"type": "int", "logicalType": "date"}}, None, [1], [86_400_000]),
        ({"type": "string", "logicalType": "uuid"}, "string", "no UUID", "no UUID"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4}, "bytes", b"", 0),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4}, "bytes", b"\xff", -1),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 1}, "bytes", b"\x0f", Decimal("1.5")),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 10**9}, "bytes", b"\x01", b"\x01"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": -1}, "bytes", b"\x01", b"\x01"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": "2"}, "bytes", b"\x01", b"\x01"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4}, "bytes", b"\x01" * 5000, b"\x01" * 5000),
    ],
)
def test_any_value_of_a_wanted_logical_type(kind: Any, raw: Any, value: Any, plain: Any) -> None:
    payload = write(record(a=raw or {"type": "array", "items": "int"}), {"a": value})
    found = reader(record(a=kind)).read(payload)
    assert (found, type(found["a"])) == ({"a": plain}, type(plain))
    assert reader(record(a=kind)).read_all([payload]) in (None, [{"a": plain}])


def test_fields_that_differ_in_case_alone() -> None:
    schema = record(b="long", a="long", A="long")
    payload = write(schema, {"a": 5, "A": 5, "b": 5})
    some = reader(schema)
    assert some.read_all([payload]) is None
    with pytest.raises(InvalidRecord, match="fields a and A differ in case alone"):
        some.read(payload)
    unread = record(b="long", z="long", Z="long")
    assert reader(unread).read(write(unread, {"b": 5, "z": 5, "Z": 5}))["b"] == 5


HOSTILE: list[tuple[Any, Any, Any]] = [
    # A column's type, the type without its logical type, and a value that the logical type cannot hold.
    ({"type": "int", "logicalType": "date"}, "int", 2**31 - 1),
    ({"type": "int", "logicalType": "date"}, "int", -(2**31)),
    ({"type": "int", "logicalType": "time-millis"}, "int", -1),
    ({"type": "long", "logicalType": "time-micros"}, "long", 2**62),
    *(
        ({"type": "long", "logicalType": f"{local}timestamp-{unit}"}, "long", value)
        for local in ("", "local-")
        for unit in ("millis", "micros", "nanos")
        for value in (2**63 - 1, -(2**63))
    ),
    ({"type": "string", "logicalType": "uuid"}, "string", "no UUID"),
    ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, "bytes", b"\x7f" * 40),
    ({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 9}, "bytes", b"\x01"),
    ({"type": "bytes", "logicalType": "decimal"}, "bytes", b""),
    (
        {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"},
        {"type": "fixed", "name": "D", "size": 12},
        b"\xff" * 12,
    ),
    ("string", "bytes", b"\xff\xfe"),
    ({"type": "string", "avro.java.string": "String"}, "bytes", b"\xff\xfe"),
]
NESTINGS: dict[str, tuple[Any, Any]] = {
    "plain": (lambda kind: kind, lambda value: value),
    "a union": (lambda kind: ["null", kind], lambda value: value),
    "a list": (lambda kind: {"type": "array", "items": kind}, lambda value: [value]),
    "a map": (lambda kind: {"type": "map", "values": kind}, lambda value: {"k": value}),
    "a record": (lambda kind: {**record(y=kind), "name": "Z"}, lambda value: {"y": value}),
}


@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize("beside", ["long", "decimal"])
@pytest.mark.parametrize("hostile", HOSTILE, ids=[f"{number}" for number, _ in enumerate(HOSTILE)])
def test_an_unread_column_stops_nothing(hostile: tuple[Any, Any, Any], beside: str, nesting: str) -> None:
    kind, raw, value = hostile
    wrap_type, wrap = NESTINGS[nesting]
    of_c: dict[str, tuple[Any, str, Any]] = {
        "long": ("long", "long", 5),
        "decimal": ({"type": "bytes", "logicalType": "decimal", "precision": 9}, "bytes", b"\x05"),
    }
    c, raw_c, five = of_c[beside]
    some = reader(record(z=wrap_type(kind), a="long", c=["null", c]))
    written = record(z=wrap_type(raw), a="long", c=["null", raw_c])
    payloads = [write(written, {"z": wrap(value), "a": number, "c": five}) for number in range(3)]
    expected = [{"a": number, "c": 5} for number in range(3)]
    assert [kept(some.read(payload)) for payload in payloads] == expected
    assert some.read_all(payloads) in (None, expected)


FLAT = record(a="long", b="string")
GOOD = write(FLAT, {"a": 5, "b": "hey"})


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(GOOD[:-1], id="truncated"),
        pytest.param(b"\x02\x01", id="a negative length"),
        pytest.param(b"\x02\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", id="a huge length"),
        pytest.param(b"\x02\x04\xff\xfe", id="no UTF-8"),
    ],
)
def test_broken_bytes_are_an_error_alone_and_spoil_many(payload: bytes) -> None:
    some = reader(FLAT)
    with pytest.raises(MalformedAvro, match="not of schema 7"):
        some.read(payload)
    assert some.read_all([GOOD, payload]) is None
    assert some.read_all([GOOD, GOOD]) == [{"a": 5, "b": "hey"}] * 2


@pytest.mark.parametrize("text", ["", "{", "[]x", '{"type": "record"}', '{"type": "nothing"}', '"Unknown"', "{}"])
def test_what_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedFormat, match="schema 7 is not an Avro schema"):
        AvroReader("7", text, (), ALL)


PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "string": st.text(st.characters(codec="utf-8"), max_size=8),
    "boolean": st.booleans(),
    "double": st.floats(allow_nan=False),
}


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2) -> tuple[Any, st.SearchStrategy[Any]]:
    """A record's schema, and its values."""
    fields, values = [], {}
    for name in draw(st.lists(st.sampled_from("abcdxyz"), min_size=1, max_size=5, unique=True)):
        if depth and draw(st.booleans()):
            kind, value = draw(schemas(depth - 1))
        else:
            kind = draw(st.sampled_from(sorted(PRIMITIVES)))
            value = PRIMITIVES[kind]
        if draw(st.booleans()):
            kind, value = draw(st.permutations(["null", kind])), st.none() | value
        fields.append({"name": name, "type": kind})
        values[name] = value
    name = f"R{draw(st.uuids()).hex}"
    return {"type": "record", "name": name, "fields": fields}, st.fixed_dictionaries(values)


def kept(value: Any) -> Any:
    return {n: kept(inner) for n, inner in value.items() if n in ALL} if isinstance(value, dict) else value


@given(st.data())
def test_many_at_once_are_read_as_one_by_one(data: st.DataObject) -> None:
    schema, values = data.draw(schemas())
    payloads = [write(schema, value) for value in data.draw(st.lists(values, min_size=1, max_size=4))]
    some = reader(schema)
    assert some.read_all(payloads) in (None, [kept(some.read(payload)) for payload in payloads])


@given(st.data())
def test_hostile_columns_that_nobody_reads_change_nothing(data: st.DataObject) -> None:
    schema, values = data.draw(schemas())
    columns = data.draw(st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=3, unique_by=lambda one: str(one[0])))
    fields, written, added = list(schema["fields"]), list(schema["fields"]), {}
    for number, (kind, raw, value) in enumerate(columns):
        at, name = data.draw(st.integers(0, len(fields))), f"h{number}"
        fields.insert(at, {"name": name, "type": kind})
        written.insert(at, {"name": name, "type": raw})
        added[name] = value
    rows = data.draw(st.lists(values, min_size=1, max_size=4))
    payloads = [write({**schema, "fields": written}, {**row, **added}) for row in rows]
    some, plain = reader({**schema, "fields": fields}), reader(schema)
    expected = [kept(plain.read(write(schema, row))) for row in rows]
    assert [kept(some.read(payload)) for payload in payloads] == expected
    assert some.read_all(payloads) in (None, expected)


@given(st.lists(st.binary(max_size=24), max_size=4))
def test_any_bytes_are_read_or_refused(payloads: list[bytes]) -> None:
    some = reader(record(a=["null", "long"], b=["string", "null"], c=["null", INNER]))
    many = some.read_all(payloads)
    try:
        alone = [some.read(payload) for payload in payloads]
    except MalformedAvro:
        assert many is None
    else:
        assert many is None or many == alone
