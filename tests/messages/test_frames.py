"""What a value is that is no plain JSON: a record, or a reason that names it and the setting that mends it."""

import bz2
import gzip
import lzma
import zlib
from base64 import b64encode
from typing import Any

import pytest

from messages.errors import DecodeError
from messages.message import Message
from records import customer, rating
from records.customer import Customer
from servers.embedded.messages import message, to_json

RATING = b'{"rating_id":1,"user_id":7}'
ROW = b'{"id":1,"first_name":"Rica"}'
RICA = Customer("Rica", None, "Rica", None, None, None)
FRAME = b"\x00\x00\x00\x00\x05"
NOT_JSON = ", and JSON is read here: is SCHEMA_REGISTRY_URL set, and the topic's format auto or avro?"
WITH_ID = f"the value is Avro or Protobuf in a schema registry's frame (0x00 and its schema's id 5){NOT_JSON}"
COMPRESSED = ", compressed by its producer: leave that to Kafka, with the producer's compression.type"
JAVA = (
    " in the text form of Java, which Kafka Connect's StringConverter writes: "
    "set the connector's value.converter to JsonConverter or AvroConverter"
)
BINARY = ": write JSON, or Avro with a schema registry"
AVRO = ": write Avro in Confluent's wire format, and set the schema registry"
UTF_16 = "the value is UTF-16 text: set the producer's encoding to UTF-8"
GLUE = (
    "the value has the frame of AWS Glue's schema registry (its first byte is 0x03), which is not read: "
    "write JSON, or Avro with a registry that has Confluent's API"
)
EIGHT_BYTES = (
    "the value begins with a schema's id of eight bytes, as Apicurio's serializers write it: "
    "set the producer's apicurio.registry.as-confluent=true"
)


def of_apicurio(name: str) -> str:
    return (
        f"the value's schema is named in Apicurio's header {name}, which is not read: "
        "set the producer's apicurio.registry.headers.enabled=false and apicurio.registry.as-confluent=true"
    )


Headers = list[tuple[str, bytes]]
FRAMES: list[tuple[str, bytes, str]] = [
    ("Avro", FRAME + b"\x02\x0e\x00", WITH_ID),
    ("Avro that begins like JSON", FRAME + b"{\x0e\x00", WITH_ID),
    ("Protobuf", FRAME + b"\x00\x08\x01", WITH_ID),
    ("a frame's first byte", b"\x00", WITH_ID.replace(" 5)", ")")),
    ("Apicurio's ids of eight bytes", b"\x00" + (5).to_bytes(8, "big") + b"\x02\x0e", EIGHT_BYTES),
    ("AWS Glue", b"\x03\x00" + bytes(range(16)) + b"\x02\x0e", GLUE),
    ("AWS Glue, compressed", b"\x03\x05" + bytes(range(16)) + zlib.compress(b"\x02\x0e"), GLUE),
    ("gzip", gzip.compress(RATING), f"the value is gzip{COMPRESSED}"),
    ("zlib", zlib.compress(RATING), f"the value is zlib{COMPRESSED}"),
    ("zlib, level 1", zlib.compress(RATING, 1), f"the value is zlib{COMPRESSED}"),
    ("zlib, level 9", zlib.compress(RATING, 9), f"the value is zlib{COMPRESSED}"),
    ("bzip2", bz2.compress(RATING), f"the value is bzip2{COMPRESSED}"),
    ("xz", lzma.compress(RATING), f"the value is xz{COMPRESSED}"),
    ("zstd", b"\x28\xb5\x2f\xfd\x04\x00", f"the value is zstd{COMPRESSED}"),
    ("LZ4", b"\x04\x22\x4d\x18\x60\x40", f"the value is LZ4{COMPRESSED}"),
    ("Snappy", b"\x82SNAPPY\x00\x00", f"the value is Snappy{COMPRESSED}"),
    ("UTF-16", RATING.decode().encode("utf-16"), UTF_16),
    ("UTF-16, little endian", RATING.decode().encode("utf-16-le"), UTF_16),
    ("UTF-16, big endian", RATING.decode().encode("utf-16-be"), UTF_16),
    ("an Avro file", b"Obj\x01\x04\x14avro.codec", f"the value is an Avro file{AVRO}"),
    ("Avro's single objects", b"\xc3\x01" + bytes(9), f"the value is Avro in single-object encoding{AVRO}"),
    ("Java", b"\xac\xed\x00\x05sr", f"the value is a serialized Java object{BINARY}"),
    ("a Struct", b"Struct{id=1,first_name=Rica}", f"the value is a Struct{JAVA}"),
    ("a Map", b"{id=1, first_name=Rica}", f"the value is a Map{JAVA}"),
    ("XML", b"<rating id='1'/>", f"the value is XML{BINARY}"),
    ("Base64", b64encode(RATING), f"the value is JSON in Base64{BINARY}"),
    ("MessagePack", b"\x82\xa9rating_id\x01\xa7user_id\x07", f"the value is MessagePack{BINARY}"),
    ("MessagePack, a long map", b"\xde\x00\x10\xa9rating_id\x01", f"the value is MessagePack{BINARY}"),
    ("CBOR", b"\xa2\x69rating_id\x01\x67user_id\x07", f"the value is CBOR{BINARY}"),
    ("CBOR of any length", b"\xbf\x69rating_id\x01\xff", f"the value is CBOR{BINARY}"),
    ("BSON", b"\x14\x00\x00\x00\x10rating_id\x00\x01\x00\x00\x00\x00", f"the value is BSON{BINARY}"),
    ("Smile", b":)\n\x01\xfa\x88", f"the value is Smile{BINARY}"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "reason"), [pytest.param(value, reason, id=name) for name, value, reason in FRAMES])
def test_a_frame_is_named(value: bytes, reason: str) -> None:
    for reading in rating.decode, customer.decode:
        assert refusal(reading, message(value, b'{"id":1}')) == f"UnsupportedFormat: {reason}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("apicurio.value.globalId", of_apicurio("apicurio.value.globalId")),
        ("apicurio.value.contentId", of_apicurio("apicurio.value.contentId")),
        ("apicurio.value.artifactId", of_apicurio("apicurio.value.artifactId")),
        (
            "__value_schema_id",
            f"the value is Avro or Protobuf of a schema registry (its schema's GUID is in a header){NOT_JSON}",
        ),
    ],
)
def test_a_header_is_named(name: str, reason: str) -> None:
    for reading in rating.decode, customer.decode:
        framed = message(b"\x02\x0e\x00", b'{"id":1}', headers=[("other", b""), (name, b"\x01" * 17)])
        assert refusal(reading, framed) == f"UnsupportedFormat: {reason}"


@pytest.mark.parametrize(
    ("value", "error", "reason"),
    [
        (to_json(RATING.decode()), "InvalidRecord", "the record must be an object, not text that holds JSON"),
        (b"\xffRating", "NotUtf8", "the value is not UTF-8"),
        (b"rating 1", "NotJson", "the value is not JSON"),
        (b"{", "NotJson", "the value is not JSON"),
        (FRAME[:3] + RATING, "UnsupportedFormat", "the value is Avro or Protobuf in a schema registry's frame"),
        (FRAME + b'{"rating_id":1,"user_id":7,"x":"\xff"}', "UnsupportedFormat", "the value is Avro or Protobuf"),
    ],
)
def test_other_bytes(value: bytes, error: str, reason: str) -> None:
    for reading in rating.decode, customer.decode:
        assert refusal(reading, message(value)).startswith(f"{error}: {reason}")


JSON: dict[str, tuple[bytes, bytes]] = {
    "a byte order mark": (b"\xef\xbb\xbf", b""),
    "JSON Schema": (FRAME, b""),
    "JSON Schema, any id": (b"\x00\xff\xff\xff\xff", b""),
    "JSON Schema, a line break": (FRAME + b"\n", b""),
    "Connect's schema": (b'{"schema":{"type":"struct"},"payload":', b"}"),
    "JSON Schema and Connect's": (FRAME + b'{"payload":', b"}"),
    "a CloudEvent": (b'{"specversion":"1.0","id":"7","source":"/x","type":"t","data":', b"}"),
    "a CloudEvent with a schema": (b'{"specversion":"1.0","id":"7","type":"t","data":{"schema":{},"payload":', b"}}"),
    "a CloudEvent with JSON Schema": (FRAME + b'{"specversion":"1.0","type":"t","id":"7","data":', b"}"),
}


@pytest.mark.parametrize("frame", JSON)
def test_json_in_a_frame_is_read(frame: str) -> None:
    before, after = JSON[frame]
    found = rating.decode(message(before + RATING + after))
    assert (found.rating_id, found.user_id) == (1, 7)
    change = customer.decode(message(before + ROW + after))
    assert change is not None
    assert (change.id, change.customer) == (1, RICA)


@pytest.mark.parametrize(
    "headers", [[("apicurio.value.globalId", b"\x00" * 8)], [("ce_specversion", b"1.0"), ("ce_id", b"7")]]
)
def test_json_beside_headers_is_read(headers: Headers) -> None:
    assert rating.decode(message(RATING, headers=headers)).user_id == 7
    change = customer.decode(message(ROW, headers=headers))
    assert change is not None
    assert change.customer == RICA


# CloudEvents around Debezium's changes, as its converter writes them.

BEFORE: dict[str, Any] = {"id": 1, "first_name": "Bo"}
AFTER: dict[str, Any] = {"id": 1, "first_name": "Rica"}
ATTRIBUTES: dict[str, Any] = {
    "id": "name:test_server;lsn:29274832;txId:565",
    "source": "/debezium/postgresql/test_server",
    "specversion": "1.0",
    "type": "io.debezium.connector.postgresql.DataChangeEvent",
    "time": "2020-01-13T13:55:39.738Z",
    "datacontenttype": "application/json",
    "iodebeziumconnector": "postgresql",
    "iodebeziumtsms": "1578923739738",
    "iodebeziumsnapshot": "true",
    "iodebeziumdb": "postgres",
    "iodebeziumlsn": "29274832",
    "iodebeziumxmin": None,
}
SOURCE = {"ts_ms": 1578923739738, "db": "postgres", "lsn": 29274832}


@pytest.mark.parametrize(
    ("op", "data", "became"),
    [
        ("r", {"before": None, "after": AFTER}, RICA),
        ("u", {"before": BEFORE, "after": AFTER}, RICA),
        ("d", {"before": BEFORE, "after": None}, None),
        ("u", {"payload": {"before": None, "after": AFTER}}, RICA),
        ("u", {"schema": {"type": "struct"}, "payload": {"before": None, "after": AFTER}}, RICA),
        (None, {"before": None, "after": AFTER, "op": "c", "source": SOURCE, "ts_ms": 5}, RICA),
        (None, {"before": BEFORE, "after": None, "op": "d", "source": SOURCE, "ts_ms": 5}, None),
        ("u", AFTER, RICA),
        ("d", BEFORE, None),
    ],
)
def test_a_change_in_a_cloud_event(op: str | None, data: dict[str, Any], became: Customer | None) -> None:
    event = {**ATTRIBUTES, **({"iodebeziumop": op} if op else {}), "data": data}
    change = customer.decode(message(to_json(event)))
    assert change is not None
    assert (change.id, change.customer) == (1, became)
    plain = customer.decode(message(to_json({"before": None, "after": AFTER, "op": "u", "source": SOURCE})))
    assert plain is not None
    assert change.version == plain.version


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            {"data_base64": "AAAA"},
            "UnsupportedFormat: the CloudEvent's data is not JSON: set the converter's data.serializer.type to json",
        ),
        (
            {"data": "AAAA"},
            "UnsupportedFormat: the CloudEvent's data is not JSON: set the converter's data.serializer.type to json",
        ),
        ({"data": [1]}, "InvalidRecord: the record must be an object, not a list"),
        (
            {"data": {"vorname": "Rica"}},
            "InvalidRecord: there is no row of a customer: none of the columns "
            "first_name, last_name, email, club_status, region; it has vorname",
        ),
    ],
)
def test_what_is_no_record_in_a_cloud_event(data: dict[str, Any], reason: str) -> None:
    event = {"specversion": "1.0", "type": "t", "id": "7", "source": "/x", **data}
    assert refusal(customer.decode, message(to_json(event), b'{"id":1}')) == reason


def test_a_row_that_has_a_column_of_an_attributes_name_is_none() -> None:
    change = customer.decode(message(to_json({**AFTER, "data": {"x": 1}, "specversion": "1.0"})))
    assert change is not None
    assert change.customer == RICA


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            {"op": "c", "after": '{"_id": {"$numberLong": "1"}, "first_name": "Rica"}'},
            "InvalidRecord: after is text that holds JSON, as MongoDB's connector writes it: "
            "unwrap it with ExtractNewDocumentState",
        ),
        (
            {"id": {"$oid": "5f8f"}, "first_name": "Rica"},
            "InvalidRecord: the customer id is MongoDB's extended JSON: unwrap it with ExtractNewDocumentState",
        ),
    ],
)
def test_documents_of_mongodb(value: object, reason: str) -> None:
    assert refusal(customer.decode, message(to_json(value), b'{"id":1}')) == reason


def refusal(reading: Any, one: Message) -> str:
    with pytest.raises(DecodeError) as caught:
        reading(one)
    return f"{type(caught.value).__name__}: {caught.value}"
