"""The schema of generated ratings, in a schema registry."""

from dataflows.wiring.errors import StartupError
from dataflows.wiring.registry import client
from demo.generate import avro
from messages.registry import Registry, RegistryAwayError, RegistryRefusedError
from settings import SchemaRegistry


def connect(settings: SchemaRegistry) -> Registry:
    """Make the client of the registry, without asking it for anything.

    Raises:
        StartupError: there is none, or the settings are not usable.
    """
    registry = client(settings)
    if registry is None:
        raise StartupError("--format avro needs a schema registry: SCHEMA_REGISTRY_URL is not set")
    return registry


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
