"""JSON or Avro: by the bytes of each message, or by the declared format of the topic."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import msgspec

from messages.avro import AvroReader
from messages.cache import JsonText, Schemas
from messages.decoder import ALONE, Alone, Decoder
from messages.errors import DecodeError, InvalidRecord, MalformedAvro, UnknownSchema, UnsupportedFormat, explain
from messages.frames import apicurio
from messages.json import MAX_BYTES, check_size
from messages.message import Message
from messages.wire import FRAME, FRAME_BYTES, carry_guids, framed_key, framed_value

T = TypeVar("T")

Format = Literal["auto", "json", "avro"]

_AT_ONCE = 512
"""Messages that are read at once. A broken message makes all of them slow."""


@dataclass(frozen=True)
class Avro(Generic[T]):
    """Makes records from decoded Avro fields."""

    one: Callable[[Message, Any], T | None]
    """The record of a message and the fields of its value. Raises DecodeError or msgspec.ValidationError."""
    many: Callable[[Sequence[Message], list[Any]], Sequence[T | None]]
    """The records of many messages. Raises if any is invalid; then ``one`` is called for each."""


def decoder(
    json: Decoder[T], avro: Avro[T], form: Format, schemas: Schemas | None, *, keyed: bool = False
) -> Decoder[T]:
    """The decoder of a topic's messages.

    Args:
        json: Decodes messages whose values are JSON.
        avro: Makes records from decoded Avro fields.
        form: ``auto`` tells the format by the bytes of each message. With any other form, messages of another format
            are refused.
        schemas: None without a schema registry: then every message is JSON.
        keyed: Whether keys are decoded, too. ``json.one`` and ``avro`` get Avro keys as JSON.
    """
    if schemas is None or form == "json":
        return json
    reading = _Reading(json, avro, form, schemas, keyed)
    return Decoder(reading.one, reading.many)


@dataclass(frozen=True)
class _Reading(Generic[T]):
    json: Decoder[T]
    avro: Avro[T]
    form: Format
    schemas: Schemas
    keyed: bool

    def one(self, message: Message) -> T | None:
        if self.keyed:
            message = _WithJsonKey(message, self.schemas)
        value, framed = message.value(), framed_value(message)
        if value is None or framed is None:
            # A message without a value deletes something, whatever its topic's format.
            if self.form == "avro" and value is not None:
                raise UnsupportedFormat("the value is not Avro with a schema registry's id or GUID")
            return self.json.one(message)
        check_size(value)
        try:
            reader = self.schemas.reader(framed.schema)
            if isinstance(reader, JsonText):
                return self._json_text(message, framed.payload, reader)
            fields = reader.read(framed.payload)
        except (UnknownSchema, MalformedAvro):
            if reason := apicurio(value, message.headers()):
                raise UnsupportedFormat(reason) from None
            raise
        try:
            return self.avro.one(message, fields)
        except msgspec.ValidationError as error:
            raise _mismatch(explain(error), reader) from None
        except InvalidRecord as error:
            raise _mismatch(str(error), reader) from None

    def _json_text(self, message: Message, text: bytes, reader: JsonText) -> T | None:
        if self.form == "avro":
            raise UnsupportedFormat(f"the value is JSON with schema {reader.name}, not Avro")
        return self.json.one(_WithValue(message, text))

    def many(self, messages: Sequence[Message]) -> Sequence[T | Literal[Alone.ALONE] | None] | None:
        by_schema: defaultdict[bytes, list[int]] = defaultdict(list)
        for index, message in enumerate(messages):
            value = message.value()
            if value is not None and FRAME_BYTES <= len(value) <= MAX_BYTES and value[0] == FRAME:
                by_schema[value[:FRAME_BYTES]].append(index)
        if not by_schema:
            return self.json.many(messages) if self.form == "auto" and not self.keyed else None
        if carry_guids(messages):
            return None
        found: list[T | Literal[Alone.ALONE] | None] = [ALONE] * len(messages)
        for begin, indices in by_schema.items():
            for lot in range(0, len(indices), _AT_ONCE):
                self._read(int.from_bytes(begin[1:], "big"), messages, indices[lot : lot + _AT_ONCE], found)
        return found

    def _read(
        self,
        schema: int,
        messages: Sequence[Message],
        indices: Sequence[int],
        found: list[T | Literal[Alone.ALONE] | None],
    ) -> None:
        lot: list[Message] = [messages[index] for index in indices]
        if self.keyed:
            lot = [_WithJsonKey(message, self.schemas) for message in lot]
        try:
            reader = self.schemas.reader(schema)
            if isinstance(reader, JsonText):
                return
            values = reader.read_all([message.value()[FRAME_BYTES:] for message in lot])  # type: ignore[index]
            if values is None:
                return
            records = self.avro.many(lot, values)
        except (DecodeError, msgspec.ValidationError):
            return
        for index, record in zip(indices, records, strict=True):
            found[index] = record


class _Changed:
    """A message with one part replaced."""

    # Made for each message, and mostly not asked for anything: so methods are not bound beforehand.
    __slots__ = ("_message",)

    def __init__(self, message: Message) -> None:
        self._message = message

    def key(self) -> bytes | None:
        return self._message.key()

    def value(self) -> bytes | None:
        return self._message.value()

    def headers(self) -> Any:
        return self._message.headers()

    def partition(self) -> int | None:
        return self._message.partition()

    def offset(self) -> int | None:
        return self._message.offset()

    def timestamp(self) -> tuple[int, int]:
        return self._message.timestamp()


class _WithValue(_Changed):
    """A message with another value."""

    __slots__ = ("_value",)

    def __init__(self, message: Message, value: bytes) -> None:
        super().__init__(message)
        self._value = value

    def value(self) -> bytes | None:
        return self._value


class _WithJsonKey(_Changed):
    """A message that gives an Avro key as JSON."""

    __slots__ = ("_schemas",)

    def __init__(self, message: Message, schemas: Schemas) -> None:
        self._message, self._schemas = message, schemas

    def key(self) -> bytes | None:
        framed = framed_key(self._message)
        if framed is None:
            return self._message.key()
        reader = self._schemas.reader(framed.schema)
        return framed.payload if isinstance(reader, JsonText) else msgspec.json.encode(reader.read(framed.payload))


def _mismatch(reason: str, reader: AvroReader) -> InvalidRecord:
    return InvalidRecord(f"{reason}; it was written with schema {reader.name}")
