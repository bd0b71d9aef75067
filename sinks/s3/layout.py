"""Where an object goes: its key from a template, the time and the fields of the record, never from the clock."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import lru_cache
from operator import attrgetter
from typing import Any
from urllib.parse import quote

DEFAULT = "{prefix}/dt={year}-{month}-{day}/hr={hour}/{lane}-{sequence}.{ext}"

_OURS = frozenset({"prefix", "year", "month", "day", "hour", "lane", "sequence", "ext"})
_TIMES = ("year", "month", "day", "hour")
_HOUR = 3_600_000
_NULL = "__HIVE_DEFAULT_PARTITION__"
"""What Hive, and what reads its layout, take for null."""

Place = tuple[Any, ...]
"""What records of one object have in common: the hour since 1970, and the fields of the template."""


class Layout:
    """A template of keys.

    Its names are ``prefix``, ``year``, ``month``, ``day``, ``hour`` (of the record's time, UTC), ``lane``, ``sequence``
    and ``ext``; any other is a field of the record. ``lane`` and ``sequence`` make a key unique and must be there.

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
        self._template = template
        self._fixed = {"prefix": prefix.strip("/"), "ext": extension}
        self._time = time
        self._by_time = any(name in _TIMES for name in names)

    def split(self, records: list[Any]) -> Mapping[Place, list[Any]]:
        """Records by the object that they belong to, in their order."""
        hours = [time // _HOUR for time in map(self._time, records)] if self._by_time else [0] * len(records)
        if not self._values and len(set(hours)) == 1:  # as nearly always
            return {(hours[0],): records}
        found = defaultdict[Place, list[Any]](list)
        places = zip(hours, *(map(value_of, records) for value_of in self._values), strict=True)
        for place, record in zip(places, records, strict=True):
            found[place].append(record)
        return found

    def key(self, place: Place, lane: str, sequence: str) -> str:
        """The key of an object for records of ``place``."""
        hour, *values = place
        fields = dict(zip(self.fields, map(_escape, values), strict=True))
        key = self._template.format(**self._fixed, **_hour(hour), **fields, lane=lane, sequence=sequence)
        return key.lstrip("/")


def _escape(value: object) -> str:
    """A field's value as one segment of a key; what is not plain in URLs, paths and Hive is percent-encoded."""
    if value is None or value == "":
        return _NULL
    escaped = quote(str(value), safe="-_")
    return escaped.replace(".", "%2E")[:200]


@lru_cache(maxsize=256)
def _hour(hour: int) -> dict[str, str]:
    time = datetime.fromtimestamp(hour * 3600, timezone.utc)
    return {"year": f"{time:%Y}", "month": f"{time:%m}", "day": f"{time:%d}", "hour": f"{time:%H}"}
