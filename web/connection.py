"""Connections of clients, with a bound on their number and a deadline for each wait for a client."""

import asyncio

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_MAX_PIPELINED = 100
_REASON = b'{"error":"too_many_connections","reason":"there are too many connections: connect again later"}'
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"Retry-After: 1\r\nConnection: close\r\n\r\n%s" % (len(_REASON), _REASON)
)


def bounded(max_connections: int, seconds: float) -> type[HttpToolsProtocol]:
    """The protocol for uvicorn's ``http``.

    uvicorn limits how long an idle connection stays, and nothing else. This protocol closes a connection whose request
    has no complete headers ``seconds`` after the connection or the last answer, and one whose client does not read its
    answer for as long. The body is the application's to wait for.
    """

    class Bounded(HttpToolsProtocol):
        deadline: asyncio.TimerHandle | None = None
        running: RequestResponseCycle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
            super().connection_made(transport)
            self.set_deadline()
            if len(self.connections) > max_connections:
                transport.write(_FULL)
                transport.close()

        def on_headers_complete(self) -> None:
            self.clear_deadline()
            # Answers are written in the order of the requests, so requests behind one that waits are kept.
            if len(self.pipeline) >= _MAX_PIPELINED:
                self.transport.abort()
                return
            super().on_headers_complete()

        def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
            self.running = cycle
            super()._start_asgi_task(cycle, app)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.cycle.response_complete or self.transport.is_closing():
                self.set_deadline()

        def pause_writing(self) -> None:
            super().pause_writing()
            self.set_deadline()

        def resume_writing(self) -> None:
            super().resume_writing()
            self.clear_deadline()

        def connection_lost(self, exc: Exception | None) -> None:
            self.clear_deadline()
            super().connection_lost(exc)
            # uvicorn tells only the last request of a pipeline that nobody reads its answer.
            if self.running is not None:
                self.running.disconnected = True

        def set_deadline(self) -> None:
            self.clear_deadline()
            # close() would wait for the client to read what is written.
            self.deadline = self.loop.call_later(seconds, self.transport.abort)

        def clear_deadline(self) -> None:
            if self.deadline is not None:
                self.deadline.cancel()
                self.deadline = None

    return Bounded
