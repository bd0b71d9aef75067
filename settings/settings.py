"""All settings of the main job."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import ValidationError

from settings import kafka
from settings.alerts import Alerts, check_replaced
from settings.cluster import Cluster
from settings.component import Component
from settings.dead_letters import DeadLetters
from settings.elasticsearch import Search
from settings.environment import Given, SettingsError, Variables, beginning_with, given, strangers
from settings.formats import Formats, SchemaRegistry
from settings.health import Health
from settings.intake import Intake
from settings.join import Join
from settings.kafka import Kafka, Topics
from settings.log import Log
from settings.notify import Notify, Slack
from settings.page import Page
from settings.s3 import Archive
from settings.statistics import Statistics
from settings.status import Status
from settings.traces import Traces

_SECRET = re.compile(r"password|secret|token|webhook|jaas|oauth|credential|\bkey\b|_key|key_", re.IGNORECASE)


@dataclass(frozen=True, repr=False)
class Settings:
    """All settings of the main job."""

    kafka: Kafka
    topics: Topics
    registry: SchemaRegistry
    formats: Formats
    join: Join
    dead_letters: DeadLetters
    alerts: Alerts
    statistics: Statistics
    search: Search
    archive: Archive
    intake: Intake
    page: Page
    notify: Notify
    slack: Slack
    status: Status
    cluster: Cluster
    health: Health
    log: Log
    traces: Traces
    properties: dict[str, str]
    """Of librdkafka: ``KAFKA_SECURITY_PROTOCOL=SSL`` is ``security.protocol``."""
    strangers: list[str]
    """A line for each variable that looks like a setting and is none."""
    variables: Variables
    """Which variable each setting was read from."""

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings from an environment.

        Raises:
            SettingsError: one is not usable: one line with the variable, what it holds and what it may hold.
        """
        try:
            check_replaced(name for name, value in environ.items() if value)
        except ValueError as error:
            raise SettingsError(str(error)) from None
        others = beginning_with(kafka.PREFIX, environ, ending_with_file=kafka.PROPERTIES_OF_FILES) - _NAMES
        settings = given(sorted(_NAMES | others), environ)
        variables = Variables.of(settings, librdkafka=others)
        try:
            components: dict[str, Any] = {
                name: component(**_wanted(component, settings)) for name, component in COMPONENTS.items()
            }
        except ValidationError as error:
            raise SettingsError(variables.name_files(_explain(error, settings))) from None
        if components["registry"].url is None:
            for name in ("ratings", "customers", "enriched"):
                if getattr(components["formats"], name) == "avro":
                    line = f"{Formats.model_fields[name].alias} is 'avro', but SCHEMA_REGISTRY_URL is not set"
                    raise SettingsError(variables.name_files(line))
        cluster: Kafka = components["kafka"]
        own = {"bootstrap.servers": cluster.bootstrap_servers, "group.id": cluster.group_id}
        return cls(
            **components,
            properties=own | kafka.properties({name: settings[name] for name in sorted(others)}),
            strangers=strangers(_NAMES, _PREFIXES, [name for name in environ if not name.startswith(kafka.PREFIX)]),
            variables=variables,
        )

    def name_files(self, message: str) -> str:
        """The message with the variables that were set: ``S3_BUCKET_FILE``, where the bucket is read from a file."""
        return self.variables.name_files(message)


COMPONENTS: dict[str, type[Component]] = {
    name: kind
    for name, kind in get_type_hints(Settings).items()
    if isinstance(kind, type) and issubclass(kind, Component)
}


def _names(component: type[Component]) -> list[str]:
    return [str(field.alias) for field in component.model_fields.values()]


def _prefix(component: type[Component]) -> str:
    """The words with which all settings of a component begin; empty if there are none."""
    names = _names(component)
    shared = os.path.commonprefix(names) if len(names) > 1 else ""  # noqa: RUF071  # of texts, not paths
    return shared[: shared.rfind("_") + 1]


_NAMES = {name for component in COMPONENTS.values() for name in _names(component)}
_NOT_OURS_ALONE = {"", "LOG_"}
_PREFIXES = [prefix for component in COMPONENTS.values() if (prefix := _prefix(component)) not in _NOT_OURS_ALONE]


def _wanted(component: type[Component], settings: Mapping[str, Given]) -> dict[str, str]:
    """What a component is made from.

    An empty number is not set, nor what need not be: so Compose and Helm pass on what they were not given.
    """
    wanted = {}
    for name, field in zip(_names(component), component.model_fields.values(), strict=True):
        needless = field.default is None or isinstance(field.default, int | float)
        if name in settings and (settings[name].value or not needless):
            wanted[name] = settings[name].value
    return wanted


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
