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
    """The schema registry, for Avro: any with Confluent's API."""

    url: Addresses | None = Field(
        None,
        alias="SCHEMA_REGISTRY_URL",
        description="where it is, `https://host:8081`, several addresses separated by commas; not set: all is JSON",
    )
    user: str | None = Field(None, alias="SCHEMA_REGISTRY_USER", description="user, for basic authentication")
    password: SecretStr | None = Field(None, alias="SCHEMA_REGISTRY_PASSWORD", description="and password")
    ca: Authority | None = Field(None, alias="SCHEMA_REGISTRY_CA", description="file of the authority, for TLS")


class Formats(Component):
    """How messages are written. Protobuf is not read."""

    ratings: Format = Field("auto", alias="RATINGS_FORMAT", description="of ratings; `auto`: each by its own bytes")
    customers: Format = Field("auto", alias="CUSTOMERS_FORMAT", description="of customers, likewise")
    enriched: Literal["json", "avro"] = Field(
        "json", alias="OUTPUT_FORMAT", description="of the ratings with customers that are written; alerts are JSON"
    )
    unavailable: Placeholder = Field(
        "__debezium_unavailable_value",
        alias="UNAVAILABLE_VALUE",
        min_length=1,
        description="placeholder that Debezium sends for a column that the database did not send "
        "(the connector's `unavailable.value.placeholder`); the customer keeps the value known before",
    )
