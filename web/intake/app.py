"""The application of the intake: paths, the guard, and what happens to a request."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import Counter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from settings import Intake
from web.intake import body, openapi
from web.intake.answers import KINDS, Accepted, Refusal, Refused, answer, refusal
from web.intake.health import Health
from web.intake.topic import Topic
from web.metrics import PATH, bears, metrics

_requests = Counter("intake_requests", "Requests to the intake by the status of their answer", ["status"])

log = logging.getLogger(__name__)

_STOP_SECONDS = 5.0


class Endpoints:
    """What is at each path."""

    def __init__(self, settings: Intake, health: Health, topic: Topic) -> None:
        self._settings, self._health, self._topic = settings, health, topic
        token = settings.token
        self._token = None if token is None else token.get_secret_value().encode()
        self._document, self._page = openapi.document(settings), openapi.page(settings)

    async def ratings(self, request: Request) -> Response:
        """Write the ratings of a request; answer once Kafka has them."""
        self._authorize(request)
        content = await self._read(request)
        ratings = body.read(content, self._settings.longest_list)
        if trouble := self._health.trouble:
            raise Refusal(Refused("kafka_away", trouble))
        return answer(Accepted(await self._topic.write(ratings)))

    async def healthz(self, _request: Request) -> Response:
        """Whether ratings can be written."""
        trouble = self._health.trouble
        return JSONResponse({"status": "ok"}) if trouble is None else refusal(Refused("kafka_away", trouble))

    async def metrics(self, request: Request) -> Response:
        """The metrics of the process, for Prometheus."""
        self._authorize(request)
        return metrics()

    async def document(self, _request: Request) -> Response:
        """The OpenAPI document."""
        return JSONResponse(self._document)

    async def page(self, _request: Request) -> Response:
        """The OpenAPI document for people."""
        return HTMLResponse(
            self._page, headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        )

    def _authorize(self, request: Request) -> None:
        if self._token is not None and not bears(request, self._token):
            raise Refusal(Refused("unauthorized", "send the token as Authorization: Bearer TOKEN"))

    async def _read(self, request: Request) -> bytes:
        kind, _, _ = request.headers.get("content-type", "").partition(";")
        if (
            kind.strip().lower() != "application/json"
            or request.headers.get("content-encoding", "identity") != "identity"
        ):
            reason = "send Content-Type: application/json, and no Content-Encoding"
            raise Refusal(Refused("unsupported_media_type", reason))
        most = self._settings.longest_body
        # uvicorn has refused a length that is no number.
        if int(request.headers.get("content-length", "0")) > most:
            raise _too_large(most)
        try:
            return await asyncio.wait_for(_read_up_to(request.receive, most), self._settings.client_seconds)
        except asyncio.TimeoutError:  # not the builtin one before Python 3.11
            reason = f"the body did not arrive within {self._settings.client_seconds:g} s"
            raise Refusal(Refused("slow_body", reason)) from None


def app(settings: Intake, health: Health, topic: Topic) -> ASGIApp:
    """The application; its end is that of the topic."""
    endpoints = Endpoints(settings, health, topic)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        reports = asyncio.create_task(topic.run())
        yield
        reports.cancel()
        if left := topic.close(_STOP_SECONDS):
            log.error("%d ratings without an answer were not acknowledged", left)
        health.close()

    routes = [
        Route("/ratings", endpoints.ratings, methods=["POST"]),
        Route("/healthz", endpoints.healthz),
        Route(PATH, endpoints.metrics),
        Route("/openapi.json", endpoints.document),
        Route("/docs", endpoints.page),
    ]
    return _Counted(
        Starlette(routes=routes, lifespan=lifespan, exception_handlers={Refusal: _refuse, HTTPException: _refuse_http})
    )


async def _read_up_to(receive: Receive, most: int) -> bytes:
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            # Nobody reads the answer.
            raise Refusal(Refused("incomplete_body", "the connection was closed within the body"))
        content += message["body"]
        if len(content) > most:
            raise _too_large(most)
        if not message["more_body"]:
            return bytes(content)


def _too_large(most: int) -> Refusal:
    return Refusal(Refused("body_too_large", f"the body has more than {most:,} bytes"))


async def _refuse(_request: Request, error: Any) -> Response:
    return refusal(error.refused)


async def _refuse_http(request: Request, error: Any) -> Response:
    kind = "method_not_allowed" if error.status_code == KINDS["method_not_allowed"].status else "not_found"
    return refusal(
        Refused(kind, f"{request.method} {request.url.path[:200]}: {KINDS[kind].meaning}"), dict(error.headers or {})
    )


class _Counted:
    """Counts the answers of an application by status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                _requests.labels(message["status"]).inc()
            await send(message)

        await self._app(scope, receive, counted)
