"""The Kafka cluster, its topics, and the properties of librdkafka."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from settings.component import Component, check_different
from settings.environment import Given, SettingsError
from settings.values import Words

PREFIX = "KAFKA_"
"""Of the variables of the cluster, and of any other property of librdkafka."""

# These are properties of librdkafka themselves: it reads the file.
PROPERTIES_OF_FILES = frozenset(
    {"KAFKA_SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE", "KAFKA_SASL_OAUTHBEARER_ASSERTION_JWT_TEMPLATE_FILE"}
)

_GUARANTEES = {
    "enable.auto.commit": "offsets are committed when the outputs have been written",
    "auto.offset.reset": "offsets that are gone are counted and reading goes on from the earliest",
    "enable.partition.eof": "the flow looks for ends itself",
    "enable.idempotence": "without it a retry may write twice",
    "enable.auto.offset.store": "offsets are committed when the outputs have been written",
    "transactional.id": "outputs are not transactional",
}


_TOPIC = r"^[A-Za-z0-9._-]{1,249}$"


def _topic(name: str) -> str:
    if name in {".", ".."}:
        raise ValueError("must be the name of a topic")
    return name


def _topics(names: list[str]) -> list[str]:
    if not all(re.fullmatch(_TOPIC, name) and name not in {".", ".."} for name in names):
        raise ValueError("must be names of topics, separated by commas")
    return list(dict.fromkeys(names))


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


Topic = Annotated[str, Field(pattern=_TOPIC), AfterValidator(_topic)]
TopicList = Annotated[Words, AfterValidator(_topics)]
Brokers = Annotated[str, AfterValidator(_brokers)]


class Kafka(Component):
    """The Kafka cluster."""

    bootstrap_servers: Brokers = Field(
        "localhost:9092",
        alias="KAFKA_BOOTSTRAP_SERVERS",
        min_length=1,
        description="bootstrap brokers as `host:port`, separated by commas",
    )
    group_id: str = Field(
        "ratings-enrichment",
        alias="KAFKA_GROUP_ID",
        min_length=1,
        description="consumer group that the job commits offsets to",
    )
    startup_timeout: float = Field(
        60,
        alias="STARTUP_TIMEOUT_SECONDS",
        gt=0,
        le=3600,
        description="seconds to wait for a broker at the start; a missing input topic is waited for without limit",
    )
    prefetch_bytes: int = Field(
        64 << 20,
        alias="PREFETCH_MAX_BYTES",
        ge=1 << 20,
        description="bytes of messages that a process may read ahead, for all its partitions together",
    )


class Topics(Component):
    """The topics. Missing output topics are created."""

    ratings: Topic = Field("ratings", alias="RATINGS_TOPIC", description="input topic of ratings")
    customers: Topic = Field(
        "asgard.demo.CUSTOMERS",
        alias="CUSTOMERS_TOPIC",
        description="input topic of customer changes; the job reads all of it at every start",
    )
    enriched: Topic = Field(
        "ratings-with-customer-data", alias="ENRICHED_TOPIC", description="output topic of enriched ratings"
    )
    alerts: Topic = Field("UNHAPPY_PLATINUM_CUSTOMERS", alias="ALERTS_TOPIC", description="output topic of alerts")
    dead_letters: Topic = Field(
        "ratings-dead-letters", alias="DEAD_LETTERS_TOPIC", description="output topic of dead letters"
    )
    statistics: Topic | None = Field(
        None,
        alias="STATISTICS_TOPIC",
        description="output topic of statistics, created as a compacted one. Unset: the statistics branch is off",
    )
    customers_uncompacted: Literal["refuse", "allow"] = Field(
        "refuse",
        alias="CUSTOMERS_TOPIC_UNCOMPACTED",
        description="`allow` starts the job although the retention of the customers topic will delete customers; "
        "a topic with unlimited retention counts as compacted",
    )

    @model_validator(mode="after")
    def _are_different(self) -> "Topics":
        names = ("ratings", "customers", "enriched", "alerts", "dead_letters", "statistics")
        check_different(self, names, "the job would read what it writes")
        return self


def may_be_set(property_name: str) -> bool:
    """Whether a property of librdkafka breaks no guarantee, whatever its value."""
    return property_name not in _GUARANTEES


def properties(variables: Mapping[str, Given]) -> dict[str, str]:
    """The properties of librdkafka that variables stand for: ``KAFKA_SECURITY_PROTOCOL`` is ``security.protocol``.

    Raises:
        SettingsError: a property would break a guarantee, or is not text.
    """
    found = {}
    for name, (variable, value) in variables.items():
        property_name = name.removeprefix(PREFIX).lower().replace("_", ".")
        if not may_be_set(property_name):
            raise SettingsError(f"{variable} cannot be set: {_GUARANTEES[property_name]}")
        if "\0" in value or not _is_unicode(value):
            raise SettingsError(f"{variable} is not text")
        found[property_name] = value
    return found


def name_variable(trouble: str, properties: Iterable[str]) -> str:
    """Librdkafka's message about one of ``properties``, whose name or alias it quotes, with the variable before it."""
    properties = sorted(properties)
    quoted = re.findall(r'["`]([a-z.]+)["`]', trouble)
    guilty = [name for name in quoted if name in properties][:1] or properties
    return f"{' or '.join(PREFIX + name.upper().replace('.', '_') for name in guilty)}: {trouble}"


def _is_unicode(text: str) -> bool:
    # What is not UTF-8 in an environment comes as half a character.
    return not re.search("[\ud800-\udfff]", text)
