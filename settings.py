"""Every setting, one class a component; read from the environment, checked at the start.

``python -m settings README.md`` writes the table of them into a file, between its markers.
"""

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, FilePath, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_SECRET = re.compile(r"password|secret|token|jaas|oauth|credential|\bkey\b|_key|key_", re.IGNORECASE)

_PASSWORD_IN_URL = re.compile(r"//[^/@]*:[^/@]*@")

_OURS = frozenset({"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_GROUP_ID"})

# Kubernetes puts KAFKA_SERVICE_HOST, KAFKA_PORT_9092_TCP and the like into every pod beside a service named kafka, and
# Kafka's own scripts use the others.
_NOT_OURS = re.compile(
    r"KAFKA_(\w+_)?(SERVICE_(HOST|PORT)|PORT)(_\w+)?|KAFKA_(HOME|DEBUG|LOG4J\w*|JMX\w*|\w*OPTS|CLUSTER_ID)"
)

_GUARANTEES = {
    "enable.auto.commit": "offsets are committed when the outputs have been written",
    "auto.offset.reset": "offsets that are gone are counted and reading goes on from the earliest",
    "enable.partition.eof": "the flow looks for ends itself",
    "enable.idempotence": "without it a retry may write twice",
    "enable.auto.offset.store": "offsets are committed when the outputs have been written",
    "transactional.id": "outputs are not transactional",
}


class SettingsError(ValueError):
    """A setting is not usable; the message is one line that names it."""


def _words(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _pattern(value: object) -> object:
    try:
        # Empty, it would be found in every channel.
        return re.compile(value or "(?!)", re.IGNORECASE) if isinstance(value, str) else value
    except re.error as error:
        raise ValueError(f"must be a regular expression: {error}") from None


def _no_protobuf(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() in {"protobuf", "proto"}:
        raise ValueError("must be auto, json or avro: Protobuf is not read")
    return value


Format = Annotated[Literal["auto", "json", "avro"], BeforeValidator(_no_protobuf)]
Words = Annotated[list[str], NoDecode, BeforeValidator(_words)]
Pattern = Annotated[re.Pattern[str], NoDecode, BeforeValidator(_pattern)]
# Elasticsearch's rules for names; date directives beside.
IndexName = Annotated[str, Field(pattern=r"^([a-z0-9]|%[YmdH])([a-z0-9._+-]|%[YmdH]){0,199}$")]
Topic = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _take_empty_for_unset(cls, variables: dict[str, Any]) -> dict[str, Any]:
        """An empty number is not set, nor what need not be: so Compose and Helm pass on what they were not given."""
        needless = {
            f.alias for f in cls.model_fields.values() if f.default is None or isinstance(f.default, int | float)
        }
        return {name: value for name, value in variables.items() if value != "" or name not in needless}


class Kafka(_Settings):
    """The Kafka cluster."""

    bootstrap_servers: str = Field(
        "localhost:9092",
        alias="KAFKA_BOOTSTRAP_SERVERS",
        min_length=1,
        description="brokers to begin with, `host:port`, several separated by commas",
    )
    group_id: str = Field(
        "ratings-enrichment",
        alias="KAFKA_GROUP_ID",
        min_length=1,
        description="consumer group that offsets are committed to",
    )
    startup_timeout: float = Field(
        60,
        alias="STARTUP_TIMEOUT_SECONDS",
        gt=0,
        le=3600,
        description="seconds to wait for a broker at the start; topics are waited for without limit",
    )

    def properties(self) -> dict[str, Any]:
        """The properties of librdkafka: ``KAFKA_SECURITY_PROTOCOL=SSL`` is ``security.protocol``.

        Raises:
            SettingsError: a property that a guarantee depends on is set.
        """
        found = {"bootstrap.servers": self.bootstrap_servers, "group.id": self.group_id}
        for variable, value in os.environ.items():
            if variable.startswith("KAFKA_") and variable not in _OURS and not _NOT_OURS.fullmatch(variable):
                name = variable.removeprefix("KAFKA_").lower().replace("_", ".")
                if name in _GUARANTEES:
                    raise SettingsError(f"{variable} cannot be set: {_GUARANTEES[name]}")
                found[name] = value
        return found


class Topics(_Settings):
    """The topics. Those of outputs are created if they do not exist."""

    ratings: Topic = Field("ratings", alias="RATINGS_TOPIC", description="ratings are read from it")
    customers: Topic = Field(
        "asgard.demo.CUSTOMERS",
        alias="CUSTOMERS_TOPIC",
        description="changes of customers are read from it, all at every start",
    )
    enriched: Topic = Field(
        "ratings-with-customer-data", alias="ENRICHED_TOPIC", description="ratings with customers are written to it"
    )
    alerts: Topic = Field("UNHAPPY_PLATINUM_CUSTOMERS", alias="ALERTS_TOPIC", description="alerts are written to it")
    dead_letters: Topic = Field(
        "ratings-dead-letters", alias="DEAD_LETTERS_TOPIC", description="what cannot be processed is written to it"
    )
    customers_uncompacted: Literal["refuse", "allow"] = Field(
        "refuse",
        alias="CUSTOMERS_TOPIC_UNCOMPACTED",
        description="`allow` starts although the customers topic's retention will delete customers; "
        "a topic with unlimited retention counts as compacted",
    )

    @model_validator(mode="after")
    def _are_different(self) -> "Topics":
        named: dict[str, str] = {}
        for name, info in type(self).model_fields.items():
            if name != "customers_uncompacted":
                topic = getattr(self, name)
                if topic in named:
                    raise ValueError(
                        f"{named[topic]} and {info.alias} are both {topic!r}: the job would read what it writes"
                    )
                named[topic] = info.alias or name
        return self


class SchemaRegistry(_Settings):
    """The schema registry, for Avro: any with Confluent's API."""

    url: str | None = Field(
        None,
        alias="SCHEMA_REGISTRY_URL",
        pattern=r"^\s*https?://",
        description="where it is, `https://host:8081`, several addresses separated by commas; not set: all is JSON",
    )
    user: str | None = Field(None, alias="SCHEMA_REGISTRY_USER", description="user, for basic authentication")
    password: SecretStr | None = Field(None, alias="SCHEMA_REGISTRY_PASSWORD", description="and password")
    ca: FilePath | None = Field(None, alias="SCHEMA_REGISTRY_CA", description="file of the authority, for TLS")


class Formats(_Settings):
    """How messages are written. Protobuf is not read."""

    ratings: Format = Field("auto", alias="RATINGS_FORMAT", description="of ratings; `auto`: each by its own bytes")
    customers: Format = Field("auto", alias="CUSTOMERS_FORMAT", description="of customers, likewise")
    enriched: Literal["json", "avro"] = Field(
        "json", alias="OUTPUT_FORMAT", description="of the ratings with customers that are written; alerts are JSON"
    )


class Join(_Settings):
    """Ratings whose customer is not known."""

    grace: float = Field(
        5,
        alias="UNMATCHED_GRACE_SECONDS",
        ge=0,
        le=3600,
        description="seconds that a rating waits for its customer",
    )
    unmatched: Literal["emit", "drop", "dead-letter"] = Field(
        "emit",
        alias="UNMATCHED",
        description="what becomes of it then: written with null customer fields, dropped and counted, or a dead letter",
    )
    max_held: int = Field(
        200_000,
        alias="UNMATCHED_MAX_HELD",
        ge=16,
        le=10_000_000,
        description="ratings that wait at most; above it the oldest do not wait any longer",
    )


class DeadLetters(_Settings):
    """When so many records become dead letters that the flow stops instead."""

    max_share: float = Field(
        0.5,
        alias="DEAD_LETTERS_MAX_SHARE",
        gt=0,
        le=1,
        description="share of dead letters among the last 10,000 records of an input above which the flow stops; "
        "1: off",
    )
    max_in_a_row: int = Field(
        1000,
        alias="DEAD_LETTERS_MAX_IN_A_ROW",
        ge=1,
        description="how many records in a row may become dead letters before the flow stops",
    )


class Alerts(_Settings):
    """Which ratings are alerts."""

    max_stars: int = Field(2, alias="ALERT_MAX_STARS", description="ratings with so many stars or fewer")
    club_statuses: Words = Field(
        ["platinum"],
        alias="ALERT_CLUB_STATUSES",
        description="of customers with one of these statuses, separated by commas, in any case",
    )
    test_channels: Pattern = Field(
        re.compile("test", re.IGNORECASE),
        alias="TEST_CHANNEL_PATTERN",
        description="but not from channels in which this regular expression is found, in any case; empty: all count",
    )


class Search(_Settings):
    """The search branch: ratings and alerts in Elasticsearch 8 or 9."""

    hosts: Words = Field(
        [],
        alias="ELASTICSEARCH_URL",
        description="where Elasticsearch is, `https://host:9200`, several separated by commas; not set: off",
    )
    api_key: SecretStr | None = Field(None, alias="ELASTICSEARCH_API_KEY", description="an API key, as Kibana shows it")
    username: str | None = Field(None, alias="ELASTICSEARCH_USERNAME", description="user, without an API key")
    password: SecretStr | None = Field(None, alias="ELASTICSEARCH_PASSWORD", description="and password")
    ca_certs: str | None = Field(None, alias="ELASTICSEARCH_CA_CERTS", description="file of the authority, for TLS")
    index: IndexName = Field(
        "ratings-enriched",
        alias="ELASTICSEARCH_INDEX",
        description="enriched ratings go to it; `%Y`, `%m`, `%d` and `%H` stand for the date of the rating, in UTC",
    )
    alerts_index: IndexName = Field(
        "unhappy-platinum-customers", alias="ELASTICSEARCH_ALERTS_INDEX", description="alerts go to it, likewise"
    )
    ratings_index: IndexName | None = Field(
        None, alias="ELASTICSEARCH_RATINGS_INDEX", description="ratings as they were read go to it; not set: nowhere"
    )
    target: Literal["index", "data-stream"] = Field(
        "index",
        alias="ELASTICSEARCH_TARGET",
        description="`index` writes to an index or alias, where a rating that comes again replaces itself; "
        "`data-stream` appends, where one that comes again after a rollover is there twice",
    )
    versioned: bool = Field(
        False,
        alias="ELASTICSEARCH_VERSIONED",
        description="`true` makes its rating's offset a document's external version: an older one never replaces it",
    )
    lifecycle: str | None = Field(
        None, alias="ELASTICSEARCH_LIFECYCLE_POLICY", description="ILM policy that the index template names"
    )
    max_buffer_bytes: int = Field(
        64 << 20,
        alias="ELASTICSEARCH_MAX_BUFFER_BYTES",
        ge=1 << 16,
        description="waiting documents in bytes, compressed after a second; above it the job is held back",
    )
    concurrency: int = Field(2, alias="ELASTICSEARCH_CONCURRENCY", ge=1, le=16, description="bulk requests in flight")
    bulk_bytes: int = Field(
        5 << 20, alias="ELASTICSEARCH_BULK_BYTES", ge=1, le=100 << 20, description="size of a bulk request"
    )
    bulk_seconds: float = Field(
        1, alias="ELASTICSEARCH_BULK_SECONDS", gt=0, le=60, description="a smaller one is sent after so many seconds"
    )
    gzip: bool = Field(False, alias="ELASTICSEARCH_GZIP", description="`true` compresses requests")
    max_retries: int | None = Field(
        None,
        alias="ELASTICSEARCH_MAX_RETRIES",
        ge=0,
        description="a document is sent again so often, and is a dead letter then; not set: without end",
    )


class Archive(_Settings):
    """The archive branch: enriched ratings in objects of S3. Credentials and endpoint by the variables of AWS."""

    bucket: str | None = Field(
        None, alias="S3_BUCKET", min_length=3, description="the bucket; not set: the branch is off"
    )
    prefix: str = Field("ratings", alias="S3_PREFIX", description="what keys begin with")
    region: str | None = Field(
        None, alias="S3_REGION", description="the bucket's region; not set: AWS_REGION and the like"
    )
    key: str = Field(
        "{prefix}/dt={year}-{month}-{day}/hr={hour}/{lane}-{sequence}.{ext}",
        alias="S3_KEY",
        description="template of keys: beside these names also fields of the record, as in `club={club_status}`; "
        "times are those of the rating, in UTC",
    )
    format: Literal["parquet", "jsonl"] = Field(
        "parquet", alias="S3_FORMAT", description="Parquet (zstd), or JSON lines (gzip)"
    )
    roll_bytes: int = Field(64 << 20, alias="S3_ROLL_BYTES", ge=1, description="an object is closed with so many bytes")
    roll_rows: int = Field(10_000_000, alias="S3_ROLL_ROWS", ge=1, description="or so many rows")
    roll_seconds: float = Field(
        300, alias="S3_ROLL_SECONDS", ge=1, description="or so many seconds after its first row, without new rows, too"
    )
    max_open_objects: int = Field(
        16, alias="S3_MAX_OPEN_OBJECTS", ge=1, le=1000, description="of a lane; the one that waited longest is closed"
    )
    max_buffer_bytes: int = Field(
        128 << 20,
        alias="S3_MAX_BUFFER_BYTES",
        ge=1 << 20,
        description="bytes that wait for S3; above it the flow is held back",
    )
    lanes: int = Field(
        1,
        alias="S3_LANES",
        ge=1,
        le=16,
        description="objects written side by side: as many as workers; it can be raised later, not lowered",
    )
    concurrency: int = Field(4, alias="S3_CONCURRENCY", ge=1, le=64, description="requests at a time")
    addressing: Literal["auto", "path", "virtual"] = Field(
        "auto", alias="S3_ADDRESSING", description="`path` for servers that do not know buckets as host names"
    )
    encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        None, alias="S3_ENCRYPTION", description="server-side encryption of objects"
    )
    kms_key: str | None = Field(None, alias="S3_KMS_KEY_ID", description="the key of it")
    storage_class: str | None = Field(None, alias="S3_STORAGE_CLASS", description="such as `STANDARD_IA`")
    tags: str | None = Field(None, alias="S3_TAGS", description="of objects, such as `team=flights&cost=7`")


class Log(_Settings):
    """The log, on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", alias="LOG_LEVEL", description="least serious lines that are written"
    )


_COMPONENTS = (Kafka, Topics, SchemaRegistry, Formats, Join, DeadLetters, Alerts, Search, Archive, Log)


class Settings:
    """All settings of the main job, from the environment.

    Raises:
        SettingsError: one is not usable: one line with the variable, what it holds and what it may hold.
    """

    def __init__(self) -> None:
        try:
            self.kafka = Kafka()
            self.topics = Topics()
            self.registry = SchemaRegistry()
            self.formats = Formats()
            self.join = Join()
            self.dead_letters = DeadLetters()
            self.alerts = Alerts()
            self.search = Search()
            self.archive = Archive()
            self.log = Log()
        except ValidationError as error:
            raise SettingsError(_explain(error)) from None
        if self.registry.url is None:
            for variable, form in (
                ("RATINGS_FORMAT", self.formats.ratings),
                ("CUSTOMERS_FORMAT", self.formats.customers),
                ("OUTPUT_FORMAT", self.formats.enriched),
            ):
                if form == "avro":
                    raise SettingsError(f"{variable} is 'avro', but SCHEMA_REGISTRY_URL is not set")
        self.properties = self.kafka.properties()


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ")
    variable = str(first["loc"][0])
    value = str(os.environ.get(variable, first["input"]))
    held = "(not shown)" if _SECRET.search(variable) or _PASSWORD_IN_URL.search(value) else repr(value)
    reason = re.sub(r"^(Input|String|Value error,) ?", "it ", first["msg"])
    return f"{variable} is {held}, but {reason}"


def _default(value: object) -> str:
    """A default as the table shows it, in code marks; nothing where there is none."""
    shown = _shown(value)
    return f"`{shown}`" if shown else ""


def _shown(value: object) -> str:
    if isinstance(value, re.Pattern):
        return str(value.pattern)
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else "" if value is None else str(value)


def markdown() -> str:
    """The table of all settings, for the README."""
    lines = ["| variable | default | what it is |", "|---|---|---|"]
    for component in _COMPONENTS:
        lines.append(f"| **{(component.__doc__ or '').strip()}** | | |")
        lines += [
            f"| `{field.alias}` | {_default(field.default)} | {field.description} |"
            for field in component.model_fields.values()
        ]
        if component is Kafka:
            lines.append(
                "| `KAFKA_...` | | any other property of librdkafka, in capitals and with `_` for `.`: "
                "`KAFKA_SECURITY_PROTOCOL=SASL_SSL`, `KAFKA_COMPRESSION_TYPE=zstd` (default lz4) |"
            )
    return "\n".join(lines)


BEGIN, END = "<!-- settings: make docs -->", "<!-- settings end -->"


def write_into(text: str) -> str:
    """The text with the table between its markers made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown()}\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(write_into(path.read_text()))
