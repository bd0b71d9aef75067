"""A stand-in for Slack over HTTP: posting by a bot's token or by a webhook, a channel's history, and faults."""

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

from typing_extensions import Self

TOKEN = "xoxb-embedded"  # noqa: S105
CHANNEL = "C0EMBEDDED"

_PAGE = 100
_TEXT, _SECTION, _FIELD, _HEADER, _BLOCKS, _FIELDS = 40_000, 3000, 2000, 150, 50, 10


class Posted(NamedTuple):
    """A message that arrived."""

    at: float
    """Epoch seconds."""
    channel: str
    """Its id; empty by a webhook."""
    id: str
    """Of its metadata, or of the header ``Idempotency-Key``."""
    body: dict[str, Any]


class Call(NamedTuple):
    """A request, about to be carried out."""

    method: str
    """``chat.postMessage``, ``conversations.history``, ``webhook`` or ``hook``."""
    body: dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request.

    Args:
        delay: seconds until it is looked at.
        drop: close the connection without an answer, before or after the request is carried out.
        status: answer with this status, and do not carry it out.
        error: the error of the API, or the text of a webhook's answer.
        headers: of the answer.
    """

    delay: float = 0.0
    drop: Literal["before", "after"] | None = None
    status: int = 200
    error: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Headers = Message
"""The headers of a request, by names in any case."""

Faults = Callable[[Call], Fault | None]


class _Answer(NamedTuple):
    status: int
    content: str | dict[str, Any]


class EmbeddedSlack:
    """A Slack of one workspace, at a free port of 127.0.0.1, until ``close``.

    It knows the token ``TOKEN`` and the channels of ``channels``, by name and id. It refuses what Slack would refuse of
    a message's length and blocks. It never recognises a message that comes twice.
    """

    def __init__(self, keep: int = 50_000) -> None:
        self.channels = {CHANNEL: CHANNEL, "#alerts": CHANNEL}
        """Ids by id and name."""
        self.archived = set[str]()
        self.scopes = {"chat:write", "channels:history"}
        self.faults: Faults | None = None
        self.posted: deque[Posted] = deque(maxlen=keep)
        """The newest messages."""
        self.count = 0
        """All messages that were ever posted."""
        self.calls: deque[Call] = deque(maxlen=keep)
        """The newest requests, refused ones included."""
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return f"{self.address}/api/"

    @property
    def webhook_url(self) -> str:
        """The address of an incoming webhook."""
        return f"{self.address}/services/T0/B0/secret"

    @property
    def hook_url(self) -> str:
        """An address that takes any JSON: no part of Slack."""
        return f"{self.address}/hook"

    def close(self) -> None:
        """Close it; a second call does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def answer(self, method: str, headers: Headers, body: dict[str, Any]) -> _Answer:
        """Carry out a request."""
        with self._lock:
            if method == "hook":
                self._post("", headers.get("Idempotency-Key") or "", body)
                return _Answer(200, "")
            if method == "webhook":
                if error := _fault_of(body):
                    return _Answer(400, error)
                self._post("", "", body)
                return _Answer(200, "ok")
            return _Answer(200, self._api(method, headers, body))

    def _api(self, method: str, headers: Headers, body: dict[str, Any]) -> dict[str, Any]:
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return _error("invalid_auth" if "Authorization" in headers else "not_authed")
        channel = self.channels.get(str(body.get("channel")))
        if method == "conversations.history":
            if "channels:history" not in self.scopes:
                return _error("missing_scope")
            if channel != body.get("channel"):  # by id only
                return _error("channel_not_found")
            return self._history(body)
        if method != "chat.postMessage":
            return _error("unknown_method")
        if channel is None:
            return _error("channel_not_found")
        if channel in self.archived:
            return _error("is_archived")
        if error := _fault_of(body):
            return _error(error)
        payload = (body.get("metadata") or {}).get("event_payload") or {}
        at = self._post(channel, str(payload.get("id", "")), body)
        return {"ok": True, "channel": channel, "ts": f"{at:.6f}", "message": {"text": body.get("text")}}

    def _post(self, channel: str, id_: str, body: dict[str, Any]) -> float:
        at = time.time()
        self.posted.append(Posted(at, channel, id_, body))
        self.count += 1
        return at

    def _history(self, body: dict[str, Any]) -> dict[str, Any]:
        oldest, begin = float(body.get("oldest") or 0), int(body.get("cursor") or 0)
        page = min(int(body.get("limit") or _PAGE), 999)
        told = [one for one in reversed(self.posted) if one.channel == body["channel"] and one.at >= oldest]
        messages = [
            {"type": "message", "text": one.body.get("text"), "ts": f"{one.at:.6f}"}
            | ({"metadata": one.body.get("metadata")} if body.get("include_all_metadata") in {"1", "true"} else {})
            for one in told[begin : begin + page]
        ]
        more = len(told) > begin + page
        return {
            "ok": True,
            "messages": messages,
            "has_more": more,
            "response_metadata": {"next_cursor": str(begin + page) if more else ""},
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of 5, as by default, a burst of connections has some reset

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is none."""


def _error(code: str) -> dict[str, Any]:
    return {"ok": False, "error": code}


def _fault_of(body: dict[str, Any]) -> str | None:
    """Why Slack would refuse a message."""
    text, blocks = body.get("text"), body.get("blocks") or []
    if not text and not blocks:
        return "no_text"
    if len(text or "") > _TEXT:
        return "msg_too_long"
    if len(blocks) > _BLOCKS or not all(map(_is_block, blocks)):
        return "invalid_blocks"
    return None


def _is_block(block: dict[str, Any]) -> bool:
    kind = block.get("type")
    if kind == "header":
        return block["text"]["type"] == "plain_text" and 0 < len(block["text"]["text"]) <= _HEADER
    if kind == "context":
        return 0 < len(block["elements"]) <= _FIELDS and all(
            0 < len(one["text"]) <= _SECTION for one in block["elements"]
        )
    texts, fields = [block["text"]] if "text" in block else [], block.get("fields", [])
    if kind != "section" or not (texts or fields) or len(fields) > _FIELDS:
        return False
    return all(0 < len(one["text"]) <= _SECTION for one in texts) and all(
        0 < len(one["text"]) <= _FIELD for one in fields
    )


def _handler(slack: EmbeddedSlack) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        disable_nagle_algorithm = True  # an answer is two writes: the second would wait 40 ms

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            return

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = self.headers.get("Content-Type") or ""
            first, _, rest = self.path.lstrip("/").partition("/")
            method = {"services": "webhook", "hook": "hook"}.get(first, rest.partition("?")[0])
            is_json = kind.startswith("application/json")
            body = json.loads(raw) if is_json else dict(parse_qsl(raw.decode()))
            call = Call(method, body)
            slack.calls.append(call)
            fault = (slack.faults(call) if slack.faults else None) or Fault()
            time.sleep(fault.delay)
            if fault.drop == "before":
                return self._drop()
            if fault.status != 200 or fault.error is not None:
                webhook = method in {"webhook", "hook"}
                error = fault.error or ""
                return self._send(fault.status, fault.headers, error if webhook else _error(error))
            if not is_json and method != "conversations.history":
                return self._send(200, {}, _error("invalid_post_type"))
            answer = slack.answer(method, self.headers, body)
            return self._drop() if fault.drop == "after" else self._send(answer.status, {}, answer.content)

        def _send(self, status: int, headers: Mapping[str, str], content: str | dict[str, Any]) -> None:
            encoded = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "text/html" if isinstance(content, str) else "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def _drop(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    return Handler
