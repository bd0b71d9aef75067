"""An alert: what is told of a rating that met a rule."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from records.columns import COLUMNS
from records.enriched import Encoded, Match

IDENTITY = ("rating_id", "rating_ts", "source_partition", "source_offset", "rule")
"""The fields that every alert holds: its rating, where that was read, and the rule that it met."""

DEFAULT_COLUMNS = ("user_id", "full_name", "email", "club_status", "stars", "channel", "message")
"""The columns that an alert holds besides, unless its rule says otherwise."""

FIRST_RULE = "unhappy-platinum"
"""The rule of an alert that names none: it was written before there were several."""


class EncodedAlert(Encoded, gc=False):
    """An alert in JSON."""

    rule: str

    @property
    def document_id(self) -> str:
        """The id in a search index: a rating that meets two rules is two documents."""
        return str(self.rating_id) if self.rule == FIRST_RULE else f"{self.rating_id}-{self.rule}"


def encoder(rule: str, columns: Sequence[str]) -> Callable[[Sequence[Match]], list[EncodedAlert]]:
    """A function that makes alerts of ratings that met a rule.

    Args:
        rule: Its name, the last field of an alert.
        columns: The columns that an alert holds besides its identity, in order.
    """
    names = ["rating_id", *columns, "rating_ts", "source_partition", "source_offset"]
    sources = {column.name: column.source for column in COLUMNS}
    fields = attrgetter(*(sources[name] for name in names))
    alert: Callable[..., Any] = msgspec.defstruct("Alert", [*names, "rule"], gc=False)
    encode = msgspec.json.Encoder().encode

    def encode_alerts(matches: Sequence[Match]) -> list[EncodedAlert]:
        return [
            EncodedAlert(
                str((rating := match.rating).user_id),
                encode(alert(*fields(match), rule)),
                None,
                rating.source_partition,
                rating.source_offset,
                rating.rating_ts,
                rating.rating_id,
                rule,
            )
            for match in matches
        ]

    return encode_alerts


class _Identity(msgspec.Struct, gc=False):
    source_partition: int
    source_offset: int
    rating_ts: int
    rule: str = FIRST_RULE


_decode_identity = msgspec.json.Decoder(_Identity).decode


def identify(value: bytes) -> tuple[int, int, int, str]:
    """Partition, offset and timestamp (ms) of the rating that an alert is about, and the rule."""
    alert = _decode_identity(value)
    return alert.source_partition, alert.source_offset, alert.rating_ts, alert.rule
