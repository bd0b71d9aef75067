"""Names of fields in any case: ``First_Name`` is the column ``first_name``.

The typed decoders take names in lower case alone, and pass over any other. So a record that they read is searched for
names with capitals: in bytes at first, which costs a third of a microsecond.
"""

import re
from collections.abc import Iterable
from string import ascii_uppercase
from typing import Any

from messages.errors import InvalidRecord

_CAPITALS = ascii_uppercase.encode()
_TO_ONE = bytes.maketrans(_CAPITALS, b"A" * len(_CAPITALS))
_ALL_ELSE = bytes(set(range(256)) - {*_CAPITALS, *b'":'})
_A_NAME_WITH_CAPITALS = b'A":'
"""What is left of one, without all but capitals, quotes and colons."""


class Names:
    """The names that a record is read by, in lower case."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._find = re.compile(rb'"(%s)"\s*:' % "|".join(map(re.escape, self._names)).encode(), re.IGNORECASE).findall

    def with_capitals_in(self, value: bytes) -> bool:
        """Whether JSON has one of the names with capitals, at any depth."""
        if _A_NAME_WITH_CAPITALS not in value.translate(_TO_ONE, _ALL_ELSE):
            return False
        return any(not name.islower() for name in self._find(value))

    def __contains__(self, name: str) -> bool:
        """Whether a name is one of them, in any case."""
        return name.lower() in self._names

    def lowered(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields by their names in lower case.

        Raises:
            InvalidRecord: two of them are one of the names.
        """
        lowered = {name.lower(): field for name, field in fields.items()}
        if len(lowered) < len(fields):
            self.refuse_twins(fields)
        return lowered

    def refuse_twins(self, names: Iterable[str]) -> None:
        """Refuse a record that has one of the names twice.

        Raises:
            InvalidRecord: the message has both forms.
        """
        seen: dict[str, str] = {}
        for name in names:
            twin = seen.setdefault(name.lower(), name)
            if twin != name and name.lower() in self._names:
                raise InvalidRecord(f"fields {twin} and {name} differ in case alone")
