"""Every setting, one class a component; read from the environment, checked at the start.

``python -m settings README.md`` writes the table of them into a file, between its markers.
"""

import os
import re
import ssl
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, get_type_hints
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from environment import Given, beginning_with, given, strangers
from environment import SettingsError as SettingsError  # noqa: PLC0414  # raised here, too
from records.index_names import LONGEST, IndexNames, rivals

_SECRET = re.compile(r"password|secret|token|jaas|oauth|credential|\bkey\b|_key|key_", re.IGNORECASE)

_GUARANTEES = {
    "enable.auto.commit": "offsets are committed when the outputs have been written",
    "auto.offset.reset": "offsets that are gone are counted and reading goes on from the earliest",
    "enable.partition.eof": "the flow looks for ends itself",
    "enable.idempotence": "without it a retry may write twice",
    "enable.auto.offset.store": "offsets are committed when the outputs have been written",
    "transactional.id": "outputs are not transactional",
}

# These are properties of librdkafka themselves: it reads the file.
_PROPERTIES_OF_FILES = frozenset(
    {"KAFKA_SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE", "KAFKA_SASL_OAUTHBEARER_ASSERTION_JWT_TEMPLATE_FILE"}
)


def _words(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _pattern(value: object) -> object:
    try:
        # Empty, it would be found in every channel.
        return re.compile(value or "(?!)", re.IGNORECASE) if isinstance(value, str) else value
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"must be a regular expression: {error}") from None


def _no_protobuf(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() in {"protobuf", "proto"}:
        raise ValueError("must be auto, json or avro: Protobuf is not read")
    return value


def _topic(name: str) -> str:
    if name in {".", ".."}:
        raise ValueError("must be the name of a topic")
    return name


def _brokers(text: str) -> str:
    brokers = [broker.strip() for broker in text.split(",") if broker.strip()]
    if not brokers or not all(_is_broker(broker) for broker in brokers):
        raise ValueError("must be `host:port`, several separated by commas")
    return ",".join(brokers)


def _is_broker(text: str) -> bool:
    # librdkafka takes a security protocol in front.
    parts = re.fullmatch(
        r"((?:sasl_)?(?:plaintext|ssl)://)?([\w.-]+|\[[0-9a-f:.]+(?:%\w+)?\])(?::(\d{1,5}))?", text, re.I
    )
    return parts is not None and 0 < int(parts[3] or 9092) < 1 << 16


def _addresses(text: str) -> str:
    addresses = [address.strip() for address in text.split(",") if address.strip()]
    if not addresses or not all(_is_address(address) for address in addresses):
        raise ValueError("must be `http://` or `https://` and a host, several addresses separated by commas")
    return text


def _hosts(addresses: list[str]) -> list[str]:
    if not all(_is_address(address) and urlsplit(address).port for address in addresses):
        raise ValueError("must be `https://host:9200`, several separated by commas")
    return addresses


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, or too large
        return False


def _authority(file: str) -> str:
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        why = "it is not PEM" if isinstance(error, ssl.SSLError) else os.strerror(error.errno or 0)
        raise ValueError(f"must be a file of certificates in PEM form: {why}") from None
    return file


def _placeholder(value: object) -> object:
    if isinstance(value, str) and value.startswith("hex:"):
        try:
            bytes.fromhex(value[4:])
        except ValueError:
            raise ValueError("must have hexadecimal digits after hex:") from None
    return value


Placeholder = Annotated[str, BeforeValidator(_placeholder)]


def _fits(name: str) -> str:
    if any(len(shape) > LONGEST for shape in IndexNames(name).shapes()):
        raise ValueError(f"must give names of at most {LONGEST} characters")
    return name


Format = Annotated[Literal["auto", "json", "avro"], BeforeValidator(_no_protobuf)]
Words = Annotated[list[str], BeforeValidator(_words)]
Pattern = Annotated[re.Pattern[str], BeforeValidator(_pattern)]
# Elasticsearch's rules for names; date directives beside.
IndexName = Annotated[str, Field(pattern=r"^([a-z0-9]|%[YmdH])([a-z0-9._+-]|%[YmdH]){0,199}$"), AfterValidator(_fits)]
Topic = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$"), AfterValidator(_topic)]
Brokers = Annotated[str, AfterValidator(_brokers)]
Addresses = Annotated[str, AfterValidator(_addresses)]
Hosts = Annotated[Words, AfterValidator(_hosts)]
Authority = Annotated[str, AfterValidator(_authority)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)

    @field_validator("*")
    @classmethod
    def _is_sound(cls, value: object) -> object:
        """Refuse values of any setting that something would stumble over later."""
        if isinstance(value, SecretStr):
            _check_characters(value.get_secret_value())
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                _check_text(text)
        if isinstance(value, int | float) and not abs(value) < _LIMIT[type(value)]:
            limit = _LIMIT[type(value)]
            raise ValueError(f"must be a number between -{limit} and {limit}")
        return value


def _check_different(settings: _Settings, names: Iterable[str], why: str) -> None:
    named: dict[str, str] = {}
    for name in names:
        value, variable = getattr(settings, name), str(type(settings).model_fields[name].alias)
        if value in named:
            raise ValueError(f"{named[value]} and {variable} are both {value!r}: {why}")
        if value is not None:
            named[value] = variable


# Sizes and counts are of 64 bits in the clients; a time of a billion seconds is thirty years.
_LIMIT: dict[type, int] = {bool: 2, int: 1 << 63, float: 10**9}


def _check_characters(text: str) -> None:
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("must not hold line breaks or other control characters")


def _check_text(text: str) -> None:
    _check_characters(text)
    if text != text.strip():
        raise ValueError("must not begin or end with a space")
    if text[:1] in {"'", '"'} and text[-1:] == text[:1]:
        raise ValueError("must not stand in quotes: they were taken for a part of it")


class Kafka(_Settings):
    """The Kafka cluster."""

    bootstrap_servers: Brokers = Field(
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
    prefetch_bytes: int = Field(
        64 << 20,
        alias="PREFETCH_MAX_BYTES",
        ge=1 << 20,
        description="memory of a process for messages that it has read ahead, whatever the number of partitions",
    )


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
        names = ("ratings", "customers", "enriched", "alerts", "dead_letters")
        _check_different(self, names, "the job would read what it writes")
        return self


class SchemaRegistry(_Settings):
    """The schema registry, for Avro: any with Confluent's API."""

    url: Addresses | None = Field(
        None,
        alias="SCHEMA_REGISTRY_URL",
        description="where it is, `https://host:8081`, several addresses separated by commas; not set: all is JSON",
    )
    user: str | None = Field(None, alias="SCHEMA_REGISTRY_USER", description="user, for basic authentication")
    password: SecretStr | None = Field(None, alias="SCHEMA_REGISTRY_PASSWORD", description="and password")
    ca: Authority | None = Field(None, alias="SCHEMA_REGISTRY_CA", description="file of the authority, for TLS")


class Formats(_Settings):
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

    hosts: Hosts = Field(
        [],
        alias="ELASTICSEARCH_URL",
        description="where Elasticsearch is, `https://host:9200`, several separated by commas; not set: off",
    )
    api_key: SecretStr | None = Field(None, alias="ELASTICSEARCH_API_KEY", description="an API key, as Kibana shows it")
    username: str | None = Field(None, alias="ELASTICSEARCH_USERNAME", description="user, without an API key")
    password: SecretStr | None = Field(None, alias="ELASTICSEARCH_PASSWORD", description="and password")
    ca_certs: Authority | None = Field(
        None, alias="ELASTICSEARCH_CA_CERTS", description="file of the authority, for TLS"
    )
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

    @property
    def indices(self) -> dict[str, str]:
        """The names of the indices that are written, by their variables."""
        fields = ("index", "alerts_index", "ratings_index")
        return {str(type(self).model_fields[field].alias): name for field in fields if (name := getattr(self, field))}

    @model_validator(mode="after")
    def _are_different(self) -> "Search":
        variables, names = list(self.indices), list(self.indices.values())
        found = rivals([IndexNames(name) for name in names], data_stream=self.target == "data-stream")
        if found:
            (one, name), (other, other_name) = sorted((variables[at], names[at]) for at in found)
            raise ValueError(
                f"{one} is {name!r} and {other} is {other_name!r}: they may name the same index, or match its name"
            )
        return self

    @model_validator(mode="after")
    def _are_versions_of_an_index(self) -> "Search":
        if self.versioned and self.target == "data-stream":
            raise ValueError("ELASTICSEARCH_VERSIONED is true, but a data stream takes no versions")
        return self


class Archive(_Settings):
    """The archive branch: enriched ratings in objects of S3. Credentials and endpoint by the variables of AWS."""

    bucket: str | None = Field(
        None,
        alias="S3_BUCKET",
        pattern=r"^([A-Za-z0-9._-]{3,255}|arn:\S+)$",
        description="the bucket; not set: the branch is off",
    )
    prefix: str = Field("ratings", alias="S3_PREFIX", max_length=512, description="what keys begin with")
    region: str | None = Field(
        None,
        alias="S3_REGION",
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
        description="the bucket's region; not set: AWS_REGION and the like",
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
    roll_bytes: int = Field(
        64 << 20, alias="S3_ROLL_BYTES", ge=1, le=1 << 40, description="an object is closed with so many bytes"
    )
    roll_rows: int = Field(10_000_000, alias="S3_ROLL_ROWS", ge=1, description="or so many rows")
    roll_seconds: float = Field(
        300, alias="S3_ROLL_SECONDS", ge=1, description="or so many seconds after its first row, without new rows, too"
    )
    max_open_objects: int = Field(
        16, alias="S3_MAX_OPEN_OBJECTS", ge=1, le=1000, description="of a worker; the one that waited longest is closed"
    )
    max_buffer_bytes: int = Field(
        128 << 20,
        alias="S3_MAX_BUFFER_BYTES",
        ge=1 << 20,
        description="bytes that wait for S3; above it the flow is held back",
    )
    concurrency: int = Field(4, alias="S3_CONCURRENCY", ge=1, le=64, description="requests at a time")
    addressing: Literal["auto", "path", "virtual"] = Field(
        "auto", alias="S3_ADDRESSING", description="`path` for servers that do not know buckets as host names"
    )
    encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        None, alias="S3_ENCRYPTION", description="server-side encryption of objects"
    )
    kms_key: str | None = Field(None, alias="S3_KMS_KEY_ID", description="the key of it")
    storage_class: str | None = Field(
        None, alias="S3_STORAGE_CLASS", pattern=r"^[A-Z0-9_]+$", description="such as `STANDARD_IA`"
    )
    tags: str | None = Field(
        None,
        alias="S3_TAGS",
        pattern=r"^[^=&\s]+=[^=&\s]*(&[^=&\s]+=[^=&\s]*){0,9}$",
        description="of objects, such as `team=flights&cost=7`",
    )

    @model_validator(mode="after")
    def _has_use_of_its_key(self) -> "Archive":
        if self.kms_key and not (self.encryption or "").startswith("aws:kms"):
            raise ValueError("S3_KMS_KEY_ID is set, but S3_ENCRYPTION is not aws:kms or aws:kms:dsse")
        return self


class Log(_Settings):
    """The log, on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", alias="LOG_LEVEL", description="least serious lines that are written"
    )


class Settings:
    """All settings of the main job, from the environment.

    Raises:
        SettingsError: one is not usable: one line with the variable, what it holds and what it may hold.
    """

    kafka: Kafka
    topics: Topics
    registry: SchemaRegistry
    formats: Formats
    join: Join
    dead_letters: DeadLetters
    alerts: Alerts
    search: Search
    archive: Archive
    log: Log
    properties: dict[str, str]
    """Of librdkafka: ``KAFKA_SECURITY_PROTOCOL=SSL`` is ``security.protocol``."""
    strangers: list[str]
    """A line for each variable that looks like a setting and is none."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        others = beginning_with(_KAFKA, environ, ending_with_file=_PROPERTIES_OF_FILES) - _NAMES
        settings = given(sorted(_NAMES | others), environ)
        self._variables = {name: setting.variable for name, setting in settings.items()}
        self._contents = [
            settings[name].value for name in others if settings[name].variable != name and len(settings[name].value) > 3
        ]
        try:
            for name, component in _COMPONENTS.items():
                setattr(self, name, component(**_wanted(component, settings)))
        except ValidationError as error:
            raise SettingsError(self.name_files(_explain(error, settings))) from None
        if self.registry.url is None:
            for variable, form in (
                ("RATINGS_FORMAT", self.formats.ratings),
                ("CUSTOMERS_FORMAT", self.formats.customers),
                ("OUTPUT_FORMAT", self.formats.enriched),
            ):
                if form == "avro":
                    raise SettingsError(self.name_files(f"{variable} is 'avro', but SCHEMA_REGISTRY_URL is not set"))
        own = {"bootstrap.servers": self.kafka.bootstrap_servers, "group.id": self.kafka.group_id}
        self.properties = own | _properties({name: settings[name] for name in sorted(others)})
        self.strangers = strangers(_NAMES, _PREFIXES, [name for name in environ if not name.startswith(_KAFKA)])

    def name_files(self, message: str) -> str:
        """The message with the variables that were set: ``S3_BUCKET_FILE``, where the bucket is read from a file.

        librdkafka quotes what it refuses: what a file holds is not shown.
        """
        for content in self._contents:
            message = message.replace(content, "(not shown)")
        return re.sub(r"\b[A-Z][A-Z0-9_]+\b", lambda word: self._variables.get(word[0], word[0]), message)


_KAFKA = "KAFKA_"
_COMPONENTS: dict[str, type[_Settings]] = {
    name: kind
    for name, kind in get_type_hints(Settings).items()
    if isinstance(kind, type) and issubclass(kind, _Settings)
}


def _names(component: type[_Settings]) -> list[str]:
    return [str(field.alias) for field in component.model_fields.values()]


def _prefix(component: type[_Settings]) -> str:
    """The words with which all settings of a component begin; empty if there are none."""
    names = _names(component)
    shared = os.path.commonprefix(names) if len(names) > 1 else ""  # noqa: RUF071  # of texts, not paths
    return shared[: shared.rfind("_") + 1]


_NAMES = {name for component in _COMPONENTS.values() for name in _names(component)}
_PREFIXES = [prefix for component in _COMPONENTS.values() if (prefix := _prefix(component))]


def _wanted(component: type[_Settings], settings: Mapping[str, Given]) -> dict[str, str]:
    """What a component is made from.

    An empty number is not set, nor what need not be: so Compose and Helm pass on what they were not given.
    """
    wanted = {}
    for name, field in zip(_names(component), component.model_fields.values(), strict=True):
        needless = field.default is None or isinstance(field.default, int | float)
        if name in settings and (settings[name].value or not needless):
            wanted[name] = settings[name].value
    return wanted


def _properties(variables: Mapping[str, Given]) -> dict[str, str]:
    properties = {}
    for name, (variable, value) in variables.items():
        property_name = name.removeprefix(_KAFKA).lower().replace("_", ".")
        if property_name in _GUARANTEES:
            raise SettingsError(f"{variable} cannot be set: {_GUARANTEES[property_name]}")
        if "\0" in value or not _is_unicode(value):
            raise SettingsError(f"{variable} is not text")
        properties[property_name] = value
    return properties


def _is_unicode(text: str) -> bool:
    # What is not UTF-8 in an environment comes as half a character.
    return not re.search("[\ud800-\udfff]", text)


_LONGEST_SHOWN = 300


def _explain(error: ValidationError, settings: Mapping[str, Given]) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ")
    name = str(first["loc"][0])
    variable, value = settings[name]
    told = re.fullmatch("(?:Input|String|Value error,) (.*)", first["msg"], re.DOTALL)
    reason = told[1] if told else f"is not usable: {first['msg']}"
    if variable != name:
        return f"{variable} names a file, but its content {reason}"
    # An address may hold a password before its @.
    held = "(not shown)" if _SECRET.search(name) or "@" in value else repr(value[:_LONGEST_SHOWN])
    return f"{name} is {held}, but it {reason}"


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
    for component in _COMPONENTS.values():
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
