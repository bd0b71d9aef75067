"""How messages are written, and the schema registry that Avro needs."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from settings.component import Component
from settings.values import Addresses, Authority


def _no_protobuf(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() in {"protobuf", "proto"}:
        raise ValueError("must be auto, json or avro: Protobuf is not read")
    return value


def _placeholder(value: object) -> object:
    if isinstance(value, str) and value.startswith("hex:"):
        try:
            bytes.fromhex(value[4:])
        except ValueError:
            raise ValueError("must have hexadecimal digits after hex:") from None
    return value


Format = Annotated[Literal["auto", "json", "avro"], BeforeValidator(_no_protobuf)]
Placeholder = Annotated[str, BeforeValidator(_placeholder)]


class SchemaRegistry(Component):
    """The schema registry for Avro: any with Confluent's API."""

    url: Addresses | None = Field(
        None,
        alias="SCHEMA_REGISTRY_URL",
        description="address of the schema registry, `https://host:8081`; several are separated by commas. Unset: "
        "every topic is JSON",
    )
    user: str | None = Field(
        None, alias="SCHEMA_REGISTRY_USER", description="user name for basic authentication at the schema registry"
    )
    password: SecretStr | None = Field(
        None, alias="SCHEMA_REGISTRY_PASSWORD", description="password for basic authentication at the schema registry"
    )
    ca: Authority | None = Field(
        None,
        alias="SCHEMA_REGISTRY_CA",
        description="PEM file of the certificate authority that signed the schema registry's certificate",
    )


class Formats(Component):
    """Formats of messages. Protobuf is not supported."""

    ratings: Format = Field(
        "auto",
        alias="RATINGS_FORMAT",
        description="format of the ratings topic: `json`, `avro`, or `auto`, which tells by the bytes of each message",
    )
    customers: Format = Field(
        "auto",
        alias="CUSTOMERS_FORMAT",
        description="format of the customers topic: `json`, `avro`, or `auto`, which tells by the bytes of each "
        "message",
    )
    enriched: Literal["json", "avro"] = Field(
        "json",
        alias="OUTPUT_FORMAT",
        description="format of enriched ratings on Kafka: `json` or `avro`; alerts are always JSON",
    )
    unavailable: Placeholder = Field(
        "__debezium_unavailable_value",
        alias="UNAVAILABLE_VALUE",
        min_length=1,
        description="placeholder that Debezium sends for a column that the database did not send (the connector's "
        "`unavailable.value.placeholder`); the customer keeps the last known value",
    )
