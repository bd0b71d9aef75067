"""Serve the live page: what the flow's topics and metrics say, for people. The settings are environment variables."""

import sys
from typing import Any

from settings import Settings
from web.page.app import app
from web.page.model import Model
from web.serve import Served, main

_OPTIONS = {"limit_concurrency": 500, "timeout_graceful_shutdown": 5}


def make(settings: Settings, properties: dict[str, Any]) -> Served:
    """The page."""
    properties["group.id"] = f"{settings.kafka.group_id}-page"
    return Served(app(settings, properties, Model(settings.page.minutes)), _OPTIONS)


if __name__ == "__main__":
    sys.exit(main("web", __doc__, "page", make))
