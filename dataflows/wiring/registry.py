"""The main job's schema registry: the schemas of its inputs, and the schema of its output."""

import logging
import time

from dataflows import process
from dataflows.wiring.errors import StartupError
from messages.cache import Schemas
from messages.registry import Registry, RegistryAwayError, RegistryRefusedError
from records import customer, rating
from settings import SchemaRegistry

log = logging.getLogger(__name__)

_REST_SECONDS = 0.5


def client(settings: SchemaRegistry) -> Registry | None:
    """The registry, before any request; None if there is none.

    Raises:
        StartupError: the settings are not usable.
    """
    if settings.url is None:
        return None
    password = settings.password.get_secret_value() if settings.password else None
    try:
        return Registry(settings.url, settings.user, password, str(settings.ca) if settings.ca else None)
    except (ValueError, OSError) as error:
        raise StartupError(f"SCHEMA_REGISTRY_URL or SCHEMA_REGISTRY_CA is not usable: {error}") from None


def connect(settings: SchemaRegistry) -> Registry | None:
    """The registry; None if there is none, and every topic is JSON.

    Raises:
        StartupError: the registry refuses us. If it does not answer, the flow starts and waits for it.
    """
    registry = client(settings)
    if registry is None:
        return None
    try:
        registry.check()
    except RegistryRefusedError as error:
        raise StartupError(f"the schema registry at {registry} refuses us: {error}") from None
    except RegistryAwayError as error:
        log.warning("%s: what needs its schemas waits for it", error)
    return registry


def schemas(registry: Registry | None) -> Schemas | None:
    """The schemas of ratings and customers."""
    return None if registry is None else Schemas(registry, rating.FIELDS | customer.FIELDS)


def register(registry: Registry, subject: str, schema: str, deadline: float) -> int:
    """Register the schema of an output, and return its id.

    Raises:
        StartupError: the registry refuses the schema, or does not answer within ``deadline`` seconds.
    """
    end = time.monotonic() + deadline
    while True:
        try:
            return registry.register(subject, schema)
        except RegistryRefusedError as error:
            raise StartupError(f"the schema registry refuses the schema of {subject}: {error}") from None
        except RegistryAwayError as error:
            if process.stopping() or time.monotonic() >= end:
                raise StartupError(f"the schema of {subject} cannot be registered: {error}") from None
            log.warning("the schema of %s cannot be registered yet: %s", subject, error)
        time.sleep(_REST_SECONDS)
