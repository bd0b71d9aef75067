"""A server for a few pages without parameters, in threads of the process that it tells of."""

import errno
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple, cast

from typing_extensions import override

log = logging.getLogger(__name__)

_TRIES = 100
_CLIENT_SECONDS = 5.0
"""To wait for a client's next byte, or for it to take some."""
_REQUEST_SECONDS = 10.0
"""For a request and its answer in all."""
_MOST_CLIENTS = 16


class Page(NamedTuple):
    """What is answered."""

    status: int
    content_type: str
    body: str


Pages = Mapping[str, Callable[[], Page]]
"""By path."""


class PortError(OSError):
    """No port can be listened on; the message is one line."""


class Server(socketserver.ThreadingTCPServer):
    """Listens from the start on, and answers after ``start``.

    Args:
        host: a name or an address.
        port: if it is taken, one of the next hundred; 0: any free port.
        pages: what is served.

    Raises:
        PortError: none can be listened on.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        self.pages = pages
        self._clients = threading.BoundedSemaphore(_MOST_CLIENTS)
        for candidate in range(port, min(port + _TRIES, 65_536) if port else 1):
            try:
                family, _, _, _, address = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
                self.address_family = family
                super().__init__(cast("tuple[str, int]", address[:2]), _Client)
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise PortError(f"{host}:{candidate} cannot be listened on: {error.strerror}") from None
        else:
            raise PortError(f"the ports {port} to {candidate} of {host} are all taken")

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Answer until the process ends."""
        threading.Thread(target=self.serve_forever, name="health", daemon=True).start()

    @override
    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Answer in a thread; a client too many is hung up on."""
        if not self._clients.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    @override
    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        deadline = threading.Timer(_REQUEST_SECONDS, _hang_up, [request])
        deadline.daemon = True
        deadline.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            deadline.cancel()
            self._clients.release()

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, or sends no request in time, is no news."""
        log.debug("health page: a client was not answered", exc_info=True)


def _hang_up(client: socket.socket) -> None:
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


class _Client(BaseHTTPRequestHandler):
    timeout = _CLIENT_SECONDS
    server: Server

    def do_GET(self) -> None:
        make = self.server.pages.get(self.path.partition("?")[0])
        try:
            page = make() if make else Page(404, "text/plain", f"there are {', '.join(self.server.pages)}\n")
        except Exception as error:
            log.exception("health page: %s", self.path)
            page = Page(500, "text/plain", f"{type(error).__name__}\n")
        body = page.body.encode()
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: probes come every few seconds."""
