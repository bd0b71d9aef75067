"""The application of the page: what it reads, while it runs, and the page itself."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from nicegui import Client, ui
from prometheus_client import Gauge
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from settings import Settings
from web.intake.health import Health
from web.intake.topic import Topic
from web.metrics import PATH, metrics
from web.page.board import Board
from web.page.form import Form
from web.page.guard import Guard
from web.page.health import FlowHealth
from web.page.model import Model
from web.page.sight import Sight
from web.page.topics import Topics

log = logging.getLogger(__name__)

_open = Gauge("page_open", "Pages that are open in browsers")
_reading = Gauge("page_reading", "Whether all topics of the page are read: 1 is, 0 is not, as when one is missing")

TITLE = "Flight ratings, live"

_STOP_SECONDS = 5.0
_RECONNECT_SECONDS = 30.0
"""A page that lost its connection goes on if it comes back within them; later it is loaded again."""
_STYLE = Path(__file__).with_name("style.css")
_ICON = "\N{WHITE MEDIUM STAR}"


def app(settings: Settings, properties: dict[str, Any], model: Model) -> ASGIApp:
    """The application.

    Args:
        settings: of the flow and of the page.
        properties: of librdkafka.
        model: takes what comes.

    Raises:
        KafkaException: librdkafka refuses the properties.
    """
    intake, ratings = settings.intake, settings.topics.ratings
    topics = Topics(settings, properties, model)
    producing = {name: value for name, value in properties.items() if name != "group.id"}
    topic = Topic(ratings, producing, intake.queue_ratings, intake.queue_bytes, intake.delivery_seconds, lambda: None)
    health = Health(ratings, producing)
    sight = Sight(model, topics.reader, FlowHealth(settings, properties))
    form = Form(topic, health)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        gc.collect()
        gc.freeze()  # a collection of all that is imported would hold up every page
        reading = asyncio.create_task(topics.run())
        others = [asyncio.create_task(topic.run()), asyncio.create_task(sight.health.run())]
        for task in (reading, *others):
            task.add_done_callback(_tell_failure)
        yield
        topics.reader.stop()
        for task in others:
            task.cancel()
        await asyncio.wait([reading], timeout=_STOP_SECONDS)
        topic.close(_STOP_SECONDS)
        health.close()

    server = FastAPI(openapi_url=None, lifespan=lifespan)

    def page(request: Request) -> None:
        ui.add_css(_STYLE)
        Board(sight, form, request.query_params)

    async def tell() -> Response:
        return metrics()

    _open.set_function(lambda: sum(client.has_socket_connection for client in Client.instances.values()))
    _reading.set_function(lambda: topics.reader.trouble is None)
    server.get(PATH)(tell)
    ui.page("/", title=TITLE, language="en-US")(page)
    ui.run_with(server, title=TITLE, favicon=_ICON, tailwind=False, dark=None, reconnect_timeout=_RECONNECT_SECONDS)
    token = settings.page.token
    return Guard(server, None if token is None else token.get_secret_value())


def _tell_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a part of the page stands still", exc_info=error)
