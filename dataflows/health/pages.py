"""What the health page tells."""

import logging
import socket
from collections.abc import Callable
from dataclasses import asdict

import msgspec
from prometheus_client import Gauge

from dataflows import process
from dataflows.health import exposition
from dataflows.health.condition import Bounds, Seen, ending, unready
from dataflows.health.server import Page, Pages, PortError, Server
from dataflows.wiring.errors import StartupError
from settings.health import Health

log = logging.getLogger(__name__)

_port = Gauge("health_port", "Port of the health page of this process")

_JSON = "application/json"
_CONNECT_SECONDS = 1.0


def serve(settings: Health, look: Callable[[], Seen], bounds: Bounds) -> None:
    """Serve the pages until the process ends.

    Args:
        settings: where.
        look: what is known of the process at a time.
        bounds: what is too long.

    Raises:
        StartupError: no port can be listened on.
    """
    bytewax = exposition.bytewax_port()
    pages: Pages = {
        "/livez": lambda: alive(look(), bounds),
        "/readyz": lambda: ready(look(), bounds),
        "/status": lambda: status(look(), bounds),
        "/metrics": lambda: metrics(bytewax, server.port),
    }
    try:
        server = Server(settings.host, settings.port, pages)
    except PortError as error:
        raise StartupError(f"HEALTH_HOST and HEALTH_PORT: {error}") from None
    _port.set(server.port)
    server.start()
    if bytewax is not None and _answers(bytewax):
        log.warning("BYTEWAX_DATAFLOW_API_PORT %d is taken: Bytewax's own metrics are not shown", bytewax)
    is_other = settings.port not in {0, server.port}
    log.info("health page: %s:%d%s", settings.host, server.port, f", as {settings.port} is taken" if is_other else "")


def alive(seen: Seen, bounds: Bounds) -> Page:
    """``/livez``: 200, or 503 if the process must end."""
    end = ending(seen, bounds)
    return _json(503, {"alive": False, "why": end.why}) if end and end.code else _json(200, {"alive": True})


def ready(seen: Seen, bounds: Bounds) -> Page:
    """``/readyz``: 200 if every part is, else 503; each part with the reason why it is not."""
    parts = unready(seen, bounds)
    is_ready = not any(parts.values())
    return _json(
        200 if is_ready else 503, {"ready": is_ready, "parts": {part: why or "ok" for part, why in parts.items()}}
    )


def status(seen: Seen, bounds: Bounds) -> Page:
    """``/status``: all that the process knows of itself."""
    launch = process.launch()
    content = {"process": launch.process, "processes": launch.processes, "workers": launch.workers}
    return _json(200, {**content, "seen": asdict(seen), "bounds": asdict(bounds)})


def metrics(bytewax: int | None, port: int) -> Page:
    """``/metrics``: those of this process, with Bytewax's if its server has the port ``bytewax``."""
    return Page(200, exposition.CONTENT_TYPE, exposition.metrics(bytewax, f"health_port {float(port)}"))


def _answers(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(_CONNECT_SECONDS)
        return client.connect_ex(("127.0.0.1", port)) == 0


def _json(code: int, content: object) -> Page:
    return Page(code, _JSON, msgspec.json.encode(content).decode() + "\n")
