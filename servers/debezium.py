"""What a Debezium connector for the customers is told: one configuration for each form that it can write."""

import zlib
from typing import Literal, get_args

from servers import mariadb, registry

Form = Literal["flattened", "flattened-schemas", "envelope", "envelope-avro", "flattened-avro"]
"""Rows, or envelopes of what was before and after; as JSON, as JSON with its schema, or as Avro."""

FORMS: tuple[Form, ...] = get_args(Form)
TABLE = "demo.CUSTOMERS"
PREFIX = "asgard"


def topic(prefix: str) -> str:
    """The topic that the connector of `prefix` writes the customers to."""
    return f"{prefix}.{TABLE}"


def connector(form: Form, *, prefix: str, mariadb_port: int, kafka: str, registry_url: str) -> dict[str, str]:
    """The configuration of a connector, with the defaults of Debezium wherever they do.

    Args:
        form: of keys and values.
        prefix: of the topic; two connectors must not have the same.
        mariadb_port: of a MariaDB on this machine.
        kafka: `host:port` of a broker, for the history of the table's schema.
        registry_url: Confluent's interface of an Apicurio, for the forms in Avro.
    """
    return {
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "tasks.max": "1",
        "database.hostname": mariadb.HOST,
        "database.port": str(mariadb_port),
        "database.user": mariadb.CAPTURE_USER,
        "database.password": mariadb.CAPTURE_PASSWORD,
        # Of two clients with the same number the server drops one. The server itself is 1.
        "database.server.id": str(2 + zlib.crc32(prefix.encode()) % 4_000_000_000),
        "database.include.list": TABLE.partition(".")[0],
        "table.include.list": TABLE,
        "topic.prefix": prefix,
        "schema.history.internal.kafka.bootstrap.servers": kafka,
        "schema.history.internal.kafka.topic": f"{prefix}.history",
        "include.schema.changes": "false",
        "schema.name.adjustment.mode": "avro",
        # A server that was away is noticed after seconds, not minutes.
        "connect.keep.alive.interval.ms": "1000",
        **(_flattened() if form.startswith("flattened") else {}),
        **(_avro(registry_url) if form.endswith("-avro") else _json(schemas=form.endswith("-schemas"))),
    }


def _flattened() -> dict[str, str]:
    return {"transforms": "unwrap", "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState"}


def _json(*, schemas: bool) -> dict[str, str]:
    return _converter("org.apache.kafka.connect.json.JsonConverter", {"schemas.enable": str(schemas).lower()})


def _avro(registry_url: str) -> dict[str, str]:
    return _converter(
        "io.apicurio.registry.utils.converter.AvroConverter",
        {
            "apicurio.registry.url": registry.native(registry_url),
            "apicurio.registry.auto-register": "true",
            "apicurio.registry.find-latest": "true",
            # Confluent's frame: the byte 0, the schema's id in 4 bytes, the record.
            "apicurio.registry.as-confluent": "true",
            "apicurio.registry.headers.enabled": "false",
            "apicurio.registry.use-id": "contentId",
        },
    )


def _converter(name: str, settings: dict[str, str]) -> dict[str, str]:
    converter: dict[str, str] = {}
    for side in ("key.converter", "value.converter"):
        converter[side] = name
        converter |= {f"{side}.{setting}": value for setting, value in settings.items()}
    return converter
