"""The live page after a day: its memory while 24 hours of ratings come, and how long it takes to draw itself anew."""

import asyncio
import logging
import time
from argparse import Namespace
from collections.abc import Iterator
from random import Random
from statistics import median
from typing import Any

import uvicorn
from playwright.async_api import Page, async_playwright

from benchmarks.harness.usage import resident_megabytes
from benchmarks.page import match, produce
from demo.topics import PARTITIONS
from records.enriched import EnrichedRating, enrich
from servers.chromium import CHROMIUM
from servers.embedded.kafka import EmbeddedKafka
from settings import Settings
from web.listen import address, listen
from web.page.app import app
from web.page.model import Model

RATE = 100
HOURS = 24
_MINUTES = HOURS * 60
_SHOWN_HOURS = 4
WATCHED_SECONDS = 30
_LAG_SECONDS = 0.002
_WAIT_MILLISECONDS = 60_000
_SHOWN_RATINGS = 40

_LONGEST_PAUSE_OF_FRAMES = """() => new Promise(done => {
    const began = performance.now();
    let last = began, longest = 0;
    const frame = () => {
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
        if (now - began < 1000) requestAnimationFrame(frame); else done(longest);
    };
    requestAnimationFrame(frame);
})"""
"""Of a second: milliseconds. A frame comes each 17 ms, and later only if the browser has something to do."""


class _Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def compare(_options: Namespace) -> dict[str, Any]:
    """Print and return the memory by the hour, and the longest work of process and browser for one update."""
    model = Model(_MINUTES)
    memory = _fill(model)
    with EmbeddedKafka() as kafka:
        for topic, partitions in PARTITIONS.items():
            kafka.create_topic(topic, partitions)
        repaint = asyncio.run(_watch(model, kafka.bootstrap))
    print(f"{'longest work of a second, ms':30}{'median':>8}{'most':>8}")
    for name, found in repaint.items():
        print(f"{name.removesuffix('_ms'):30}{median(found):8.0f}{max(found):8.0f}")
    return {"rate": RATE, "ratings": model.total, "megabytes": memory, **repaint}


def _fill(model: Model) -> list[float]:
    """Give a day's ratings to the model, as fast as it takes them."""
    clock, draw, memory = _Clock(time.time() - HOURS * 3600), Random(1), []
    model.clock = clock
    print(f"{RATE:,} ratings/s, a day of them in a few minutes\n{'hour':>6}{'ratings':>12}{'MiB':>8}", flush=True)
    for second in range(HOURS * 3600):
        clock.now += 1
        model.take_ratings(_ratings(draw, second * RATE, clock.now))
        if (second + 1) % 3600 == 0:
            memory.append(resident_megabytes())
            if (hour := len(memory)) == 1 or hour % _SHOWN_HOURS == 0:
                print(f"{hour:6}{model.total:12,}{memory[-1]:8.0f}", flush=True)
    model.clock = time.time
    return memory


def _ratings(draw: Random, first: int, now: float) -> Iterator[tuple[EnrichedRating, int]]:
    at = int(now * 1000)
    for number in range(first, first + RATE):
        rating = enrich(match(draw, number))
        rating.rating_ts = at
        yield rating, at + 1


async def _watch(model: Model, bootstrap: str) -> dict[str, list[float]]:
    """Serve the page from the model, open it in a browser, and let ratings come."""
    settings = Settings.load({"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "PAGE_MINUTES": str(_MINUTES)})
    logger = logging.getLogger("librdkafka")
    logger.setLevel(logging.CRITICAL)
    served = app(settings, {**settings.properties, "logger": logger}, model)
    listener = listen("127.0.0.1", 0, "PAGE")
    server = uvicorn.Server(uvicorn.Config(served, log_level="error"))
    serving = asyncio.create_task(server.serve([listener]))
    producing = asyncio.create_task(produce(bootstrap, RATE))
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = await browser.new_page(viewport={"width": 1440, "height": 1000})
            await page.goto(address(listener), timeout=_WAIT_MILLISECONDS)
            await page.locator(".feed li").nth(_SHOWN_RATINGS).wait_for(timeout=_WAIT_MILLISECONDS)
            found = await _longest(page)
            await browser.close()
    finally:
        producing.cancel()
        server.should_exit = True
        await serving
    return found


async def _longest(page: Page) -> dict[str, list[float]]:
    """How long the event loop of the process, and the main thread of the browser, did one thing: the page's update."""
    in_process, in_browser = [], []
    for _ in range(WATCHED_SECONDS):
        watching = asyncio.create_task(page.evaluate(_LONGEST_PAUSE_OF_FRAMES))
        longest = 0.0
        while not watching.done():
            began = time.perf_counter()
            await asyncio.sleep(_LAG_SECONDS)
            longest = max(longest, time.perf_counter() - began - _LAG_SECONDS)
        in_process.append(longest * 1000)
        in_browser.append(await watching)
    return {"process_ms": in_process, "browser_ms": in_browser}
