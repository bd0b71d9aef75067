"""Serve the live page: what the flow's topics and metrics say, for people. The settings are environment variables."""

import argparse
import logging
import signal
import socket
import sys
from typing import Any

import uvicorn
from confluent_kafka import KafkaException

from settings import Settings, SettingsError
from settings.kafka import name_variable
from web.listen import address, listen
from web.page.app import app
from web.page.model import Model

log = logging.getLogger("web")

_STOP_SECONDS = 5
_MAX_CONNECTIONS = 500


def main() -> int:
    """Serve until SIGTERM or SIGINT; give the exit code."""
    argparse.ArgumentParser(prog="python -m web", description=__doc__).parse_args()
    try:
        settings = Settings.load()
        logging.basicConfig(
            level=settings.log.level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        _serve(settings, listen(settings.page.host, settings.page.port, "PAGE"))
    except (SettingsError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _serve(settings: Settings, listener: socket.socket) -> None:
    logger = logging.getLogger("librdkafka")
    if settings.log.level != "DEBUG":
        logger.setLevel(logging.CRITICAL)  # the important lines also reach us as errors
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        logging.getLogger("httpx").setLevel(logging.WARNING)
    for stranger in settings.strangers:
        log.warning("%s", stranger)
    properties: dict[str, Any] = {**settings.properties, "logger": logger}
    properties["group.id"] = f"{settings.kafka.group_id}-page"
    try:
        served = app(settings, properties, Model(settings.page.minutes))
    except KafkaException as error:
        raise SettingsError(settings.name_files(name_variable(error.args[0].str(), settings.properties))) from None
    config = uvicorn.Config(
        served,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    # uvicorn sends itself the signal again once it has stopped in order, and that would be the exit code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    log.info("listening on %s", address(listener))
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    sys.exit(main())
