"""Dates as Elasticsearch reads and writes them: ISO 8601 and epoch milliseconds, date mathematics, intervals."""

import re
import time
from calendar import monthrange
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)

_ISO = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)(?:T(?:(?P<hour>\d\d)(?::(?P<minute>\d\d)"
    r"(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?)?)?)?"
)
_MILLIS = re.compile(r"-?\d+(\.\d+)?")
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "H": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_MATHS = re.compile(r"(now|.*\|\|)((?:[+-]\d+[smhHdw]|/[smhHd])*)")
_STEP = re.compile(r"([+-]\d+|/)([smhHdw])")
_INTERVAL = re.compile(r"([1-9]\d*)(ms|[smhd])")


def iso(text: str, *, round_up: bool = False) -> int:
    """Read ``strict_date_optional_time``: epoch milliseconds of its begin, or of its end to ``round_up``.

    Raises:
        ValueError: it is none; or it is one of a year before 1, or with a region for a time zone, which Python's
            dates do not know.
    """
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError(text)
    year = int(found["year"])
    month = int(found["month"] or (12 if round_up else 1))
    day = int(found["day"] or (monthrange(year, month)[1] if round_up else 1))
    hour = int(found["hour"] or (23 if round_up else 0))
    minute = int(found["minute"] or (59 if round_up else 0))
    second = int(found["second"] or (59 if round_up else 0))
    fraction = found["fraction"] or ("999" if round_up else "0")
    moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc) - _offset(found["zone"])
    return (moment - _EPOCH) // _MILLISECOND + int(fraction.ljust(3, "0")[:3])


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -offset if zone[0] == "-" else offset


def epoch_millis(text: str) -> int:
    """Read a number of milliseconds since the epoch; ValueError if it is none."""
    if _MILLIS.fullmatch(text) is None:
        raise ValueError(text)
    return int(text.partition(".")[0])


def maths(text: str, *, round_up: bool = False) -> int | None:
    """Read ``now-15m/m`` or ``2024-01-02||+1d``, in units up to weeks; None if it is no date mathematics."""
    found = _MATHS.fullmatch(text)
    if found is None:
        return None
    anchor = found[1].removesuffix("||")
    millis = int(time.time() * 1000) if anchor == "now" else iso(anchor)
    for amount, unit in _STEP.findall(found[2]):
        length = _UNITS[unit]
        if amount == "/":
            millis = millis // length * length + (length - 1 if round_up else 0)
        else:
            millis += int(amount) * length
    return millis


def write(millis: int) -> str:
    """Write epoch milliseconds the way they stand as ``key_as_string``; as they are beyond Python's years."""
    try:
        moment = _EPOCH + millis * _MILLISECOND
    except OverflowError:
        return str(millis)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{millis % 1000:03}Z"


def interval(text: str) -> int:
    """Read a fixed interval such as ``30s``, in milliseconds; ValueError if it is none."""
    found = _INTERVAL.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return int(found[1]) * _UNITS[found[2]]
