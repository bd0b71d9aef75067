"""The key of an object: from a template, the time and the fields of its records; never from the clock. Pure."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from operator import attrgetter
from typing import Any
from urllib.parse import quote

DEFAULT = "{prefix}/dt={year}-{month}-{day}/hr={hour}/{lane}-{sequence}.{ext}"

_OURS = frozenset({"prefix", "year", "month", "day", "hour", "lane", "sequence", "ext"})
_TIMES = ("year", "month", "day", "hour")
_HOUR = 3_600_000
_FIRST = -62_135_596_800_000
_LAST = 253_402_300_799_999
"""The first and the last millisecond of the years 1 to 9999, which Python and most readers of the archive can date."""
_NO_TIME = -1
"""Kafka's timestamp of a record that has none."""
UNKNOWN = "unknown"
"""Stands in keys for a time that is missing or is no date."""
_TIME = f"{{(?:{'|'.join(_TIMES)})}}"
_TIME_RUN = re.compile(f"{_TIME}(?:[^{{}}/]*{_TIME})*")
"""The times of one segment of a key, with the text between them."""
_KEY_BYTES = 1024
"""The longest key that S3 takes."""
_NULL = "__HIVE_DEFAULT_PARTITION__"
"""Null, to Hive and to all readers of its layout."""

Place = tuple[int | str | None, ...]
"""Common to the records of an object: the hour since 1970 (None: unknown), and the template's fields as in the key."""


def hour_of(time: int) -> int | None:
    """The hour since 1970 of a time in milliseconds; None if it is -1 or beyond the years 1 to 9999."""
    return time // _HOUR if _FIRST <= time <= _LAST and time != _NO_TIME else None


class Layout:
    """A template of keys.

    Its names are ``prefix``, ``year``, ``month``, ``day``, ``hour`` (of the record's time, UTC), ``lane``, ``sequence``
    and ``ext``; any other is a field of the record. ``lane`` and ``sequence`` make a key unique and must be there.
    Where a record's time is unknown, ``unknown`` stands for the times of each segment: ``dt={year}-{month}-{day}``
    becomes ``dt=unknown``.

    Raises:
        ValueError: the template is not one.
    """

    def __init__(self, template: str, *, prefix: str, extension: str, time: Callable[[Any], int]) -> None:
        try:
            names = re.findall(r"{(\w+)}", template)
            template.format(**dict.fromkeys(names, ""))
        except (ValueError, KeyError, IndexError, AttributeError) as error:
            raise ValueError(f"{template!r} is no template: {error}") from None
        if missing := {"lane", "sequence"} - set(names):
            raise ValueError(f"{template!r} lacks {{{'} and {'.join(sorted(missing))}}}: keys would not be unique")
        self.fields = tuple(dict.fromkeys(name for name in names if name not in _OURS))
        self._values = [attrgetter(name) for name in self.fields]
        self._template, self._timeless = template, _TIME_RUN.sub(UNKNOWN, template)
        self._fixed = {"prefix": prefix.strip("/"), "ext": extension}
        self._time = time
        self._by_time = any(name in _TIMES for name in names)
        self.identity = (template, prefix)
        """Two layouts of one identity give a place the same meaning."""

    def split(self, records: Sequence[Any]) -> Mapping[Place, Sequence[Any]]:
        """Records by their place, in their order.

        Raises:
            Exception: a record lacks a field, or a field cannot be in a key.
        """
        hours = self._hours(records)
        if not self._values and len(set(hours)) == 1:  # as nearly always
            return {(_whole(hours[0]),): records}
        alike = defaultdict[tuple[Any, ...], list[Any]](list)
        values = zip(hours, *(map(value_of, records) for value_of in self._values), strict=True)
        for value, record in zip(values, records, strict=True):
            alike[value].append(record)
        places = defaultdict[Place, list[Any]](list)
        for (hour, *fields), members in alike.items():  # escaped once for all that are alike
            place: Place = (_whole(hour), *map(_escape, fields))
            places[place] += members
        return places

    def key(self, place: Place, lane: str, sequence: str) -> str:
        """The key of an object for records of ``place``.

        Raises:
            ValueError: it is too long.
        """
        hour, *values = place
        fields = dict(zip(self.fields, values, strict=True))
        template = self._template if isinstance(hour, int) else self._timeless
        times = _times(hour) if isinstance(hour, int) else {}
        key = template.format(**self._fixed, **times, **fields, lane=lane, sequence=sequence).lstrip("/")
        if (size := len(key.encode())) > _KEY_BYTES:
            raise ValueError(f"its key has {size:,} bytes, and S3 takes {_KEY_BYTES:,}")
        return key

    def _hours(self, records: Sequence[Any]) -> Sequence[int | None]:
        if not self._by_time:
            return [0] * len(records)
        hours = [time // _HOUR for time in map(self._time, records)]
        # In the usual case only the few different hours are checked.
        if all(0 <= hour <= _LAST // _HOUR for hour in set(hours)):
            return hours
        return [*map(hour_of, map(self._time, records))]


def _whole(hour: float | None) -> int | None:
    """The hour as an int, even if the record's time is a float."""
    return None if hour is None else int(hour)


def _escape(value: object) -> str:
    """A field's value as one segment of a key; characters with a meaning in URLs, paths or Hive are percent-encoded."""
    if value is None or value == "":
        return _NULL
    escaped = quote(str(value), safe="-_")
    return escaped.replace(".", "%2E")[:200]


@lru_cache(maxsize=256)
def _times(hour: int) -> dict[str, str]:
    time = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(hours=hour)
    # Not by strftime: it writes the year 1 as "1".
    return {
        "year": f"{time.year:04}", "month": f"{time.month:02}", "day": f"{time.day:02}", "hour": f"{time.hour:02}"
    }  # fmt: skip
