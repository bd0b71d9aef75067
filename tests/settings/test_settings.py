import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from settings import Settings, SettingsError
from settings.table import BEGIN, END, markdown, write_into

VARIABLES = re.findall(r"^\| `(\w+)` \| `?([^|`]*)`? \| \S.+ \|$", markdown(), re.MULTILINE)
"""The name and the default of every setting, as docs/settings.md has them."""

Set = Callable[[str, str], None]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Set:
    """An environment without settings, and a function that sets one."""
    names = {name for name, _ in VARIABLES}
    for variable in list(os.environ):
        if variable.upper().startswith("KAFKA_") or variable.upper() in names:
            monkeypatch.delenv(variable)
    return monkeypatch.setenv


def held(settings: Settings) -> dict[str, object]:
    """Every setting by its variable."""
    return {
        str(field.alias): getattr(component, name)
        for component in vars(settings).values()
        if isinstance(component, BaseModel)
        for name, field in type(component).model_fields.items()
    }


DEFAULTS = {
    "KAFKA_BOOTSTRAP_SERVERS": "localhost:9092",
    "KAFKA_GROUP_ID": "ratings-enrichment",
    "STARTUP_TIMEOUT_SECONDS": 60,
    "RATINGS_TOPIC": "ratings",
    "CUSTOMERS_TOPIC": "asgard.demo.CUSTOMERS",
    "ENRICHED_TOPIC": "ratings-with-customer-data",
    "ALERTS_TOPIC": "UNHAPPY_PLATINUM_CUSTOMERS",
    "DEAD_LETTERS_TOPIC": "ratings-dead-letters",
    "CUSTOMERS_TOPIC_UNCOMPACTED": "refuse",
    "UNAVAILABLE_VALUE": "__debezium_unavailable_value",
    "UNMATCHED_GRACE_SECONDS": 5,
    "UNMATCHED": "emit",
    "UNMATCHED_MAX_HELD": 200_000,
    "INTAKE_HOST": "127.0.0.1",
    "INTAKE_PORT": 8080,
    "INTAKE_TOKEN": None,
    "INTAKE_MAX_BODY_BYTES": 1 << 20,
    "INTAKE_MAX_RATINGS": 1000,
    "INTAKE_QUEUE_RATINGS": 100_000,
    "INTAKE_QUEUE_BYTES": 64 << 20,
    "INTAKE_DELIVERY_SECONDS": 10,
    "INTAKE_CLIENT_SECONDS": 10,
    "INTAKE_MAX_CONNECTIONS": 256,
    "PAGE_HOST": "127.0.0.1",
    "PAGE_PORT": 8081,
    "PAGE_TOKEN": None,
    "PAGE_MINUTES": 60,
    "PAGE_READ_BACK": 500_000,
    "PAGE_ALERTS_TOPICS": [],
    "ALERT_RULES": None,
    "STATISTICS_TOPIC": None,
    "STATISTICS_WINDOW_SECONDS": 60,
    "STATISTICS_LATENESS_SECONDS": 300,
    "STATISTICS_DIMENSIONS": ["channel", "club_status", "region"],
    "ELASTICSEARCH_STATISTICS_INDEX": "ratings-statistics",
    "SLACK_BOT_TOKEN": None,
    "SLACK_API_URL": "https://slack.com/api/",
    "NOTIFY_COOLDOWN_SECONDS": 3600,
    "NOTIFY_PER_MINUTE": 10,
    "NOTIFY_MAX_AGE_SECONDS": 3600,
    "NOTIFY_TOPICS": [],
    "NOTIFIED_TOPIC": "notified",
    "STATUS_URLS": [],
    "STATUS_STILL_SECONDS": 30,
    "CONNECT_SECONDS": 120,
    "STALL_SECONDS": 60,
    "HEALTH_HOST": "127.0.0.1",
    "HEALTH_PORT": 3031,
    "LOG_LEVEL": "INFO",
    "LOG_FORMAT": "text",
    "OTLP_URL": None,
    "OTLP_SAMPLING_RATIO": 0.01,
}


def test_defaults() -> None:
    settings = Settings.load()
    assert {variable: held(settings)[variable] for variable in DEFAULTS} == DEFAULTS
    assert settings.properties == {"bootstrap.servers": "localhost:9092", "group.id": "ratings-enrichment"}


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092,b:9092", "a:9092,b:9092"),
        ("KAFKA_GROUP_ID", "blue", "blue"),
        ("STARTUP_TIMEOUT_SECONDS", "0.5", 0.5),
        ("STARTUP_TIMEOUT_SECONDS", "", 60),
        ("STARTUP_TIMEOUT_SECONDS", "3600", 3600),
        ("RATINGS_TOPIC", "a.b-c_D", "a.b-c_D"),
        ("CUSTOMERS_TOPIC", "x" * 249, "x" * 249),
        ("ENRICHED_TOPIC", "e", "e"),
        ("SLACK_API_URL", "http://localhost:8080/api", "http://localhost:8080/api/"),
        ("SLACK_WEBHOOK_URL", "https://a.b/c", SecretStr("https://a.b/c")),
        ("SLACK_CHANNEL", "C0123456789", "C0123456789"),
        ("NOTIFY_TOPICS", "a, b,a", ["a", "b"]),
        ("PAGE_ALERTS_TOPICS", "a,b", ["a", "b"]),
        ("NOTIFY_COOLDOWN_SECONDS", "0", 0),
        ("NOTIFY_PER_MINUTE", "", 10),
        ("NOTIFY_LINK", "https://a/{rating_id}", "https://a/{rating_id}"),
        ("STATUS_URLS", "http://a:3030, https://b/m", ["http://a:3030", "https://b/m"]),
        ("STATUS_STILL_SECONDS", "0.5", 0.5),
        ("CONNECT_SECONDS", "5", 5),
        ("STALL_SECONDS", "300", 300),
        ("HEALTH_HOST", "10.0.0.5", "10.0.0.5"),
        ("HEALTH_PORT", "0", 0),
        ("HEALTH_PORT", "tcp://10.0.0.1:80", 3031),
        ("ALERTS_TOPIC", "alerts", "alerts"),
        ("DEAD_LETTERS_TOPIC", "dead", "dead"),
        ("CUSTOMERS_TOPIC_UNCOMPACTED", "allow", "allow"),
        ("UNAVAILABLE_VALUE", "(none)", "(none)"),
        ("UNAVAILABLE_VALUE", "hex:0a0b", "hex:0a0b"),
        ("UNMATCHED_GRACE_SECONDS", "0", 0),
        ("UNMATCHED_GRACE_SECONDS", "0.25", 0.25),
        ("UNMATCHED", "drop", "drop"),
        ("UNMATCHED", "dead-letter", "dead-letter"),
        ("UNMATCHED_MAX_HELD", "16", 16),
        ("INTAKE_HOST", "localhost", "localhost"),
        ("INTAKE_HOST", "127.1.2.3", "127.1.2.3"),
        ("INTAKE_HOST", "::1", "::1"),
        ("INTAKE_PORT", "0", 0),
        ("INTAKE_PORT", "tcp://10.0.0.1:80", 8080),  # Kubernetes', beside a service named intake
        ("INTAKE_TOKEN", "", None),
        ("INTAKE_TOKEN", "abcd-EFG.hij==", SecretStr("abcd-EFG.hij==")),
        ("INTAKE_MAX_BODY_BYTES", "1024", 1024),
        ("INTAKE_MAX_RATINGS", "1", 1),
        ("INTAKE_QUEUE_RATINGS", "1", 1),
        ("INTAKE_QUEUE_BYTES", "1048576", 1 << 20),
        ("INTAKE_DELIVERY_SECONDS", "1.5", 1.5),
        ("INTAKE_CLIENT_SECONDS", "0.1", 0.1),
        ("INTAKE_MAX_CONNECTIONS", "1", 1),
        ("PAGE_HOST", "::1", "::1"),
        ("PAGE_PORT", "tcp://10.0.0.1:80", 8081),
        ("PAGE_TOKEN", "abcd-EFG.hij==", SecretStr("abcd-EFG.hij==")),
        ("PAGE_MINUTES", "1440", 1440),
        ("PAGE_READ_BACK", "0", 0),
        ("ALERT_RULES", "rules.toml", Path("rules.toml")),
        ("ALERT_RULES", "", None),
        ("STATISTICS_TOPIC", "statistics", "statistics"),
        ("STATISTICS_TOPIC", "", None),
        ("STATISTICS_WINDOW_SECONDS", "1", 1),
        ("STATISTICS_LATENESS_SECONDS", "0", 0),
        ("STATISTICS_DIMENSIONS", "region, channel,region", ["region", "channel"]),
        ("STATISTICS_DIMENSIONS", "", []),
        ("ELASTICSEARCH_STATISTICS_INDEX", "statistics-%Y", "statistics-%Y"),
        ("LOG_LEVEL", "DEBUG", "DEBUG"),
        ("LOG_FORMAT", "json", "json"),
        ("OTLP_URL", "http://collector:4317", "http://collector:4317"),
        ("OTLP_SAMPLING_RATIO", "1", 1.0),
    ],
)
def test_every_variable_is_read(environment: Set, variable: str, text: str, value: object) -> None:
    before = held(Settings.load())
    environment(variable, text)
    assert held(Settings.load()) == {**before, variable: value}


@pytest.mark.parametrize(
    ("variable", "condition"),
    [
        ("ALERT_MAX_STARS", "stars <= 2"),
        ("ALERT_CLUB_STATUSES", "LOWER(club_status) IN ('platinum', 'gold')"),
        ("TEST_CHANNEL_PATTERN", "(channel IS NULL OR channel NOT ILIKE '%test%')"),
    ],
)
def test_a_setting_that_rules_have_replaced_is_told(variable: str, condition: str) -> None:
    for name in (variable, f"{variable}_FILE"):
        with pytest.raises(SettingsError) as caught:
            Settings.load({name: "1"})
        assert str(caught.value) == (
            f"{name} is replaced by the file of ALERT_RULES: write its condition there, as {condition}"
        )
    assert held(Settings.load({variable: ""})) == held(Settings.load({}))


NUMBER, WHOLE = "number", "integer"


@pytest.mark.parametrize(
    ("variable", "text", "may_hold"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "", ["at least 1 character"]),
        ("KAFKA_GROUP_ID", "", ["at least 1 character"]),
        ("STARTUP_TIMEOUT_SECONDS", "soon", [NUMBER]),
        ("STARTUP_TIMEOUT_SECONDS", "0", ["greater than 0"]),
        ("STARTUP_TIMEOUT_SECONDS", "-1", ["greater than 0"]),
        ("STARTUP_TIMEOUT_SECONDS", "3601", ["less than or equal to 3600"]),
        ("STARTUP_TIMEOUT_SECONDS", "nan", []),
        ("STARTUP_TIMEOUT_SECONDS", "inf", ["3600"]),
        ("RATINGS_TOPIC", "", ["A-Za-z0-9._-", "249"]),
        ("RATINGS_TOPIC", "a/b", ["A-Za-z0-9._-"]),
        ("CUSTOMERS_TOPIC", "a b", ["A-Za-z0-9._-"]),
        ("ENRICHED_TOPIC", "x" * 250, ["249"]),
        ("ALERTS_TOPIC", "é", ["A-Za-z0-9._-"]),
        ("DEAD_LETTERS_TOPIC", "a\n", ["A-Za-z0-9._-"]),
        ("CUSTOMERS_TOPIC_UNCOMPACTED", "yes", ["'refuse'", "'allow'"]),
        ("SLACK_API_URL", "slack.com", ["must be one address"]),
        ("SLACK_API_URL", "https://a, https://b", ["must be one address"]),
        ("NOTIFY_TOPICS", "a b", ["names of topics, separated by commas"]),
        ("PAGE_ALERTS_TOPICS", "a,..", ["names of topics, separated by commas"]),
        ("STATUS_URLS", "http://a:3030,b:3030", ["`http://host:3031`, several separated by commas"]),
        ("STATUS_STILL_SECONDS", "0", ["greater than 0"]),
        ("CONNECT_SECONDS", "0", ["greater than 0"]),
        ("STALL_SECONDS", "0", ["greater than 0"]),
        ("HEALTH_HOST", "a b", ["pattern"]),
        ("HEALTH_PORT", "65536", ["less than or equal to 65535"]),
        ("NOTIFY_PER_MINUTE", "0", ["greater than or equal to 1"]),
        ("NOTIFY_COOLDOWN_SECONDS", "-1", ["greater than or equal to 0"]),
        ("NOTIFY_MAX_AGE_SECONDS", "0", ["greater than 0"]),
        ("NOTIFIED_TOPIC", "a/b", ["A-Za-z0-9._-"]),
        ("UNMATCHED_GRACE_SECONDS", "-0.1", ["greater than or equal to 0"]),
        ("UNMATCHED_GRACE_SECONDS", "1h", [NUMBER]),
        ("UNMATCHED_GRACE_SECONDS", "4000", ["less than or equal to 3600"]),
        ("UNMATCHED", "maybe", ["'emit'", "'drop'", "'dead-letter'"]),
        ("UNMATCHED", "", ["'emit'", "'drop'", "'dead-letter'"]),
        ("UNMATCHED", "DROP", ["'emit'", "'drop'", "'dead-letter'"]),
        ("UNMATCHED_MAX_HELD", "15", ["greater than or equal to 16"]),
        ("UNMATCHED_MAX_HELD", "1e6", [WHOLE]),
        ("UNMATCHED_MAX_HELD", "10000001", ["less than or equal to 10000000"]),
        ("INTAKE_HOST", "", ["pattern"]),
        ("INTAKE_HOST", "a b", ["pattern"]),
        ("INTAKE_PORT", "65536", ["less than or equal to 65535"]),
        ("INTAKE_PORT", "-1", ["greater than or equal to 0"]),
        ("INTAKE_MAX_BODY_BYTES", "1023", ["greater than or equal to 1024"]),
        ("INTAKE_MAX_RATINGS", "0", ["greater than or equal to 1"]),
        ("INTAKE_DELIVERY_SECONDS", "0.5", ["greater than or equal to 1"]),
        ("INTAKE_CLIENT_SECONDS", "0", ["greater than or equal to 0.1"]),
        ("INTAKE_CLIENT_SECONDS", "nan", []),
        ("INTAKE_MAX_CONNECTIONS", "0", ["greater than or equal to 1"]),
        ("STATISTICS_TOPIC", "a/b", ["A-Za-z0-9._-"]),
        ("STATISTICS_WINDOW_SECONDS", "0", ["greater than or equal to 1"]),
        ("STATISTICS_WINDOW_SECONDS", "86401", ["less than or equal to 86400"]),
        ("STATISTICS_LATENESS_SECONDS", "-1", ["greater than or equal to 0"]),
        ("STATISTICS_DIMENSIONS", "channel,email", ["some of channel, club_status, region"]),
        ("PAGE_HOST", "a b", ["pattern"]),
        ("PAGE_PORT", "65536", ["less than or equal to 65535"]),
        ("PAGE_MINUTES", "1441", ["less than or equal to 1440"]),
        ("PAGE_READ_BACK", "-1", ["greater than or equal to 0"]),
        ("LOG_FORMAT", "xml", ["'text' or 'json'"]),
        ("OTLP_URL", "grpc://collector:4317", ["should match pattern '^http://"]),
        ("OTLP_SAMPLING_RATIO", "2", ["less than or equal to 1"]),
        ("LOG_LEVEL", "loud", ["'DEBUG'", "'INFO'", "'WARNING'", "'ERROR'"]),
        ("LOG_LEVEL", "debug", ["'DEBUG'", "'INFO'", "'WARNING'", "'ERROR'"]),
    ],
)
def test_a_bad_value_is_told_in_one_line(environment: Set, variable: str, text: str, may_hold: list[str]) -> None:
    environment(variable, text)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    line = str(caught.value)
    assert line.startswith(f"{variable} is {text!r}, but it ")
    assert [fragment for fragment in may_hold if fragment not in line] == [], line
    assert "\n" not in line
    assert "pydantic" not in line


BROKERS, ADDRESS, HOST, PEM = (
    "`host:port`",
    "`http://` or `https://`",
    "`https://host:9200`",
    "certificates in PEM form",
)
SPACE, BREAK, QUOTES = "begin or end with a space", "line breaks", "quotes"


@pytest.mark.parametrize(
    ("variable", "text", "may_hold"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", ",", BROKERS),
        ("KAFKA_BOOTSTRAP_SERVERS", "http://a:9092", BROKERS),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka://a:9092", BROKERS),
        ("KAFKA_BOOTSTRAP_SERVERS", '"a:9092"', BROKERS),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092;b:9092", BROKERS),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092 b:9092", BROKERS),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:65536", BROKERS),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:0", BROKERS),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:port", BROKERS),
        ("KAFKA_BOOTSTRAP_SERVERS", "::1:9092", BROKERS),
        ("KAFKA_GROUP_ID", " blue", SPACE),
        ("KAFKA_GROUP_ID", "blue\n", BREAK),
        ("KAFKA_GROUP_ID", '"blue"', QUOTES),
        ("KAFKA_GROUP_ID", "bl\udcffue", "unicode"),
        ("RATINGS_TOPIC", ".", "name of a topic"),
        ("ENRICHED_TOPIC", "..", "name of a topic"),
        ("UNMATCHED_GRACE_SECONDS", "nan", ""),
        ("UNMATCHED_GRACE_SECONDS", "1e400", "3600"),
        ("UNMATCHED_MAX_HELD", "-1", "16"),
        ("DEAD_LETTERS_MAX_SHARE", "0", "greater than 0"),
        ("DEAD_LETTERS_MAX_SHARE", "50%", "number"),
        ("DEAD_LETTERS_MAX_SHARE", "1.1", "less than or equal to 1"),
        ("DEAD_LETTERS_MAX_SHARE", "nan", ""),
        ("DEAD_LETTERS_MAX_IN_A_ROW", "0", "greater than or equal to 1"),
        ("SCHEMA_REGISTRY_URL", "localhost:8081", ADDRESS),
        ("SCHEMA_REGISTRY_URL", "http://", ADDRESS),
        ("SCHEMA_REGISTRY_URL", "http://a:99999", ADDRESS),
        ("SCHEMA_REGISTRY_URL", "http://a:8081,ftp://b", ADDRESS),
        ("SCHEMA_REGISTRY_URL", "'http://a:8081'", ADDRESS),
        ("SCHEMA_REGISTRY_CA", "/nonexistent.pem", PEM),
        ("SCHEMA_REGISTRY_CA", "/", PEM),
        ("SCHEMA_REGISTRY_USER", "ada\n", BREAK),
        ("ELASTICSEARCH_URL", "localhost:9200", HOST),
        ("ELASTICSEARCH_URL", "https://localhost", HOST),
        ("ELASTICSEARCH_URL", "https://a:9200,b:9200", HOST),
        ("ELASTICSEARCH_URL", "https://a:92000", HOST),
        ("ELASTICSEARCH_URL", '"https://a:9200"', HOST),
        ("ELASTICSEARCH_CA_CERTS", "/nonexistent.pem", PEM),
        ("ELASTICSEARCH_CA_CERTS", "/dev/null", PEM),
        ("ELASTICSEARCH_USERNAME", "'ada'", QUOTES),
        ("ELASTICSEARCH_INDEX", "Ratings", "pattern"),
        ("ELASTICSEARCH_MAX_BUFFER_BYTES", "64MB", "integer"),
        ("ELASTICSEARCH_MAX_BUFFER_BYTES", str(1 << 70), str(1 << 63)),
        ("ELASTICSEARCH_BULK_SECONDS", "nan", ""),
        ("ELASTICSEARCH_MAX_RETRIES", "-1", "greater than or equal to 0"),
        ("S3_BUCKET", "s3://bucket", "pattern"),
        ("S3_BUCKET", "my bucket", "pattern"),
        ("S3_BUCKET", '"bucket"', "pattern"),
        ("S3_PREFIX", "x" * 513, "512"),
        ("S3_PREFIX", "ratings ", SPACE),
        ("S3_REGION", "eu west 1", "pattern"),
        ("S3_REGION", "https://s3.eu-west-1.amazonaws.com", "pattern"),
        ("S3_ROLL_SECONDS", "inf", "1000000000"),
        ("S3_ROLL_SECONDS", "nan", ""),
        ("S3_ROLL_SECONDS", "1e300", "1000000000"),
        ("S3_ROLL_BYTES", str(1 << 50), str(1 << 40)),
        ("S3_ROLL_ROWS", str(1 << 64), str(1 << 63)),
        ("S3_STORAGE_CLASS", "standard", "pattern"),
        ("S3_TAGS", "team", "pattern"),
        ("S3_TAGS", "team: flights", "pattern"),
    ],
)
def test_a_value_that_would_break_something_later_is_told(
    environment: Set, variable: str, text: str, may_hold: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({variable: text})
    line = str(caught.value)
    assert line.startswith(f"{variable} is {text[:300]!r}, but it ")
    assert may_hold in line
    assert "\n" not in line
    assert len(line) < 600


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092, b:9092 ,", "a:9092,b:9092"),
        ("KAFKA_BOOTSTRAP_SERVERS", " broker_1.kafka ", "broker_1.kafka"),
        ("KAFKA_BOOTSTRAP_SERVERS", "[2001:db8::1]:9092,10.0.0.1:9092", "[2001:db8::1]:9092,10.0.0.1:9092"),
        ("KAFKA_BOOTSTRAP_SERVERS", "SASL_SSL://a:9092", "SASL_SSL://a:9092"),
        ("UNMATCHED_GRACE_SECONDS", " 2.5", 2.5),
        ("SCHEMA_REGISTRY_URL", "http://a:8081, https://ada:pw@b/path", "http://a:8081, https://ada:pw@b/path"),
        ("ELASTICSEARCH_URL", "http://a:9200, https://[::1]:9200/path", ["http://a:9200", "https://[::1]:9200/path"]),
        ("S3_BUCKET", "arn:aws:s3:eu-west-1:1:accesspoint/x", "arn:aws:s3:eu-west-1:1:accesspoint/x"),
        ("S3_BUCKET", "My_bucket.1", "My_bucket.1"),
        ("S3_REGION", "auto", "auto"),
        ("S3_TAGS", "team=flights&cost=7", "team=flights&cost=7"),
    ],
)
def test_a_value_of_another_form(environment: Set, variable: str, text: str, value: object) -> None:
    assert held(Settings.load({variable: text}))[variable] == value


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        (
            {"ELASTICSEARCH_INDEX": "x", "ELASTICSEARCH_ALERTS_INDEX": "x"},
            "ELASTICSEARCH_ALERTS_INDEX is 'x' and ELASTICSEARCH_INDEX is 'x': they may name",
        ),
        (
            {"ELASTICSEARCH_RATINGS_INDEX": "ratings-enriched"},
            "ELASTICSEARCH_RATINGS_INDEX is 'ratings-enriched': they may",
        ),
        ({"S3_KMS_KEY_ID": "hush-hush"}, "S3_KMS_KEY_ID is set, but S3_ENCRYPTION is not aws:kms or aws:kms:dsse"),
        ({"ELASTICSEARCH_API_KEY": "hush-hush\n"}, "ELASTICSEARCH_API_KEY is (not shown), but it must not hold line"),
        ({"ELASTICSEARCH_URL": "https://ada:hush-hush/1@a"}, "ELASTICSEARCH_URL is (not shown), but it must be"),
        ({"SCHEMA_REGISTRY_URL": "hush-hush@a"}, "SCHEMA_REGISTRY_URL is (not shown), but it must be"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "ada:hush-hush@a:1"}, "KAFKA_BOOTSTRAP_SERVERS is (not shown), but it must be"),
        ({"KAFKA_SASL_PASSWORD": "hush-hush\udcff"}, "KAFKA_SASL_PASSWORD is not text"),
        ({"INTAKE_TOKEN": "hush"}, "INTAKE_TOKEN is (not shown), but it must be at least 8 letters"),
        ({"INTAKE_TOKEN": "hush hush"}, "INTAKE_TOKEN is (not shown), but it must be at least 8 letters"),
        ({"INTAKE_TOKEN": "hush=hush"}, "INTAKE_TOKEN is (not shown), but it must be at least 8 letters"),
        ({"INTAKE_HOST": "0.0.0.0"}, "INTAKE_HOST is '0.0.0.0', but INTAKE_TOKEN is not set"),  # noqa: S104
        ({"INTAKE_HOST": "::"}, "INTAKE_HOST is '::', but INTAKE_TOKEN is not set"),
        ({"PAGE_TOKEN": "hush"}, "PAGE_TOKEN is (not shown), but it must be at least 8 letters"),
        ({"PAGE_HOST": "::"}, "PAGE_HOST is '::', but PAGE_TOKEN is not set"),
        ({"INTAKE_HOST": "127.0.0.1.example"}, "INTAKE_HOST is '127.0.0.1.example', but INTAKE_TOKEN is not set"),
    ],
)
def test_values_that_do_not_fit(environment: Set, variables: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load(variables)
    assert line in str(caught.value)
    assert "hush" not in str(caught.value)


def test_of_several_bad_values_one_is_told(environment: Set) -> None:
    environment("UNMATCHED", "maybe")
    environment("UNMATCHED_GRACE_SECONDS", "-1")
    with pytest.raises(SettingsError, match=r"^UNMATCHED_GRACE_SECONDS is '-1', but [^\n]*$"):
        Settings.load()


@pytest.mark.parametrize(
    ("variable", "text", "properties"),
    [
        ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL", {"security.protocol": "SASL_SSL"}),
        ("KAFKA_SASL_MECHANISM", "PLAIN", {"sasl.mechanism": "PLAIN"}),
        ("KAFKA_SASL_PASSWORD", "hush", {"sasl.password": "hush"}),
        ("KAFKA_SSL_CA_LOCATION", "/etc/ca.pem", {"ssl.ca.location": "/etc/ca.pem"}),
        ("KAFKA_COMPRESSION_TYPE", "zstd", {"compression.type": "zstd"}),
        ("KAFKA_CLIENT_ID", "blue", {"client.id": "blue"}),
        ("KAFKA_GROUP_INSTANCE_ID", "blue-1", {"group.instance.id": "blue-1"}),
        ("KAFKA_GROUP_ID", "blue", {"group.id": "blue"}),
        ("KAFKA_BOOTSTRAP_SERVERS", "b:1", {"bootstrap.servers": "b:1"}),
        # Kubernetes sets these beside a service named kafka, kafka-ui or kafka-broker-0.
        ("KAFKA_SERVICE_HOST", "10.0.0.1", {}),
        ("KAFKA_SERVICE_PORT", "9092", {}),
        ("KAFKA_SERVICE_PORT_TCP_CLIENT", "9092", {}),
        ("KAFKA_PORT", "tcp://10.0.0.1:9092", {}),
        ("KAFKA_PORT_9092_TCP", "tcp://10.0.0.1:9092", {}),
        ("KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1", {}),
        ("KAFKA_PORT_9092_TCP_PORT", "9092", {}),
        ("KAFKA_PORT_9092_TCP_PROTO", "tcp", {}),
        ("KAFKA_UI_SERVICE_HOST", "10.0.0.1", {}),
        ("KAFKA_UI_PORT_8080_TCP_ADDR", "10.0.0.1", {}),
        ("KAFKA_BROKER_0_PORT", "tcp://10.0.0.1:9092", {}),
        # Kafka's own scripts read these.
        ("KAFKA_HOME", "/opt/kafka", {}),
        ("KAFKA_DEBUG", "true", {}),
        ("KAFKA_OPTS", "-Da=b", {}),
        ("KAFKA_HEAP_OPTS", "-Xmx1g", {}),
        ("KAFKA_JVM_PERFORMANCE_OPTS", "-server", {}),
        ("KAFKA_LOG4J_OPTS", "-Da=b", {}),
        ("KAFKA_JMX_PORT", "9999", {}),
        ("KAFKA_JMX_OPTS", "-Da=b", {}),
        ("KAFKA_CLUSTER_ID", "abc", {}),
        # These are of others altogether.
        ("MY_KAFKA_ACKS", "1", {}),
        ("KAFKACTL_CONTEXT", "1", {}),
    ],
)
def test_other_variables_of_kafka_are_librdkafkas_properties(
    environment: Set, variable: str, text: str, properties: dict[str, str]
) -> None:
    environment(variable, text)
    usual = {"bootstrap.servers": "localhost:9092", "group.id": "ratings-enrichment"}
    assert Settings.load().properties == {**usual, **properties}


@pytest.mark.parametrize(
    "variable",
    [
        "KAFKA_ENABLE_AUTO_COMMIT",
        "KAFKA_ENABLE_AUTO_OFFSET_STORE",
        "KAFKA_AUTO_OFFSET_RESET",
        "KAFKA_ENABLE_PARTITION_EOF",
        "KAFKA_ENABLE_IDEMPOTENCE",
        "KAFKA_TRANSACTIONAL_ID",
    ],
)
def test_what_a_guarantee_depends_on_cannot_be_set(environment: Set, variable: str) -> None:
    environment(variable, "true")
    with pytest.raises(SettingsError, match=rf"^{variable} cannot be set: \w[^\n]+$"):
        Settings.load()


def test_no_secret_is_in_a_message(environment: Set) -> None:
    for variable in ("KAFKA_SASL_PASSWORD", "KAFKA_SSL_KEY_PASSWORD", "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET"):
        environment(variable, "hush-hush")
    for variable, _ in VARIABLES:
        if variable.endswith(("PASSWORD", "KEY", "SECRET", "TOKEN")) and variable != "S3_KEY":
            environment(variable, "hush-hush")
    told: list[Any] = [repr(Settings.load()), str(Settings.load()), *held(Settings.load()).values()]
    for variable, text in (("UNMATCHED", "hush"), ("KAFKA_GROUP_ID", ""), ("KAFKA_TRANSACTIONAL_ID", "hush-hush")):
        environment(variable, text)
        with pytest.raises(SettingsError) as caught:
            Settings.load()
        told.append(str(caught.value))
        told += [caught.value.__cause__, None if caught.value.__suppress_context__ else caught.value.__context__]
    assert "hush-hush" not in repr(told)


@pytest.mark.parametrize(
    ("variables", "ratings", "size"),
    [
        ({}, 1000, 1 << 20),
        ({"INTAKE_QUEUE_RATINGS": "10"}, 10, 1 << 20),
        ({"INTAKE_QUEUE_BYTES": str(1 << 20)}, 1000, 1 << 19),
        ({"INTAKE_MAX_RATINGS": "3", "INTAKE_MAX_BODY_BYTES": "2048"}, 3, 2048),
    ],
)
def test_a_request_to_the_intake_fits_into_its_queue(variables: dict[str, str], ratings: int, size: int) -> None:
    intake = Settings.load(variables).intake
    assert (intake.longest_list, intake.longest_body) == (ratings, size)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().join.grace = 1  # type: ignore[misc]


def test_the_table_tells_of_every_setting() -> None:
    rows = dict(VARIABLES)
    assert len(rows) == len(VARIABLES)
    assert rows.keys() == held(Settings.load()).keys() >= DEFAULTS.keys()
    assert (rows["UNMATCHED_GRACE_SECONDS"], rows["ALERT_RULES"]) == ("5", "")
    assert (rows["ELASTICSEARCH_URL"], rows["KAFKA_BOOTSTRAP_SERVERS"]) == ("", "localhost:9092")


def test_the_table_is_written_between_its_markers() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    written = write_into(text)
    assert written == f"before\n{BEGIN}\n{markdown()}\n{END}\nafter\n"
    assert write_into(written) == written


def test_topics_must_differ(environment: Set) -> None:
    environment("RATINGS_TOPIC", "same")
    environment("ENRICHED_TOPIC", "same")
    with pytest.raises(SettingsError, match="RATINGS_TOPIC and ENRICHED_TOPIC are both 'same'"):
        Settings.load()


def test_a_password_in_an_address_is_not_shown(environment: Set) -> None:
    environment("SCHEMA_REGISTRY_URL", "ftp://ada:s3cret@registry:8081")
    with pytest.raises(SettingsError, match=r"SCHEMA_REGISTRY_URL is \(not shown\)") as refusal:
        Settings.load()
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize("variable", ["RATINGS_FORMAT", "CUSTOMERS_FORMAT", "OUTPUT_FORMAT"])
def test_avro_needs_a_registry(environment: Set, variable: str) -> None:
    environment(variable, "avro")
    with pytest.raises(SettingsError, match=f"{variable} is 'avro', but SCHEMA_REGISTRY_URL is not set"):
        Settings.load()
    environment("SCHEMA_REGISTRY_URL", "http://localhost:8081")
    assert held(Settings.load())[variable] == "avro"
