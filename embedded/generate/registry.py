"""The schema of generated ratings, in a schema registry."""

from embedded.generate import avro
from schemas.registry import Registry, RegistryAwayError, RegistryRefusedError
from settings import SchemaRegistry
from sources.kafka_topics import StartupError


def connect(settings: SchemaRegistry) -> Registry:
    """Make the client of the registry, without asking it for anything.

    Raises:
        StartupError: there is none, or the settings are not usable.
    """
    if settings.url is None:
        raise StartupError("--format avro needs a schema registry: SCHEMA_REGISTRY_URL is not set")
    password = settings.password.get_secret_value() if settings.password else None
    try:
        return Registry(settings.url, settings.user, password, str(settings.ca) if settings.ca else None)
    except (ValueError, OSError) as error:
        raise StartupError(f"SCHEMA_REGISTRY_URL or SCHEMA_REGISTRY_CA is not usable: {error}") from None


def register(registry: Registry, topic: str) -> int:
    """Register the schema for the values of ``topic``, if it is not there yet, and give its id.

    Raises:
        StartupError: the registry does not answer, or does not take the schema.
    """
    try:
        return registry.register(f"{topic}-value", avro.SCHEMA)
    except RegistryRefusedError as error:
        raise StartupError(f"the schema registry at {registry} refuses the schema of {topic}-value: {error}") from None
    except RegistryAwayError as error:
        raise StartupError(f"the schema of {topic}-value cannot be registered: {error}") from None
