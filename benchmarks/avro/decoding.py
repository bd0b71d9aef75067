"""Decoding alone: what a record costs in Avro and in JSON, each way."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import msgspec
import orjson
from fastavro import parse_schema, schemaless_reader

from benchmarks.avro import timing
from benchmarks.avro.customers import forms
from benchmarks.avro.schemas import NULLABLE_RATINGS, RATINGS, Row, framed
from benchmarks.harness.data import Data
from dataflows.decoders import of_customers, of_ratings
from dataflows.wiring.registry import schemas
from messages.decoder import Decoder
from messages.message import Message
from messages.registry import Registry
from messages.wire import FRAME_BYTES
from records.rating import Rating
from servers.embedded.messages import message
from sources.kafka import MAX_MESSAGES

WAYS = ("fastavro", "one by one", "at once", "msgspec", "JSON")
PLAIN = "ksql.ratings"
HEADER = f"{'decoding, CPU us a record':32}" + "".join(f"{way:>12}" for way in WAYS)

Times = dict[str, dict[str, float]]


class Customer(msgspec.Struct, gc=False):
    """What is taken of a customer."""

    id: int
    first_name: str | None
    last_name: str | None
    email: str | None
    club_status: str | None


class Envelope(msgspec.Struct, gc=False):
    """What is taken of a change of one."""

    op: str
    before: Customer | None
    after: Customer | None
    source: dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """The same records in Avro and in JSON.

    Args:
        name: for the table.
        schema: of the Avro.
        rows: what fastavro must read.
        struct: what msgspec reads of the JSON.
        decoder: the project's, of Avro.
        json_decoder: the project's, of JSON.
        avro: messages of one poll.
        json: messages of the same rows.
    """

    name: str
    schema: str
    rows: list[Row]
    struct: type
    decoder: Decoder[Any]
    json_decoder: Decoder[Any]
    avro: Sequence[Message]
    json: Sequence[Message]

    def ways(self) -> dict[str, Callable[[], list[Any]]]:
        """What decodes all records, by name; WAYS of them."""
        schema = parse_schema(json.loads(self.schema))
        payloads = [(one.value() or b"")[FRAME_BYTES:] for one in self.avro]
        texts = [one.value() or b"" for one in self.json]
        decode: Callable[[bytes], Any] = msgspec.json.Decoder(self.struct).decode
        return {
            "fastavro": lambda: [schemaless_reader(BytesIO(payload), schema, None) for payload in payloads],
            "one by one": lambda: list(map(self.decoder.one, self.avro)),
            "at once": lambda: list(self.decoder.many(self.avro) or ()),
            "msgspec": lambda: list(map(decode, texts)),
            "JSON": lambda: list(map(self.json_decoder.one, self.json)),
        }

    def verify(self) -> None:
        """Compare the values that the ways give.

        Raises:
            RuntimeError: they are not the same.
        """
        found = {name: way() for name, way in self.ways().items()}
        same = (
            found["fastavro"] == self.rows
            and found["one by one"] == found["at once"] == found["JSON"]
            and found["msgspec"] == msgspec.convert(self.rows, list[self.struct])  # type: ignore[name-defined]
        )
        if not same or None in found["JSON"]:
            raise RuntimeError(f"{self.name} is not decoded alike by all")


def compare(registry: Registry, seed: int, records: int, rounds: int) -> Times:
    """Verify and time each subject; print and return the medians, CPU us a record, by subject and way."""
    print(HEADER, flush=True)
    found: Times = {}
    for subject in subjects(registry, Data(seed, MAX_MESSAGES, MAX_MESSAGES)):
        subject.verify()
        found[subject.name] = times = timing.medians(subject.ways(), MAX_MESSAGES, records, rounds)
        print(f"{subject.name:32}" + "".join(f"{times[way]:12.2f}" for way in WAYS), flush=True)
    ratios = (f"{name} {times['at once'] / times['fastavro']:.2f}" for name, times in found.items())
    print(f"at once / fastavro: CPU {', '.join(ratios)}")
    return found


def subjects(registry: Registry, data: Data) -> list[Subject]:
    """One poll of ratings in two schemas, and of customers in two forms."""
    known = schemas(registry)
    ratings = [data.rating(number) for number in range(data.ratings)]
    customers = [data.customer(number) for number in range(1, data.customers + 1)]
    written = forms(registry)

    def of_rating(name: str, schema: str) -> Subject:
        return Subject(
            name,
            schema,
            ratings,
            Rating,
            of_ratings("auto", known, keep_source=False),
            of_ratings("json", None, keep_source=False),
            list(map(message, map(framed(registry, name, schema), ratings))),
            list(map(message, map(orjson.dumps, ratings))),
        )

    def of_customer(name: str, struct: type) -> Subject:
        form = written[f"{name} Avro"]
        messages = [message(form.value(row), form.key(row)) for row in customers]
        # Not Debezium's own JSON: that has another time and place in the log.
        payload = BytesIO((messages[0].value() or b"")[FRAME_BYTES:])
        first: Any = schemaless_reader(payload, parse_schema(json.loads(form.schema or "")), None)
        rows = [{**first, "after": row} for row in customers] if "after" in first else customers
        return Subject(
            f"customers, {name}",
            form.schema or "",
            rows,
            struct,
            of_customers("auto", known),
            of_customers("json", None),
            messages,
            list(map(message, map(orjson.dumps, rows))),
        )

    return [
        of_rating(PLAIN, RATINGS),
        of_rating("ratings, unions with null", NULLABLE_RATINGS),
        of_customer("flattened", Customer),
        of_customer("envelope", Envelope),
    ]
