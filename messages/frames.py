"""Names the encoding of values that are not JSON, by first bytes and headers, and the setting that corrects it."""

import re
from collections.abc import Iterable

_SCHEMA_FRAME, _SCHEMA_FRAME_BYTES = 0x00, 5
_GLUE, _GLUE_COMPRESSIONS, _GLUE_BYTES = 0x03, (0x00, 0x05), 18

_COMPRESSED = "{}, compressed by its producer: leave that to Kafka, with the producer's compression.type"
_AVRO = "{}: write Avro in Confluent's wire format, and set the schema registry"
_CONNECT = (
    "{} in the text form of Java, which Kafka Connect's StringConverter writes: "
    "set the connector's value.converter to JsonConverter or AvroConverter"
)
_BINARY = "{}: write JSON, or Avro with a schema registry"
_UTF_16 = "UTF-16 text: set the producer's encoding to UTF-8"

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (rb"\x1f\x8b", _COMPRESSED.format("gzip")),
    (rb"\x28\xb5\x2f\xfd", _COMPRESSED.format("zstd")),
    (rb"\x04\x22\x4d\x18", _COMPRESSED.format("LZ4")),
    (rb"\x82SNAPPY\x00|\xff\x06\x00\x00sNaPpY", _COMPRESSED.format("Snappy")),
    (rb"\x78[\x01\x5e\x9c\xda]", _COMPRESSED.format("zlib")),
    (rb"BZh[1-9]", _COMPRESSED.format("bzip2")),
    (rb"\xfd7zXZ\x00", _COMPRESSED.format("xz")),
    (rb"\xff\xfe|\xfe\xff|\x00[\s{\[\"]\x00|[\s{\[\"]\x00", _UTF_16),
    (rb"Obj\x01", _AVRO.format("an Avro file")),
    (rb"\xc3\x01.{8}", _AVRO.format("Avro in single-object encoding")),
    (rb"\xac\xed\x00\x05", _BINARY.format("a serialized Java object")),
    (rb"PAR1", _BINARY.format("a Parquet file")),
    (rb"Struct\{", _CONNECT.format("a Struct")),
    (rb"\{\w+=", _CONNECT.format("a Map")),
    (rb"\s*<", _BINARY.format("XML")),
    (rb"eyJ[A-Za-z0-9+/=_-]*\s*\Z", _BINARY.format("JSON in Base64")),
    (rb"([\x80-\x8f]|\xde..|\xdf....)[\xa1-\xbf\xd9]", _BINARY.format("MessagePack")),
    (rb"[\xa1-\xb7\xbf][\x61-\x78]", _BINARY.format("CBOR")),
    (rb":\)\n", _BINARY.format("Smile")),
)
_RECOGNISE = [(re.compile(beginning, re.DOTALL).match, what) for beginning, what in _BEGINNINGS]

Headers = Iterable[tuple[str, object]] | None


def recognised(value: bytes, headers: Headers = None) -> str | None:
    """A sentence about bytes that are not JSON; None if the encoding is unknown."""
    if reason := apicurio(value, headers):
        return reason
    if any(name == "__value_schema_id" for name, _ in headers or ()):
        return f"the value is Avro or Protobuf of a schema registry (its schema's GUID is in a header){_NOT_JSON}"
    if len(value) >= _GLUE_BYTES and value[0] == _GLUE and value[1] in _GLUE_COMPRESSIONS:
        return (
            "the value has the frame of AWS Glue's schema registry (its first byte is 0x03), which is not read: "
            "write JSON, or Avro with a registry that has Confluent's API"
        )
    if len(value) > 4 and int.from_bytes(value[:4], "little") == len(value) and value[-1] == 0:
        return f"the value is {_BINARY.format('BSON')}"
    for match, what in _RECOGNISE:
        if match(value):
            return f"the value is {what}"
    return _schema_frame(value) if value[:1] == b"\x00" else None


def apicurio(value: bytes, headers: Headers) -> str | None:
    """A sentence about a form of Apicurio's serializers that is not supported; None for any other bytes."""
    for name, _ in headers or ():
        if name.startswith("apicurio.value."):
            return (
                f"the value's schema is named in Apicurio's header {name}, which is not read: "
                "set the producer's apicurio.registry.headers.enabled=false and apicurio.registry.as-confluent=true"
            )
    if value[:5] == bytes(5) and len(value) > 9 and any(value[5:9]):
        return (
            "the value begins with a schema's id of eight bytes, as Apicurio's serializers write it: "
            "set the producer's apicurio.registry.as-confluent=true"
        )
    return None


def unframed(value: bytes) -> bytes | None:
    """The bytes after the schema id that JSON Schema's serializers write; None for any other value."""
    is_framed = len(value) > _SCHEMA_FRAME_BYTES and value[0] == _SCHEMA_FRAME
    return value[_SCHEMA_FRAME_BYTES:] if is_framed else None


_NOT_JSON = ", and JSON is read here: is SCHEMA_REGISTRY_URL set, and the topic's format auto or avro?"


def _schema_frame(value: bytes) -> str:
    schema = int.from_bytes(value[1:_SCHEMA_FRAME_BYTES], "big")
    number = f" {schema}" if len(value) >= _SCHEMA_FRAME_BYTES else ""
    return f"the value is Avro or Protobuf in a schema registry's frame (0x00 and its schema's id{number}){_NOT_JSON}"
