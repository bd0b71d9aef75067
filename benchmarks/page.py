"""What the live page costs with many pages open, at a steady rate of ratings."""

import asyncio
import re
import tempfile
import time
from argparse import Namespace
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

import socketio

from benchmarks.harness.usage import cpu_seconds, peak_megabytes
from demo.feed import Feed, Pace
from demo.page import Page
from demo.topics import ENRICHED, PARTITIONS
from records.customer import Customer
from records.enriched import Match, encode_matches
from records.rating import Rating
from servers.embedded.kafka import EmbeddedKafka

RATE = 1000
SECONDS = 30
PAGES = (0, 1, 20)
_CONNECT_SECONDS = 30


def compare(_options: Namespace) -> dict[str, Any]:
    """Print and return the CPU seconds a second of the page's process, for each number of open pages."""
    with EmbeddedKafka() as kafka, tempfile.TemporaryDirectory() as folder:
        for topic, partitions in PARTITIONS.items():
            kafka.create_topic(topic, partitions)
        with Page(kafka.bootstrap, Path(folder), ()) as page:
            return {"rate": RATE, "pages": asyncio.run(_measure(kafka.bootstrap, page))}


async def _measure(bootstrap: str, page: Page) -> list[dict[str, float]]:
    producing = asyncio.create_task(produce(bootstrap, RATE))
    print(f"{RATE:,} ratings/s\n{'open pages':>12}{'CPUs':>8}{'MiB':>8}{'updates/s a page':>18}", flush=True)
    found = []
    for pages in PAGES:
        visitors = [await _visit(page) for _ in range(pages)]
        await asyncio.sleep(2)
        cpu, began, before = cpu_seconds(page.pids), time.monotonic(), sum(one.updates for one in visitors)
        await asyncio.sleep(SECONDS)
        elapsed = time.monotonic() - began
        cpus = (cpu_seconds(page.pids) - cpu) / elapsed
        updates = (sum(one.updates for one in visitors) - before) / elapsed / pages if pages else 0.0
        peak = peak_megabytes(page.pids)
        print(f"{pages:12}{cpus:8.2f}{peak:8.0f}{updates:18.1f}", flush=True)
        found.append({"pages": pages, "cpus": cpus, "peak_megabytes": peak, "updates": updates})
        for one in visitors:
            await one.client.disconnect()
    shown = _shown_rate(await asyncio.to_thread(_get, page.url))
    if shown < RATE / 2:
        raise RuntimeError(f"the page shows {shown} ratings a second of {RATE}")
    producing.cancel()
    return found


def _shown_rate(html: str) -> float:
    found = re.search(r"Ratings a second\D+([\d,]+\.\d)", html)
    return float(found[1].replace(",", "")) if found else 0.0


async def produce(bootstrap: str, rate: float) -> None:
    """Write enriched ratings until it is cancelled."""
    pace, draw, number = Pace(rate), Random(1), count(1)
    with Feed(bootstrap) as feed:
        while True:
            for encoded in encode_matches([match(draw, next(number)) for _ in range(pace.due())]):
                feed.send(ENRICHED, (encoded.key or "").encode(), encoded.value)
            feed.poll()
            await asyncio.sleep(0.02)


def match(draw: Random, number: int) -> Match:
    """A rating of now, of one of 1,000 customers."""
    user, channel = draw.randrange(1000), draw.choice(("web", "ios", "iOS", "android"))
    rating = Rating(number, user, draw.randint(1, 4), 1, None, channel, "why is it so difficult to keep it clean ?")
    rating.rating_ts, rating.source_partition, rating.source_offset = time.time_ns() // 1_000_000, 0, number
    status, region = draw.choice(("gold", "silver", "platinum")), draw.choice(("EMEA", "AMER", "APAC"))
    return Match(rating, Customer("Ada", str(user), f"Ada {user}", f"{user}@example.com", status, region))


class _Visitor:
    """A page as a browser opens it, and the number of updates that came."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(reconnection=False)
        self.updates = 0
        self.client.on("update", self._count)

    def _count(self, _update: Any) -> None:
        self.updates += 1


async def _visit(page: Page) -> _Visitor:
    html = await asyncio.to_thread(_get, page.url)
    found = re.search(r"client_id[^0-9a-f]+([0-9a-f-]{36})", html)
    if found is None:
        raise RuntimeError("the page does not name its client")
    visitor = _Visitor()
    names = {
        "client_id": found[1],
        "next_message_id": 0,
        "implicit_handshake": "true",
        "document_id": "d",
        "tab_id": "t",
    }
    await visitor.client.connect(
        f"{page.url}?{urlencode(names)}",
        socketio_path="/_nicegui_ws/socket.io",
        transports=["websocket"],
        wait_timeout=_CONNECT_SECONDS,
    )
    return visitor


def _get(url: str) -> str:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=_CONNECT_SECONDS)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()
