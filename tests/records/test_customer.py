from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.errors import DecodeError, InvalidRecord
from messages.log_position import Source, log_position
from messages.unavailable import spellings
from messages.version import version
from records.customer import Customer, CustomerChange, completed, decode
from servers.embedded.messages import message, nested, to_json

ROW = {
    "id": 1,
    "first_name": "Zoë",
    "last_name": "O'Neil 😀",
    "email": "zoe@example.com",
    "club_status": "gold",
    "region": None,
    "comments": 'quote " backslash \\',
    "create_ts": "2024-01-02T03:04:05Z",
}
CUSTOMER = Customer("Zoë", "O'Neil 😀", "Zoë O'Neil 😀", "zoe@example.com", "gold", None)
ARRIVED = version(message(None), None)
BECAME = CustomerChange(1, CUSTOMER, ARRIVED)
DELETED, TRUNCATED = CustomerChange(1, None, ARRIVED), CustomerChange(None, None, ARRIVED)
NULLS = {**dict.fromkeys(ROW), "id": 1}
ORIGIN = {"version": "3.5.0.Final", "connector": "mariadb", "snapshot": "last", "table": "CUSTOMERS"}


def envelope(op: object, before: object, after: object) -> dict[str, Any]:
    return {"before": before, "after": after, "source": ORIGIN, "transaction": None, "op": op, "ts_ms": 2}


SHAPES: dict[str, tuple[object, CustomerChange]] = {
    "flattened": (ROW, BECAME),
    "flattened, not deleted": ({**ROW, "__deleted": "false"}, BECAME),
    "flattened, not deleted, as a boolean": ({**ROW, "__deleted": False}, BECAME),
    "flattened, deleted": ({**NULLS, "__deleted": "true"}, DELETED),
    "flattened, deleted, the row as it was": ({**ROW, "__deleted": "true"}, DELETED),
    "flattened, deleted, as a boolean": ({**ROW, "__deleted": True}, DELETED),
    "flattened, op c": ({**ROW, "__op": "c"}, BECAME),
    "flattened, op u": ({**ROW, "__op": "u", "__ts_ms": 5}, BECAME),
    "flattened, op r": ({**ROW, "__op": "r"}, BECAME),
    "flattened, op d": ({**ROW, "__op": "d"}, DELETED),
    "flattened, op d and deleted": ({**NULLS, "__op": "d", "__deleted": "true"}, DELETED),
    "envelope c": (envelope("c", None, ROW), BECAME),
    "envelope u": (envelope("u", NULLS, ROW), BECAME),
    "envelope u without before": (envelope("u", None, ROW), BECAME),
    "envelope r": (envelope("r", None, ROW), BECAME),
    "envelope d": (envelope("d", ROW, None), DELETED),
    "envelope d, only the key before": (envelope("d", {"id": 1}, None), DELETED),
    "envelope d, nothing before": (envelope("d", None, None), DELETED),
    "envelope t": (envelope("t", None, None), TRUNCATED),
    "null": (None, DELETED),
}


def unions(document: Any, *, name: str = "") -> Any:
    """As Avro's JSON encoding writes a record all of whose fields are unions."""
    match document:
        case dict():
            record = {key: unions(field, name=f"asgard.demo.CUSTOMERS.{key}") for key, field in document.items()}
            return {name: record} if name else record
        case None:
            return None
        case bool():
            return {"boolean": document}
        case int():
            return {"long": document}
    return {"string": document}


def capitals(document: Any) -> Any:
    if isinstance(document, dict):
        return {name.upper(): capitals(field) for name, field in document.items()}
    return document


def schema(document: object) -> object:
    return {"schema": {"type": "struct", "optional": False}, "payload": document}


WRAPPINGS: dict[str, Callable[[Any], object]] = {
    "plain": lambda document: document,
    "schema": schema,
    "null schema": lambda document: {"schema": None, "payload": document},
    "payload only": lambda document: {"payload": document},
    "unions": unions,
    "unions in a payload": lambda document: schema(unions(document)),
    "capitals": capitals,
    "capitals in a payload": lambda document: schema(capitals(document)),
}

KEYS: dict[str, bytes] = {
    "object": b'{"id":1}',
    "capitals": b'{"ID":1}',
    "object with text": b'{"id":"1"}',
    "text": b'"1"',
    "number": b"1",
    "schema": to_json(schema({"id": 1})),
    "schema, capitals": to_json(schema({"ID": 1})),
    "schema, text": to_json(schema("1")),
    "schema, number": to_json(schema(1)),
    "union": b'{"id":{"int":1}}',
    "union of long": b'{"id":{"long":1}}',
    "union, capitals": b'{"ID":{"long":1}}',
    "schema, union": to_json(schema({"id": {"int": 1}})),
    "beside another column": b'{"id":1,"region":"EMEA"}',
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_every_shape_of_a_change(shape: str, wrapping: str) -> None:
    document, expected = SHAPES[shape]
    value = to_json(WRAPPINGS[wrapping](document))
    assert decode(message(value, b'{"id":1}')) == expected


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, DELETED, id="tombstone"),
        pytest.param(b"null", DELETED, id="text null"),
        pytest.param(to_json(schema(None)), DELETED, id="null payload"),
        pytest.param(to_json({**NULLS, "id": None, "__deleted": "true"}), DELETED, id="flattened, deleted"),
        pytest.param(to_json(envelope("d", None, None)), DELETED, id="envelope d"),
        pytest.param(to_json({**ROW, "id": None}), BECAME, id="a row without its id"),
        pytest.param(to_json(envelope("c", None, {**ROW, "id": None})), BECAME, id="envelope c without its id"),
    ],
)
def test_the_id_is_in_every_form_of_a_key(value: bytes | None, key: str, expected: CustomerChange) -> None:
    assert decode(message(value, KEYS[key])) == expected


@pytest.mark.parametrize("key", [None, b"", b'{"id":5}', b"other", b"\xff"])
@pytest.mark.parametrize("shape", [shape for shape, (document, _) in SHAPES.items() if document is not None])
def test_the_rows_own_id_needs_no_key(shape: str, key: bytes | None) -> None:
    document, expected = SHAPES[shape]
    if "nothing before" not in shape:
        assert decode(message(to_json(document), key)) == expected


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (7, 7),
        ("7", 7),
        (-7, -7),
        ("-7", -7),
        (0, 0),
        (2**63 - 1, 2**63 - 1),
        (str(-(2**63)), -(2**63)),
        ({"long": 2**63 - 1}, 2**63 - 1),
        ({"string": "7"}, 7),
    ],
)
def test_an_id_is_a_number_of_64_bits(column: object, expected: int) -> None:
    assert decode(message(to_json({**ROW, "id": column}))) == CustomerChange(expected, CUSTOMER, ARRIVED)
    if not isinstance(column, dict):
        assert decode(message(None, to_json(column))) == CustomerChange(expected, None, ARRIVED)


@pytest.mark.parametrize(
    ("first", "last", "full"),
    [
        ("Rica", "Blaisdell", "Rica Blaisdell"),
        ("Rica", None, "Rica"),
        ("Rica", "", "Rica"),
        (None, "Blaisdell", "Blaisdell"),
        ("", "Blaisdell", "Blaisdell"),
        ("", None, None),
        ("", "", None),
        (None, None, None),
    ],
)
def test_full_name(first: str | None, last: str | None, full: str | None) -> None:
    change = decode(message(to_json({"id": 1, "first_name": first, "last_name": last})))
    assert change == CustomerChange(1, Customer(first, last, full, None, None, None), ARRIVED)


@pytest.mark.parametrize("wrapping", ["plain", "capitals"])
@pytest.mark.parametrize(
    ("column", "content"),
    [
        ("schema", "public"),
        ("source", "web"),
        ("source", 5),
        ("source", 5.5),
        ("source", True),
        ("status", "END"),
        ("ts_ms", 5),
        ("int", 5),
        ("payload", None),
        ("payload", "text"),
        ("ddl", "text"),
    ],
)
def test_a_table_may_have_columns_of_any_name(column: str, content: object, wrapping: str) -> None:
    value = to_json(WRAPPINGS[wrapping]({**ROW, column: content}))
    assert decode(message(value, b'{"id":1}')) == BECAME


# Where a change stands in its database's log.

SOURCE = {**ORIGIN, "ts_ms": 5000, "ts_us": 5000000, "gtid": "0-1-7", "file": "binlog.000002", "pos": 154, "row": 1}
AT = log_position(Source(5000, None, "binlog.000002", 154, 1))
OF_LSN = log_position(Source(5000, lsn=9, db="d"))
ADDED = {"__source_ts_ms": 5000, "__source_file": "binlog.000002", "__source_pos": 154, "__source_row": 1}
ADDED_WITHOUT_STRUCT = {"__source_ts_ms": 5000, "__file": "binlog.000002", "__pos": 154, "__row": 1}


def sent(op: str, source: object) -> dict[str, Any]:
    before, after = (ROW if op == "d" else None), (None if op in "dt" else ROW)
    return {**envelope(op, before, after), "source": source}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(sent("c", SOURCE), AT, id="c"),
        pytest.param(sent("u", SOURCE), AT, id="u"),
        pytest.param(sent("d", SOURCE), AT, id="d"),
        pytest.param(sent("t", SOURCE), AT, id="t"),
        pytest.param(sent("r", SOURCE), AT, id="r"),
        pytest.param(sent("u", {"ts_ms": 5000, "lsn": 9, "db": "d"}), OF_LSN, id="a log without files"),
        pytest.param(sent("r", {"ts_ms": 5000, "lsn": 9, "db": "d"}), OF_LSN, id="read for a snapshot"),
        pytest.param(sent("u", {"ts_ms": 5000}), None, id="the clock alone"),
        pytest.param(sent("u", {"ts_ms": 5000, "file": "", "pos": 0}), None, id="no name of a file"),
        pytest.param(sent("u", {"ts_ms": "5", "file": 5, "pos": "6"}), None, id="a source of other types"),
        pytest.param(sent("u", {}), None, id="an empty source"),
        pytest.param(sent("u", None), None, id="no source"),
        pytest.param(sent("u", "mariadb"), None, id="a source that is text"),
        pytest.param({**ROW, **ADDED}, AT, id="flattened"),
        pytest.param({**ROW, **ADDED, "__op": "r"}, AT, id="flattened r"),
        pytest.param({**ROW, **ADDED_WITHOUT_STRUCT}, AT, id="flattened, named without source"),
        pytest.param({**ROW, **ADDED, "__file": "x.1", "__pos": 1, "__row": 9}, AT, id="flattened, named both ways"),
        pytest.param({**NULLS, **ADDED, "__op": "d"}, AT, id="flattened d"),
        pytest.param({**NULLS, **ADDED, "__deleted": "true"}, AT, id="flattened, deleted"),
        pytest.param({**ROW, "__source_ts_ms": 5000, "__op": "u"}, None, id="flattened, only when"),
        pytest.param({**ROW, "__source_ts_ms": 5000}, None, id="flattened, only when, no op"),
        pytest.param({**ROW, "__source_ts_ms": 5000, "__op": "r"}, None, id="flattened, a snapshot's clock"),
        pytest.param({**ROW, "__source_file": "binlog.000002", "__source_pos": 154}, None, id="flattened, no when"),
        pytest.param({**ROW, "__ts_ms": 5000, "__op": "u"}, None, id="flattened, the connector's clock"),
        pytest.param({**ROW, "__source_ts_ms": "2024-01-02T03:04:05Z"}, None, id="flattened, a time as text"),
        pytest.param({**ROW, "__source_ts_ms": None, "__source_pos": None}, None, id="flattened, nulls"),
        pytest.param(ROW, None, id="flattened, nothing added"),
        pytest.param(None, None, id="null"),
    ],
)
def test_where_a_change_stands(document: object, expected: bytes | None, wrapping: str) -> None:
    change = decode(message(to_json(WRAPPINGS[wrapping](document)), b'{"id":1}'))
    assert change is not None
    assert change.version == version(message(None), expected)
    assert change.customer in (CUSTOMER, None)


def test_a_tombstone_stands_nowhere() -> None:
    assert decode(message(None, b'{"id":1}')) == CustomerChange(1, None, ARRIVED)


def test_a_status_takes_memory_once() -> None:
    statuses = []
    for number in (1, 2):
        change = decode(message(to_json({"id": number, "club_status": "a status of its own"})))
        assert change is not None
        assert change.customer is not None
        statuses.append(change.customer.club_status)
    assert statuses[0] is statuses[1]


@pytest.mark.parametrize("wrapping", ["plain", "schema"])
@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"source": ORIGIN, "databaseName": "demo", "ddl": "ALTER", "tableChanges": []}, id="DDL"),
        pytest.param({"source": ORIGIN, "databaseName": "demo", "ddl": None, "tableChanges": []}, id="schema change"),
        pytest.param({"source": ORIGIN, "databaseName": "demo", "tableChanges": []}, id="schema change without DDL"),
        pytest.param({"ts_ms": 1528800546808}, id="heartbeat"),
        pytest.param(
            {"status": "BEGIN", "id": "571:5", "event_count": None, "data_collections": None, "ts_ms": 5}, id="BEGIN"
        ),
        pytest.param(
            {"status": "END", "id": "571:5", "event_count": 1, "data_collections": [{"data_collection": "a"}]}, id="END"
        ),
        pytest.param(
            {"op": "m", "ts_ms": 5, "source": ORIGIN, "message": {"prefix": "a", "content": "Yg=="}}, id="log message"
        ),
    ],
)
@pytest.mark.parametrize("key", [None, b'{"serverName":"asgard"}', b'{"databaseName":"demo"}', b'{"id":"571:5"}'])
def test_what_stands_beside_the_changes_is_none(document: object, wrapping: str, key: bytes | None) -> None:
    assert decode(message(to_json(WRAPPINGS[wrapping](document)), key)) is None


# Names in any case.

MIXED = {"Id": 1, "First_Name": "Rica", "lAST_nAME": None, "Email": "r@example.com", "Club_Status": "platinum"}
RICA = CustomerChange(1, Customer("Rica", None, "Rica", "r@example.com", "platinum", None), ARRIVED)
ONE_MIXED = {"id": 1, "first_name": "Rica", "email": "r@example.com", "Club_Status": "platinum"}
CAMEL_BESIDE = {**ONE_MIXED, "createdAt": 5, "comments": 'Say "Email": or \\"Region\\":'}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize(
    "document",
    [
        pytest.param(MIXED, id="all"),
        pytest.param(ONE_MIXED, id="one"),
        pytest.param(CAMEL_BESIDE, id="one, and another column"),
        pytest.param({"ID": 1, "FIRST_NAME": "Rica", "email": "r@example.com", "CLUB_STATUS": "platinum"}, id="most"),
        pytest.param({"Before": None, "AFTER": MIXED, "Op": "c"}, id="an envelope"),
        pytest.param({"before": None, "After": ONE_MIXED, "op": "u", "source": None}, id="one of an envelope"),
        pytest.param({"before": None, "after": ONE_MIXED, "op": "u"}, id="in an envelope"),
        pytest.param({**MIXED, "__Deleted": "false", "__OP": "u"}, id="metadata"),
    ],
)
def test_names_in_any_case(document: object, wrapping: str) -> None:
    assert decode(message(to_json(WRAPPINGS[wrapping](document)))) == RICA


@pytest.mark.parametrize(
    "document",
    [
        {"id": 1, "First_Name": "Rica", "__Deleted": "true"},
        {"id": 1, "First_Name": "Rica", "OP": "d"},
        {"BEFORE": {"ID": 1}, "after": None, "Op": "d"},
        {"Before": None, "After": None, "Op": "d"},
    ],
)
@pytest.mark.parametrize("key", [b'{"Id":1}', b'{"ID":1}', b'{"iD":1,"Tenant":2}', to_json(schema({"Id": 1}))])
def test_deletes_in_any_case(document: object, key: bytes) -> None:
    assert decode(message(to_json(document), key)) == DELETED
    assert decode(message(None, key)) == DELETED


@pytest.mark.parametrize("wrapping", ["plain", "schema"])
@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({**ROW, "EMAIL": "other@example.com"}, "email and EMAIL"),
        ({**ROW, "Email": ROW["email"]}, "email and Email"),
        ({"id": 1, "email": None, "EMAIL": None}, "email and EMAIL"),
        ({"id": 1, "First_Name": "A", "FIRST_NAME": "B"}, "First_Name and FIRST_NAME"),
        ({"Id": 1, **ROW}, "Id and id"),
        (envelope("u", None, {**ROW, "Region": "EMEA"}), "region and Region"),
        ({**envelope("u", None, ROW), "After": ROW}, "after and After"),
    ],
)
def test_two_columns_that_differ_in_case_alone(document: object, names: str, wrapping: str) -> None:
    refused(message(to_json(WRAPPINGS[wrapping](document))), "InvalidRecord", f"fields {names} differ in case alone")


def test_keys_that_differ_in_case_alone() -> None:
    refused(message(None, b'{"id":1,"ID":2}'), "InvalidRecord", "fields id and ID differ in case alone")


def test_other_columns_may_differ_in_case_alone() -> None:
    assert decode(message(to_json({**ROW, "note": 1, "Note": 2}))) == BECAME


# A row of other columns.


@pytest.mark.parametrize("wrapping", ["plain", "schema", "capitals"])
@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({"id": 1, "vorname": "Rica"}, "id, vorname"),
        ({"id": 1}, "id"),
        ({"id": 1, "firstName": "Rica", "clubStatus": "gold"}, "id, firstname, clubstatus"),
        (envelope("c", None, {"id": 1, "vorname": "Rica"}), "id, vorname"),
        (envelope("u", ROW, {"id": 1}), "id"),
        ({"id": 1, "__op": "u", "__deleted": "false"}, "id, __op, __deleted"),
    ],
)
def test_a_row_of_other_columns_is_nobody(document: object, names: str, wrapping: str) -> None:
    with pytest.raises(InvalidRecord) as caught:
        decode(message(to_json(WRAPPINGS[wrapping](document)), b'{"id":1}'))
    assert str(caught.value).lower() == (
        "there is no row of a customer: none of the columns "
        f"first_name, last_name, email, club_status, region; it has {names}"
    )


@pytest.mark.parametrize("column", ["first_name", "last_name", "email", "club_status", "region"])
def test_one_column_makes_a_customer(column: str) -> None:
    nobody = CustomerChange(1, Customer(None, None, None, None, None, None), ARRIVED)
    assert decode(message(to_json({"id": 1, column: None}))) == nobody
    assert decode(message(to_json(envelope("c", None, {"id": 1, column.upper(): None})))) == nobody


# The unwrap transform's metadata.


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ({"op": "c"}, BECAME),
        ({"op": "u"}, BECAME),
        ({"op": "r"}, BECAME),
        ({"op": "d"}, DELETED),
        ({"deleted": "false"}, BECAME),
        ({"deleted": "true"}, DELETED),
        ({"deleted": False}, BECAME),
        ({"deleted": True}, DELETED),
        ({"deleted": None}, BECAME),
        ({"op": "u", "__deleted": "false"}, BECAME),
        ({"op": "u", "__deleted": "true"}, DELETED),
        ({"__op": "u", "op": "d"}, BECAME),
        # Columns of the table.
        ({"op": "web"}, BECAME),
        ({"op": 5}, BECAME),
        ({"op": "t"}, BECAME),
        ({"op": "m"}, BECAME),
        ({"deleted": 0}, BECAME),
        ({"deleted": 1}, BECAME),
        ({"before": "noon", "after": 5}, BECAME),
        ({"before": None, "after": None, "op": "u"}, BECAME),
    ],
)
def test_metadata_without_prefix(added: dict[str, object], expected: CustomerChange, wrapping: str) -> None:
    assert decode(message(to_json(WRAPPINGS[wrapping]({**ROW, **added})))) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"before": None, "after": ROW}, BECAME),
        ({"before": NULLS, "after": ROW}, BECAME),
        ({"before": ROW, "after": None}, DELETED),
        ({"before": ROW}, DELETED),
        ({"op": "d"}, DELETED),
        ({"op": "t"}, TRUNCATED),
    ],
)
def test_an_envelope_of_which_a_part_is_left_out(document: object, expected: CustomerChange) -> None:
    assert decode(message(to_json(document), b'{"id":1}')) == expected


# Values that the database did not send.

PLACEHOLDER = "__debezium_unavailable_value"
IN_BASE64 = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="


def without_value(*names: str) -> CustomerChange:
    columns: dict[str, Any] = {
        "first_name": "Zoë", "last_name": "O'Neil 😀", "email": "zoe@example.com", "club_status": "gold", "region": None
    }  # fmt: skip
    columns |= dict.fromkeys(names)
    full = " ".join(filter(None, [columns["first_name"], columns["last_name"]])) or None
    return CustomerChange(1, Customer(full_name=full, **columns), ARRIVED, names)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param({**ROW, "email": PLACEHOLDER}, without_value("email"), id="flattened"),
        pytest.param({**ROW, "email": IN_BASE64}, without_value("email"), id="Base64"),
        pytest.param({**ROW, "email": PLACEHOLDER.encode().hex()}, without_value("email"), id="hexadecimal"),
        pytest.param({**ROW, "email": [PLACEHOLDER]}, without_value("email"), id="a list"),
        pytest.param({**ROW, "email": [IN_BASE64, IN_BASE64]}, without_value("email"), id="a list of Base64"),
        pytest.param({**ROW, "email": list(PLACEHOLDER.encode())}, without_value("email"), id="a list of numbers"),
        pytest.param({**ROW, "comments": PLACEHOLDER}, BECAME, id="an unread column"),
        pytest.param(
            {**ROW, "first_name": PLACEHOLDER, "region": PLACEHOLDER},
            without_value("first_name", "region"),
            id="two columns",
        ),
        pytest.param(envelope("u", None, {**ROW, "email": PLACEHOLDER}), without_value("email"), id="envelope"),
        pytest.param(envelope("u", ROW, {**ROW, "email": PLACEHOLDER}), BECAME, id="before"),
        pytest.param(envelope("u", ROW, {**ROW, "email": [PLACEHOLDER]}), BECAME, id="before, a list"),
        pytest.param(
            envelope("u", {**ROW, "email": PLACEHOLDER}, {**ROW, "email": PLACEHOLDER}),
            without_value("email"),
            id="neither before",
        ),
        pytest.param(envelope("u", NULLS, {**ROW, "email": PLACEHOLDER}), without_value("email"), id="only the key"),
        pytest.param(
            envelope("u", ROW, {**ROW, "email": PLACEHOLDER, "last_name": PLACEHOLDER}), BECAME, id="two of before"
        ),
        pytest.param(envelope("d", {**ROW, "email": PLACEHOLDER}, None), DELETED, id="a delete"),
    ],
)
def test_a_value_that_was_not_sent(document: object, expected: CustomerChange, wrapping: str) -> None:
    assert decode(message(to_json(WRAPPINGS[wrapping](document)))) == expected


@pytest.mark.parametrize("placeholder", ["(none)", "hex:286e6f6e6529"])
def test_another_placeholder(placeholder: str) -> None:
    unavailable = spellings(placeholder)
    for column in "(none)", "KG5vbmUp", ["(none)"]:
        assert decode(message(to_json({**ROW, "email": column})), unavailable) == without_value("email")
    kept = decode(message(to_json({**ROW, "email": PLACEHOLDER})), unavailable)
    assert kept is not None
    assert kept.customer is not None
    assert kept.customer.email == PLACEHOLDER


@pytest.mark.parametrize(
    ("known", "untold", "expected"),
    [
        (None, ("email",), Customer("A", "B", "A B", None, "gold", None)),
        (CUSTOMER, (), Customer("A", "B", "A B", None, "gold", None)),
        (CUSTOMER, ("email",), Customer("A", "B", "A B", "zoe@example.com", "gold", None)),
        (CUSTOMER, ("first_name",), Customer("Zoë", "B", "Zoë B", None, "gold", None)),
        (CUSTOMER, ("last_name", "region"), Customer("A", "O'Neil 😀", "A O'Neil 😀", None, "gold", None)),
    ],
)
def test_a_customer_is_completed(known: Customer | None, untold: tuple[str, ...], expected: Customer) -> None:
    assert completed(known, Customer("A", "B", "A B", None, "gold", None), untold) == expected


# Numbers written otherwise.


@pytest.mark.parametrize("wrapping", ["plain", "schema", "capitals"])
@pytest.mark.parametrize(("column", "expected"), [(1.0, 1), (-7.0, -7), (-0.0, 0), (1e3, 1000), (2.0**52, 2**52)])
def test_a_whole_number_is_one_however_it_is_written(column: object, expected: int, wrapping: str) -> None:
    wrap = WRAPPINGS[wrapping]
    assert decode(message(to_json(wrap({**ROW, "id": column})))) == CustomerChange(expected, CUSTOMER, ARRIVED)
    assert decode(message(None, to_json(wrap({"id": column})))) == CustomerChange(expected, None, ARRIVED)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (2.0**53, "the customer id is the floating-point number 9007199254740992.0, whose last digits may be lost"),
        (2.0**63, "the customer id must fit into 64 bits"),
        (1e300, "the customer id must fit into 64 bits"),
        (0.5, "the customer id must be a whole number, not 0.5"),
        ("1.0", "the customer id must be a whole number, not '1.0'"),
        ("Bw==", "not 'Bw=='; it looks like a decimal in Base64: set the connector's decimal.handling.mode to string"),
        ("AYag", "it looks like a decimal in Base64"),
        ("four", "the customer id must be a whole number, not 'four'"),
        (
            "5b8c2b0e-8a51-4d0a-9d52-6a1f6c1f0b5e",
            "the customer id must be a whole number, not '5b8c2b0e-8a51-4d0a-9d52-6a1f6c1f0b5e'",
        ),
        (
            {"scale": 0, "value": "Bw=="},
            "the customer id is a decimal of variable scale, an object of scale and value: "
            "set the connector's decimal.handling.mode to string",
        ),
        ({"$numberLong": "7"}, "the customer id is MongoDB's extended JSON"),
    ],
)
def test_what_is_no_whole_number(column: object, reason: str) -> None:
    refused(message(row(id=column)), "InvalidRecord", reason)
    refused(message(to_json(envelope("c", None, {**ROW, "id": column}))), "InvalidRecord", reason)
    refused(message(None, to_json({"id": column})), "InvalidRecord", reason)


# Keys.


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [
        pytest.param(None, b'{"id":1,"tenant":2}', DELETED, id="composite"),
        pytest.param(None, b'{"tenant":2,"ID":1}', DELETED, id="composite, in capitals"),
        pytest.param(to_json(ROW), b'{"id":5}', BECAME, id="the row's own id counts"),
        pytest.param(to_json({**NULLS, "__deleted": "true"}), b'{"id":5}', DELETED, id="of a delete, too"),
        pytest.param(to_json(envelope("d", ROW, None)), b'{"id":5}', DELETED, id="of the row before"),
        pytest.param(to_json(envelope("u", {**ROW, "id": 5}, ROW)), b'{"id":5}', BECAME, id="of the row after"),
        pytest.param(None, b'\x00\x00\x00\x00\x07{"id":1}', DELETED, id="JSON Schema"),
        pytest.param(None, b"\x00\x00\x00\x00\x071", DELETED, id="JSON Schema, a number"),
    ],
)
def test_keys(value: bytes | None, key: bytes, expected: CustomerChange) -> None:
    assert decode(message(value, key)) == expected


def test_a_changed_primary_key_is_a_delete_and_an_insert() -> None:
    deleted = decode(message(to_json(envelope("d", {**ROW, "id": 4}, None)), b'{"id":4}'))
    tombstone = decode(message(None, b'{"id":4}'))
    created = decode(message(to_json(envelope("c", None, ROW)), b'{"id":1}'))
    assert [deleted, tombstone, created] == [CustomerChange(4, None, ARRIVED)] * 2 + [BECAME]


def row(**columns: object) -> bytes:
    return to_json({**ROW, **columns})


@pytest.mark.parametrize(
    ("value", "error", "fragment"),
    [
        pytest.param(b"", "EmptyValue", "the value is empty", id="empty"),
        pytest.param(b"customer", "NotJson", "not JSON", id="not JSON"),
        pytest.param(row()[:-9], "NotJson", "unexpected end", id="truncated"),
        pytest.param(row() + b"}", "NotJson", "line 1 column", id="trailing garbage"),
        pytest.param(b'{"id":1,"email":"\xff"}', "NotUtf8", "byte 17", id="not UTF-8"),
        pytest.param(b'{"id":1,"else":"\xff"}', "NotUtf8", "byte 16", id="an unused field not UTF-8"),
        pytest.param(b'{"id":1,"email":"\\ud800"}', "NotJson", "surrogate", id="lone surrogate"),
        pytest.param(b'{"id":1,"email":NaN}', "NotJson", "not JSON", id="NaN"),
        pytest.param(b"\x00\x00\x00\x00\x01\x02", "UnsupportedFormat", "Avro", id="Avro with a registry's id"),
        pytest.param(row(comments="x" * 1_000_000), "TooLarge", "the limit of 1,000,000", id="too large"),
        pytest.param(b"[1]", "InvalidRecord", "must be an object, not a list", id="a list"),
        pytest.param(b'"1"', "InvalidRecord", "must be an object, not text", id="text"),
        pytest.param(b"1", "InvalidRecord", "must be an object, not a number", id="a number"),
        pytest.param(to_json(schema([1])), "InvalidRecord", "not a list", id="a list in a payload"),
        pytest.param(to_json(schema("row")), "InvalidRecord", "not text", id="text in a payload"),
        # An object, but no change.
        pytest.param(b"{}", "InvalidRecord", "no row of a customer", id="an empty object"),
        pytest.param(to_json(schema({})), "InvalidRecord", "no row of a customer", id="an empty payload"),
        pytest.param(b'{"rating_id":1,"stars":4}', "InvalidRecord", "no row of a customer", id="a rating"),
        pytest.param(b'{"op":"c","after":null}', "InvalidRecord", "no row of a customer", id="a create of nothing"),
        pytest.param(to_json(envelope("x", None, ROW)), "InvalidRecord", "op must be one of c, u, d, r, t", id="op x"),
        pytest.param(to_json(envelope(5, None, ROW)), "InvalidRecord", "op must be one of c, u, d, r, t", id="op 5"),
        pytest.param(b'{"op":5}', "InvalidRecord", "it has op", id="op alone"),
        pytest.param(b'{"op":"c","after":[1]}', "InvalidRecord", "after must be an object or null", id="a list after"),
        # A column of another type.
        pytest.param(row(email=7), "InvalidRecord", "field email must be text or null", id="a number for an e-mail"),
        pytest.param(row(first_name=True), "InvalidRecord", "first_name must be text or null", id="a boolean name"),
        pytest.param(row(first_name={"int": 3}), "InvalidRecord", "first_name must be text", id="a number in a union"),
        pytest.param(row(__deleted=1), "InvalidRecord", "field __deleted must be", id="__deleted 1"),
        pytest.param(
            to_json(envelope("c", None, {**ROW, "email": 7})), "InvalidRecord", "field after.email", id="after"
        ),
        pytest.param(
            to_json(schema(envelope("c", None, {**ROW, "email": 7}))), "InvalidRecord", "after.email", id="in a payload"
        ),
        # An id that is none.
        pytest.param(row(id=None), "InvalidRecord", "neither in the key nor in the value", id="no id"),
        pytest.param(row(id="seven"), "InvalidRecord", "must be a whole number, not 'seven'", id="a word"),
        pytest.param(row(id=""), "InvalidRecord", "must be a whole number", id="empty text"),
        pytest.param(row(id="1_0"), "InvalidRecord", "must be a whole number, not '1_0'", id="Python's underscore"),
        pytest.param(row(id="\u0667"), "InvalidRecord", "must be a whole number", id="an Arabic digit"),
        pytest.param(row(id=7.5), "InvalidRecord", "the customer id must be a whole number, not 7.5", id="a fraction"),
        pytest.param(row(id=True), "InvalidRecord", "field id must be a whole number or text", id="a boolean"),
        pytest.param(row(id=[1]), "InvalidRecord", "field id must be a whole number or text", id="a list for an id"),
        pytest.param(row(id=2**63), "InvalidRecord", "must fit into 64 bits", id="beyond 64 bits"),
        pytest.param(row(id=2**64), "InvalidRecord", "must fit into 64 bits", id="beyond unsigned 64 bits"),
        pytest.param(row(id=str(2**63)), "InvalidRecord", "must fit into 64 bits", id="beyond 64 bits, as text"),
        # Nested to break a parser.
        pytest.param(nested("[", "", "]", 100_000).encode(), "InvalidRecord", "nested too deeply", id="100,000 lists"),
        pytest.param(
            b'{"id":1,"x":' + nested("[", "", "]", 100_000).encode() + b"}",
            "InvalidRecord",
            "nested too deeply",
            id="100,000 lists in an unused field",
        ),
        pytest.param(
            nested('{"payload":', "1", "}", 80_000).encode(), "InvalidRecord", "nested too deeply", id="80,000 payloads"
        ),
    ],
)
def test_what_is_no_change(value: bytes, error: str, fragment: str) -> None:
    refused(message(value), error, fragment)


@pytest.mark.parametrize(
    ("key", "fragment"),
    [
        (None, "neither in the key nor in the value"),
        (b"", "neither in the key nor in the value"),
        (b"seven", "must be a whole number, not 'seven'"),
        (b'"seven"', "must be a whole number, not 'seven'"),
        (b'{"id":"seven"}', "must be a whole number, not 'seven'"),
        (b'{"other":1}', 'the key has no customer id: {"other":1}'),
        (b'{"id":null}', 'the key has no customer id: {"id":null}'),
        (b'{"id":1', "customer id"),
        (b"\xff\xfe", "customer id"),
        (b"\x00\x00\x00\x00\x05\x02", "the key is Avro or Protobuf in a schema registry's frame"),
        (b'\x00\x00\x00\x00\x05{"other":1}', 'the key has no customer id: {"other":1}'),
        (b'\x00\x00\x00\x00\x05"seven"', "must be a whole number, not 'seven'"),
        (b"null", "customer id"),
        (b'{"id":1.5}', "customer id"),
        (b"1_0", "must be a whole number, not '1_0'"),
        ("\u0661".encode(), "must be a whole number"),
        (b"1.5", "customer id"),
        (b"true", "key"),
        (b"[1]", "key"),
        (to_json(schema([1])), "key"),
        (b'"99999999999999999999"', "must fit into 64 bits"),
        (b"9223372036854775808", "must fit into 64 bits"),
        (b"99999999999999999999", "must fit into 64 bits"),
        (to_json(schema(2**63)), "must fit into 64 bits"),
        (b'{"id":99999999999999999999}', "must fit into 64 bits"),
        pytest.param(b"[" * 100_000, "key", id="100,000 lists"),
        pytest.param(nested('{"payload":', "1", "}", 100_000).encode(), "customer id", id="100,000 payloads"),
        pytest.param(b"1" * 5000, "customer id", id="5,000 digits"),
        pytest.param(b'"' + b"1" * 5000 + b'"', "customer id", id="5,000 digits in text"),
    ],
)
@pytest.mark.parametrize("value", [None, to_json({**ROW, "id": None})], ids=["tombstone", "row"])
def test_what_is_no_key(value: bytes | None, key: bytes | None, fragment: str) -> None:
    refused(message(value, key), "InvalidRecord", fragment)


def refused(change: Any, error: str, fragment: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(change)
    text = str(caught.value)
    assert (type(caught.value).__name__, fragment in text) == (error, True), text[:200]


@pytest.mark.parametrize("depth", [10, 100, 300, 450, 500, 700, 900, 1000, 1023, 1100])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"int":', "}"), ('{"A":', "}"), ('{"payload":', "}")])
@pytest.mark.parametrize("name", ["x", "EMAIL", "after", "payload"])
def test_any_depth_is_decoded_or_refused(name: str, brackets: tuple[str, str], depth: int) -> None:
    inner = nested(brackets[0], "1", brackets[1], depth)
    decoded_or_refused(f'{{"ID":1,"{name}":{inner}}}'.encode(), None)
    decoded_or_refused(None, f'{{"{name}":{inner}}}'.encode())


def decoded_or_refused(value: bytes | None, key: bytes | None) -> CustomerChange | None:
    try:
        return decode(message(value, key))
    except DecodeError:
        return None


NAMES = [
    *ROW,
    "__deleted",
    "__op",
    "op",
    "before",
    "after",
    "payload",
    "schema",
    "ddl",
    "ts_ms",
    "int",
    "string",
    "a.b",
]
ANY_TEXT = st.text(st.characters())  # with lone surrogates, which JSON's escapes can write
ANY_SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from("cudrtm17") | ANY_TEXT
ANY_JSON = st.recursive(
    ANY_SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)
ANY_KEY = st.none() | st.binary(max_size=30) | ANY_JSON.map(to_json) | st.sampled_from(list(KEYS.values()))


@settings(max_examples=600, deadline=None)
@given(st.none() | st.binary(max_size=200) | ANY_JSON.map(to_json), ANY_KEY)
def test_anything_decodes_or_is_refused(value: bytes | None, key: bytes | None) -> None:
    change = decoded_or_refused(value, key)
    if change is not None:
        # Between processes it travels as MessagePack.
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(change), type=CustomerChange) == change
