"""The start and the end of a server's process, which are the same for every application here."""

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn
from confluent_kafka import KafkaException
from starlette.types import ASGIApp

from settings import Settings, SettingsError
from settings.kafka import name_variable
from web.listen import address, listen


@dataclass(frozen=True)
class Served:
    """An application, and how it is served."""

    app: ASGIApp
    options: Mapping[str, Any]
    """Further ones of ``uvicorn.Config``."""
    has_failed: Callable[[], bool] = field(default=lambda: False)
    """Whether it ended because it could not go on."""


def main(
    module: str,
    description: str | None,
    component: Literal["page", "intake"],
    make: Callable[[Settings, dict[str, Any]], Served],
) -> int | str:
    """Serve until SIGTERM or SIGINT; give the exit code, or the line that says why it cannot.

    Args:
        module: the command's.
        description: for ``--help``.
        component: of the settings, with ``host`` and ``port``.
        make: makes the application of the settings and of librdkafka's properties.
    """
    argparse.ArgumentParser(prog=f"python -m {module}", description=description).parse_args()
    try:
        settings = Settings.load()
        logging.basicConfig(
            level=settings.log.level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        return _serve(logging.getLogger(module), settings, component, make)
    except (SettingsError, OSError) as error:
        return str(error)


def _serve(
    log: logging.Logger,
    settings: Settings,
    component: Literal["page", "intake"],
    make: Callable[[Settings, dict[str, Any]], Served],
) -> int:
    where = getattr(settings, component)
    listener = listen(where.host, where.port, component.upper())
    librdkafka = logging.getLogger("librdkafka")
    if settings.log.level != "DEBUG":
        librdkafka.setLevel(logging.CRITICAL)  # the important lines also reach us as errors
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        logging.getLogger("httpx").setLevel(logging.WARNING)
    for stranger in settings.strangers:
        log.warning("%s", stranger)
    try:
        served = make(settings, {**settings.properties, "logger": librdkafka})
    except KafkaException as error:
        raise SettingsError(settings.name_files(name_variable(error.args[0].str(), settings.properties))) from None
    config = uvicorn.Config(served.app, log_config=None, access_log=False, server_header=False, **served.options)
    # uvicorn sends itself the signal again once it has stopped in order, and that would be the exit code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    log.info("listening on %s", address(listener))
    uvicorn.Server(config).run([listener])
    return 1 if served.has_failed() else 0
