"""The start and the end of a server's process, which are the same for every application here."""

import argparse
import logging
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn
from confluent_kafka import KafkaException
from starlette.types import ASGIApp

from monitoring.log import last_line, set_up
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
) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit code.

    Args:
        module: the command's.
        description: for ``--help``.
        component: of the settings, with ``host`` and ``port``.
        make: makes the application of the settings and of librdkafka's properties.

    Raises:
        SystemExit: it cannot; the message is one line.
    """
    argparse.ArgumentParser(prog=f"python -m {module}", description=description).parse_args()
    try:
        settings = Settings.load()
        set_up(settings.log, flow=component)
        return _serve(logging.getLogger(module), settings, component, make)
    except (SettingsError, OSError) as error:
        raise last_line(str(error)) from None


def _serve(
    log: logging.Logger,
    settings: Settings,
    component: Literal["page", "intake"],
    make: Callable[[Settings, dict[str, Any]], Served],
) -> int:
    where = getattr(settings, component)
    listener = listen(where.host, where.port, component.upper())
    if settings.log.level != "DEBUG":
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    for stranger in settings.strangers:
        log.warning("%s", stranger, extra={"event": "a variable is no setting"})
    try:
        served = make(settings, {**settings.properties, "logger": logging.getLogger("librdkafka")})
    except KafkaException as error:
        raise SettingsError(settings.name_files(name_variable(error.args[0].str(), settings.properties))) from None
    config = uvicorn.Config(served.app, log_config=None, access_log=False, server_header=False, **served.options)
    # uvicorn sends itself the signal again once it has stopped in order, and that would be the exit code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    log.info("listening on %s", address(listener))
    uvicorn.Server(config).run([listener])
    return 1 if served.has_failed() else 0
