"""The health of the flows: looked at again and again, outside of the event loop."""

import asyncio
import logging
from typing import Any

from monitoring.flows import overview
from monitoring.lag import Groups
from monitoring.look import GUESSES, Lookout
from monitoring.model import Overview
from settings import Settings

log = logging.getLogger(__name__)

_REST_SECONDS = 2.0


class FlowHealth:
    """What was last seen of the flows.

    Raises:
        KafkaException: librdkafka refuses the properties.
    """

    def __init__(self, settings: Settings, properties: dict[str, Any]) -> None:
        urls, names = settings.status.urls, settings.topics
        expected = {settings.kafka.group_id: [names.ratings, names.customers]}
        self._lookout = Lookout(urls or GUESSES, Groups(properties), expected, guessed=not urls)
        self._still = settings.status.still
        self.overview: Overview | None = None
        """None: nothing has been seen yet."""

    async def run(self) -> None:
        """Look until it is cancelled."""
        before = await asyncio.to_thread(self._lookout.look)
        while True:
            await asyncio.sleep(_REST_SECONDS)
            now = await asyncio.to_thread(self._lookout.look)
            self.overview = overview(before, now, self._still)
            before = now
