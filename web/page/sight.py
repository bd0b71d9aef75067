"""What all pages share: what came from the topics, the figures of each choice, and the health of the flows."""

import time

from web.page.choice import Group
from web.page.figures import Figures, figures
from web.page.health import FlowHealth
from web.page.model import Model
from web.page.reader import Reader

_FRESH_SECONDS = 0.9
"""Pages look once a second: those with the same filters share their figures."""
_MOST_CHOICES = 100


class Sight:
    """What pages are drawn from."""

    def __init__(self, model: Model, reader: Reader, health: FlowHealth) -> None:
        self.model, self.reader, self.health = model, reader, health
        self._kept: dict[Group, tuple[float, Figures]] = {}

    def figures(self, choice: Group) -> Figures:
        """The figures of a choice, computed at most once a second whatever the number of pages."""
        now = time.monotonic()
        at, kept = self._kept.get(choice, (0.0, None))
        if kept is not None and now - at < _FRESH_SECONDS:
            return kept
        if len(self._kept) >= _MOST_CHOICES:
            self._kept.clear()
        fresh = figures(self.model, choice)
        self._kept[choice] = now, fresh
        return fresh
