"""HTTP/1.1 for the official client: kept-alive connections, compressed bodies, its media types; and the faults."""

import gzip
import socket
import sys
import threading
import time
import traceback
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import orjson

from servers.embedded.elasticsearch.cluster import Cluster
from servers.embedded.elasticsearch.errors import Refused
from servers.embedded.elasticsearch.faults import Fault, Faults, Request, refusal
from servers.embedded.elasticsearch.handlers import ROUTES
from servers.embedded.elasticsearch.paths import only
from servers.embedded.elasticsearch.routing import Unroutable, find

_MAX_BODY = 100 * 2**20
"""``http.max_content_length``, as the real server has it by default."""

_MEDIA_TYPES = ("json", "x-ndjson", "vnd.elasticsearch+json", "vnd.elasticsearch+x-ndjson")


class Server(ThreadingHTTPServer):
    """Serves one cluster on a free port of 127.0.0.1; one request at a time is carried out."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.cluster = cluster
        self.faults: Faults | None = None
        self._one_request = threading.Lock()
        self._one_fault = threading.Lock()
        self._connections: set[socket.socket] = set()

    def fault(self, request: Request) -> Fault:
        """Ask what goes wrong with a request."""
        with self._one_fault:
            return (self.faults(request) if self.faults else None) or Fault()

    def answer(self, method: str, target: str, body: bytes, fault: Fault) -> tuple[int, Any]:
        """Carry a request out: the status and the body of its answer."""
        try:
            handler, call = find(ROUTES, method, target, body, fault.items)
            with self._one_request:
                status, answer = handler(self.cluster, call)
        except Refused as refused:
            return refused.status, refused.body()
        except Unroutable as error:
            return error.status, error.body()
        except Exception as error:  # a fault of ours, or a body of another shape than we thought of
            traceback.print_exc(file=sys.stderr)
            return 500, Refused(500, "embedded_exception", f"{type(error).__name__}: {error}").body()
        patterns = call.parameters.get("filter_path")
        return status, only(answer, patterns.split(",")) if patterns else answer

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: D102
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: D102
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """A client that has gone is no error of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc(file=sys.stderr)

    def close(self) -> None:
        """Stop listening and close all connections, also those that are kept alive."""
        self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the client was first
                continue


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the end of an answer waits 40 ms for an acknowledgement
    server: Server

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > _MAX_BODY:
            self.close_connection = True  # what it sends is not read
            self._send(413, None)
            return
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = _decompressed(body)
        if problem := self._media_type_problem(body):
            self._send(*problem)
            return
        request = Request(self.command, urlsplit(self.path).path, body)
        fault = self.server.fault(request)
        if fault.delay:
            time.sleep(fault.delay)
        if fault.drop != "before":
            if fault.status is None:
                status, answer = self.server.answer(self.command, self.path, body, fault)
            else:
                status, answer = fault.status, refusal(fault.status).body()
            if fault.drop is None:
                self._send(status, None if status == 413 else answer)
                return
        self.close_connection = True

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  # http.server's names

    def _media_type_problem(self, body: bytes) -> tuple[int, Any] | None:
        media = self.headers.get("Content-Type", "")
        kind = media.partition(";")[0].strip().removeprefix("application/")
        if body and kind not in _MEDIA_TYPES:
            return 406, {"error": f"Content-Type header [{media}] is not supported", "status": 406}
        if "compatible-with=9" in media.replace(" ", "") + self.headers.get("Accept", "").replace(" ", ""):
            reason = "Invalid media-type value on headers [Content-Type, Accept]"
            return 400, Refused(400, "media_type_header_exception", reason).body()
        return None

    def _send(self, status: int, answer: Any) -> None:
        body = b"" if answer is None else orjson.dumps(answer)
        accepted = self.headers.get("Accept", "")
        compatible = "compatible-with=8" in accepted.replace(" ", "")
        self.send_response_only(status)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        media = "application/vnd.elasticsearch+json;compatible-with=8" if compatible else "application/json"
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="security", charset="UTF-8"')
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _decompressed(body: bytes) -> bytes:
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return b""  # which is refused as missing, as the real server does
