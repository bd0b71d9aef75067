"""The JSON Schema of all settings."""

from servers.process import ROOT
from settings.librdkafka import property_names
from settings.schema import definitions, write_into
from settings.settings import COMPONENTS

SETTINGS = definitions()["settings"]["properties"]
ANY = definitions()["anySetting"]["properties"]


def test_the_chart_has_it() -> None:
    text = (ROOT / "k8s" / "chart" / "values.schema.json").read_text()
    assert write_into(text) == text, "run `make docs`"


def test_every_setting_is_in_it_with_its_description() -> None:
    for component in COMPONENTS.values():
        for field in component.model_fields.values():
            assert field.alias in ANY
            assert field.alias not in SETTINGS or SETTINGS[field.alias]["description"] == field.description


def test_secrets_have_no_value_in_it() -> None:
    secrets = {name for name in ANY if name not in SETTINGS}
    assert secrets >= {
        "ELASTICSEARCH_API_KEY",
        "ELASTICSEARCH_PASSWORD",
        "INTAKE_TOKEN",
        "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET",
        "KAFKA_SASL_PASSWORD",
        "KAFKA_SSL_KEY_PASSWORD",
        "KAFKA_SSL_KEY_PEM",
        "KAFKA_SSL_KEYSTORE_PASSWORD",
        "NOTIFY_WEBHOOK_URL",
        "PAGE_TOKEN",
        "SCHEMA_REGISTRY_PASSWORD",
        "SLACK_BOT_TOKEN",
        "SLACK_WEBHOOK_URL",
    }
    assert not secrets & {
        "KAFKA_SASL_USERNAME",
        "KAFKA_SSL_CA_PEM",
        "KAFKA_SSL_KEY_LOCATION",
        "S3_KEY",
        "S3_KMS_KEY_ID",
    }


def test_the_properties_are_those_of_librdkafka() -> None:
    names = property_names()
    assert {"acks", "bootstrap.servers", "compression.type", "message.timeout.ms", "sasl.password"} <= {*names}
    assert len(names) == len({*names}) > 100
    assert not {"opaque", "dr_cb", "error_cb", "Property"} & {*names}
