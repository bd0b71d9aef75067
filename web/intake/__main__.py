"""Take ratings over HTTP and write them to the ratings topic: POST /ratings. The settings are environment variables."""

import math
import os
import signal
import sys
from typing import Any

from settings import Settings
from web.connection import bounded
from web.intake.app import app
from web.intake.health import Health
from web.intake.topic import Topic
from web.serve import Served, main

_BYTES_A_BODY = 10
"""How many times its bytes a body may take on a connection: a chunk of one byte takes six."""
_SPARE_SECONDS = 10.0
"""The last requests may take as much longer, after SIGTERM, than a client and Kafka may together."""


def make(settings: Settings, properties: dict[str, Any]) -> Served:
    """The intake."""
    intake, name = settings.intake, settings.topics.ratings
    del properties["group.id"]  # a consumer's
    topic = Topic(name, properties, intake.queue_ratings, intake.queue_bytes, intake.delivery_seconds, _stop)
    health = Health(name, properties)
    options = {
        "http": bounded(intake.max_connections, _BYTES_A_BODY * intake.longest_body, intake.client_seconds),
        "ws": "none",
        "timeout_graceful_shutdown": math.ceil(intake.client_seconds + intake.delivery_seconds + _SPARE_SECONDS),
    }
    return Served(app(intake, health, topic), options, lambda: topic.fatal)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main("web.intake", __doc__, "intake", make))
