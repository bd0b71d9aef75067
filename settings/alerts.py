"""Alerts."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from settings.component import Component

REPLACED = {
    "ALERT_MAX_STARS": "stars <= 2",
    "ALERT_CLUB_STATUSES": "LOWER(club_status) IN ('platinum', 'gold')",
    "TEST_CHANNEL_PATTERN": "(channel IS NULL OR channel NOT ILIKE '%test%')",
}
"""Settings that rules have replaced, and what a rule says in their place."""


class Alerts(Component):
    """Ratings that make an alert."""

    rules: Path | None = Field(
        None,
        alias="ALERT_RULES",
        description="TOML file of alert rules, each an SQL condition and a topic. Unset: the rule about unhappy "
        "platinum customers",
    )


def check_replaced(environ: Iterable[str]) -> None:
    """Refuse a setting that rules have replaced.

    Raises:
        ValueError: the line says what to write instead.
    """
    for variable in environ:
        if condition := REPLACED.get(variable.removesuffix("_FILE")):
            raise ValueError(
                f"{variable} is replaced by the file of ALERT_RULES: write its condition there, as {condition}"
            )
