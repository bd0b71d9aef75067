"""Who may see the page: requests from other sites, and people without the token, may not."""

import asyncio
import hmac
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.metrics import PATH, bears

_COOKIE = "page"
_MOST_BYTES = 4096
_WRONG_SECONDS = 1.0

_HEADERS = {
    # NiceGUI's page has scripts in it. Nothing is loaded from elsewhere, nor sent there.
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval'; img-src 'self' data:; "
    "frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_HEALTH = "/healthz"
_ALIVE = JSONResponse({"status": "ok"})
_ASKS = Path(__file__).with_name("login.html").read_text()


class Guard:
    """Lets a request through to the application if it may.

    - Without a token, the page must have been asked for by a name of this machine: another site could have its own name
      lead here, and read along.
    - With a token, a browser needs the cookie that it gets for it.
    - A websocket must be opened by the page itself.
    - A probe may ask ``/healthz``: the answer says only that the process serves.
    - Prometheus gives the token as ``Authorization: Bearer TOKEN``, for the metrics alone.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app, self._token = app, token
        self._cookie = None if token is None else sha256(token.encode()).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] == _HEALTH:
            await _ALIVE(scope, receive, send)
            return
        refused = self._refusal(HTTPConnection(scope))
        if refused is None:
            await self._app(scope, receive, _with_headers(send) if scope["type"] == "http" else send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif self._token is not None and scope["path"] == "/login" and scope["method"] == "POST":
            await (await self._log_in(Request(scope, receive), self._token))(scope, receive, _with_headers(send))
        else:
            await refused(scope, receive, _with_headers(send))

    def _refusal(self, connection: HTTPConnection) -> Response | None:
        host = connection.headers.get("host", "")
        origin = connection.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return Response("another site asked for it\n", 403)
        if self._token is None or self._cookie is None:
            return None if _is_here(host) else Response("ask for it as 127.0.0.1, or localhost\n", 403)
        if hmac.compare_digest(connection.cookies.get(_COOKIE, "").encode(), self._cookie.encode()):
            return None
        if connection.scope["path"] == PATH:
            if bears(connection, self._token.encode()):
                return None
            return Response("send the token as Authorization: Bearer TOKEN\n", 401, {"WWW-Authenticate": "Bearer"})
        return HTMLResponse(_ASKS, 401)

    async def _log_in(self, request: Request, token: str) -> Response:
        content = b""
        async for part in request.stream():
            content += part
            if len(content) > _MOST_BYTES:
                return Response("too long\n", 413)
        given = parse_qs(content.decode(errors="replace")).get("token", [""])[0]
        if not hmac.compare_digest(given.encode(), token.encode()):
            await asyncio.sleep(_WRONG_SECONDS)
            return HTMLResponse(_ASKS, 401)
        response = RedirectResponse("/", 303)
        response.set_cookie(_COOKIE, self._cookie or "", httponly=True, samesite="strict")
        return response


def _is_here(host: str) -> bool:
    """Whether a host, as a request names it, is this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_HEADERS)
        await send(message)

    return sending
