"""Connections of clients, with a bound on their number and a deadline for each wait for a client."""

import asyncio
from collections.abc import Callable

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_MAX_PIPELINED = 100
_MAX_HEAD_BYTES = 64 << 10
_REASON = b'{"error":"too_many_connections","reason":"there are too many connections: connect again later"}'
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"Retry-After: 1\r\nConnection: close\r\n\r\n%s" % (len(_REASON), _REASON)
)


class _Deadline:
    """Calls a function after some seconds, unless it is cleared before."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, act: Callable[[], None]) -> None:
        self._loop, self._seconds, self._act = loop, seconds, act
        self._handle: asyncio.TimerHandle | None = None

    def set(self) -> None:
        self.clear()
        self._handle = self._loop.call_later(self._seconds, self._act)

    def clear(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def bounded(max_connections: int, max_bytes: int, seconds: float) -> type[HttpToolsProtocol]:
    """The protocol for uvicorn's ``http``.

    uvicorn limits how long an idle connection stays, and nothing else. This protocol closes a connection whose request
    has no complete headers ``seconds`` after the connection or the last answer, and one whose client does not read its
    answer for as long. The body is the application's to wait for.

    Args:
        max_connections: One more is answered with 503 and closed.
        max_bytes: Of a request with everything around its body. The connection is closed above it, and above 64 KiB of
            headers.
        seconds: The deadline of each wait.
    """

    class Bounded(HttpToolsProtocol):
        headers_due: _Deadline
        reading_due: _Deadline
        running: RequestResponseCycle | None = None
        in_head, received = False, 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
            super().connection_made(transport)
            # abort(), since close() would wait for the client to read what is written.
            self.headers_due = _Deadline(self.loop, seconds, transport.abort)
            self.reading_due = _Deadline(self.loop, seconds, transport.abort)
            self.headers_due.set()
            if len(self.connections) > max_connections:
                transport.write(_FULL)
                transport.close()

        def data_received(self, data: bytes) -> None:
            self.received += len(data)
            super().data_received(data)
            if self.received > (_MAX_HEAD_BYTES if self.in_head else max_bytes):
                self.transport.abort()

        def on_message_begin(self) -> None:
            self.in_head, self.received = True, 0
            super().on_message_begin()

        def on_header(self, name: bytes, value: bytes) -> None:
            if self.in_head:  # not a trailer, which would come when the headers are in use
                super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self.headers_due.clear()
            self.in_head = False
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
                self.headers_due.set()

        def pause_writing(self) -> None:
            super().pause_writing()
            self.reading_due.set()

        def resume_writing(self) -> None:
            super().resume_writing()
            self.reading_due.clear()

        def connection_lost(self, exc: Exception | None) -> None:
            self.headers_due.clear()
            self.reading_due.clear()
            super().connection_lost(exc)
            # uvicorn tells only the last request of a pipeline that nobody reads its answer.
            if self.running is not None:
                self.running.disconnected = True

    return Bounded
