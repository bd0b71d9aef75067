"""HTTP/1.1 for the official client: connections that are kept alive, compressed bodies, and faults."""

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

from servers.embedded.elasticsearch.api import Answer, answer
from servers.embedded.elasticsearch.cluster import Cluster
from servers.embedded.elasticsearch.errors import Refused
from servers.embedded.elasticsearch.faults import Fault, Faults, Request, refusal

_MAX_BODY = 100 * 2**20
"""The real server's default of ``http.max_content_length``."""

_MEDIA_TYPES = ("json", "x-ndjson", "vnd.elasticsearch+json", "vnd.elasticsearch+x-ndjson")


class Server(ThreadingHTTPServer):
    """Serves a cluster on a free port of 127.0.0.1, and carries out one request at a time."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.faults: Faults | None = None
        self._cluster = cluster
        self._one_request = threading.Lock()
        self._one_fault = threading.Lock()
        self._connections: set[socket.socket] = set()

    def fault(self, request: Request) -> Fault:
        """The fault of a request."""
        with self._one_fault:
            return (self.faults(request) if self.faults else None) or Fault()

    def answer(self, method: str, target: str, body: bytes, fault: Fault) -> Answer:
        """Carry a request out, unless its fault is the answer."""
        try:
            if fault.status is not None:
                raise refusal(fault.status)
            with self._one_request:
                return answer(self._cluster, method, target, body, fault.items)
        except Refused as refused:
            return refused.status, refused.body()
        except Exception as error:  # a defect of the stand-in, or a body of an unforeseen shape
            traceback.print_exc(file=sys.stderr)
            return 500, Refused(500, "embedded_exception", f"{type(error).__name__}: {error}").body()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: D102
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: D102
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """Report an error, unless the client closed the connection."""
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc(file=sys.stderr)

    def close(self) -> None:
        """Stop listening and close all connections."""
        self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the client closed it
                continue


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the end of an answer waits 40 ms for an acknowledgement
    server: Server

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > _MAX_BODY:
            self.close_connection = True  # the body is not read
            self._send(413, None)
            return
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = _decompressed(body)
        media = self.headers.get("Content-Type", "")
        if body and media.partition(";")[0].strip().removeprefix("application/") not in _MEDIA_TYPES:
            self._send(406, {"error": f"Content-Type header [{media}] is not supported", "status": 406})
            return
        fault = self.server.fault(Request(self.command, urlsplit(self.path).path, body))
        if fault.delay:
            time.sleep(fault.delay)
        if fault.drop != "before":
            status, answered = self.server.answer(self.command, self.path, body, fault)
            if fault.drop is None:
                self._send(status, None if status == 413 else answered)
                return
        self.close_connection = True

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  # http.server's names

    def _send(self, status: int, answered: Any) -> None:
        body = b"" if answered is None else orjson.dumps(answered)
        self.send_response_only(status)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _decompressed(body: bytes) -> bytes:
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return b""  # refused as missing, as on the real server
