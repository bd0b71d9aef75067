"""What Debezium 3.5's MariaDB connector wrote under 19 configurations, and Avro's schemas: verbatim.

Each configuration is named in the topic's first part; a case is what was done in the database:

    flat, flatmeta, flatschema      flattened: plainly; with deletes rewritten and add.fields; with Connect's schemas
    raw, rawschema                  envelopes: plainly; with Connect's schemas
    avroflat, avroflatdef, avroraw  Avro in the schema registry's format, by names and by default; envelopes in Avro
    mdrop, mdtt, mnohdr, mnotomb, mrewrite, mrwt, mtombstone, mtrunc, mschemach
                                    flattened: every way to handle deletes; with schema changes
    types, typesdec                 of a second table, TYPES, too; with decimals as text
"""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any, Literal, NamedTuple

from confluent_kafka import Message

from servers.embedded.messages import message


class Sent(NamedTuple):
    """A message as the connector sent it."""

    config: str
    case: str
    encoding: Literal["json", "avro"]
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    def message(self) -> Message:
        """It as a consumer hands it out."""
        return message(
            self.value,
            self.key,
            topic=self.topic,
            partition=self.partition,
            offset=self.offset,
            timestamp=self.timestamp,
            headers=self.headers,
        )


def _sent(line: str) -> Sent:
    # Keys and values are kept as text in JSON, and in base64 in Avro.
    fields: dict[str, Any] = json.loads(line)
    to_bytes = b64decode if fields["encoding"] == "avro" else str.encode
    for name in "key", "value":
        if fields[name] is not None:
            fields[name] = to_bytes(fields[name])
    fields["headers"] = [(name, text.encode()) for name, text in fields["headers"]]
    return Sent(**fields)


def _lines(name: str) -> list[str]:
    # Not splitlines: JSON may hold Unicode's other line ends.
    return (Path(__file__).parent / name).read_text("utf-8").rstrip("\n").split("\n")


SENT = [_sent(line) for line in _lines("debezium.jsonl")]
"""In the order in which they were read, which is each partition's."""

SCHEMAS: dict[int, str] = {found["id"]: found["schema"] for found in map(json.loads, _lines("debezium_schemas.jsonl"))}
"""Avro schemas, as JSON, by the id that the registry gave them."""
