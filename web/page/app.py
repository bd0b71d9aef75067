"""The application of the page: what it reads, while it runs, and the page itself."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from nicegui import ui
from starlette.requests import Request
from starlette.types import ASGIApp

from settings import Settings
from web.intake.health import Health
from web.intake.topic import Topic
from web.page.board import Board
from web.page.figures import Shown
from web.page.form import Form
from web.page.guard import Guard
from web.page.model import Model
from web.page.topics import Topics

log = logging.getLogger(__name__)

TITLE = "Flight ratings, live"

_STOP_SECONDS = 5.0
_RECONNECT_SECONDS = 30.0
"""A page that lost its connection goes on if it comes back within them; later it is loaded again."""
_STYLE = Path(__file__).with_name("style.css")
_ICON = "\N{WHITE MEDIUM STAR}"


def app(settings: Settings, properties: dict[str, Any]) -> ASGIApp:
    """The application.

    Args:
        settings: of the flow and of the page.
        properties: of librdkafka.

    Raises:
        KafkaException: librdkafka refuses the properties.
    """
    intake, ratings = settings.intake, settings.topics.ratings
    model = Model(settings.page.minutes)
    topics = Topics(settings, properties, model)
    producing = {name: value for name, value in properties.items() if name != "group.id"}
    topic = Topic(ratings, producing, intake.queue_ratings, intake.queue_bytes, intake.delivery_seconds, lambda: None)
    health = Health(ratings, producing)
    shown, form = Shown(model, time.monotonic), Form(topic, health)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        reading, reports = asyncio.create_task(topics.run()), asyncio.create_task(topic.run())
        reading.add_done_callback(_tell_failure)
        yield
        topics.reader.stop()
        reports.cancel()
        await asyncio.wait([reading], timeout=_STOP_SECONDS)
        topic.close(_STOP_SECONDS)
        health.close()

    server = FastAPI(openapi_url=None, lifespan=lifespan)

    def page(request: Request) -> None:
        ui.add_css(_STYLE)
        Board(shown, form, lambda: topics.reader.trouble, request.query_params)

    ui.page("/", title=TITLE, language="en-US")(page)
    ui.run_with(server, title=TITLE, favicon=_ICON, tailwind=False, dark=None, reconnect_timeout=_RECONNECT_SECONDS)
    token = settings.page.token
    return Guard(server, None if token is None else token.get_secret_value())


def _tell_failure(reading: "asyncio.Task[None]") -> None:
    if not reading.cancelled() and (error := reading.exception()) is not None:
        log.error("the topics are no longer read", exc_info=error)
