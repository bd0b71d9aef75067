"""Take ratings over HTTP and write them to the ratings topic: POST /ratings. The settings are environment variables."""

import argparse
import logging
import math
import os
import signal
import socket
import sys
from typing import Any

import uvicorn
from confluent_kafka import KafkaException

from settings import Settings, SettingsError
from settings.kafka import name_variable
from web.connection import bounded
from web.intake.app import app
from web.intake.health import Health
from web.intake.topic import Topic
from web.listen import address, listen

log = logging.getLogger("web.intake")

_BYTES_A_BODY = 10
"""How many times its bytes a body may take on a connection: a chunk of one byte takes six."""
_SPARE_SECONDS = 10.0
"""The last requests may take as much longer, after SIGTERM, than a client and Kafka may together."""


def main() -> int:
    """Serve until SIGTERM or SIGINT; give the exit code."""
    argparse.ArgumentParser(prog="python -m web.intake", description=__doc__).parse_args()
    try:
        settings = Settings.load()
        logging.basicConfig(
            level=settings.log.level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        return _serve(settings, listen(settings.intake.host, settings.intake.port, "INTAKE"))
    except (SettingsError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _serve(settings: Settings, listener: socket.socket) -> int:
    intake, name = settings.intake, settings.topics.ratings
    logger = logging.getLogger("librdkafka")
    if settings.log.level != "DEBUG":
        logger.setLevel(logging.CRITICAL)  # the important lines also reach us as errors
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    properties: dict[str, Any] = {**settings.properties, "logger": logger}
    del properties["group.id"]  # a consumer's
    for stranger in settings.strangers:
        log.warning("%s", stranger)
    try:
        topic = Topic(name, properties, intake.queue_ratings, intake.queue_bytes, intake.delivery_seconds, _stop)
        health = Health(name, properties)
    except KafkaException as error:
        raise SettingsError(settings.name_files(name_variable(error.args[0].str(), settings.properties))) from None
    config = uvicorn.Config(
        app(intake, health, topic),
        http=bounded(intake.max_connections, _BYTES_A_BODY * intake.longest_body, intake.client_seconds),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(intake.client_seconds + intake.delivery_seconds + _SPARE_SECONDS),
    )
    # uvicorn sends itself the signal again once it has stopped in order, and that would be the exit code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    log.info("listening on %s", address(listener))
    uvicorn.Server(config).run([listener])
    return 1 if topic.fatal else 0


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
