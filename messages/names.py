"""Names of fields in any case: ``First_Name`` is the column ``first_name``.

The typed decoders read names in lower case only, and ignore all others. So their records are searched for names with
capitals. The search begins in the bytes, which costs a third of a microsecond.
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
"""Such a name, reduced to capitals, quotes and colons."""


class Names:
    """The names of the fields that are read, in lower case."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._find = re.compile(rb'"(%s)"\s*:' % "|".join(map(re.escape, self._names)).encode(), re.IGNORECASE).findall

    def with_capitals_in(self, value: bytes) -> bool:
        """Whether JSON spells one of the names with capitals, at any depth."""
        if _A_NAME_WITH_CAPITALS not in value.translate(_TO_ONE, _ALL_ELSE):
            return False
        return any(not name.islower() for name in self._find(value))

    def __contains__(self, name: str) -> bool:
        """Whether ``name`` is one of the names, in any case."""
        return name.lower() in self._names

    def lowered(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields by their names in lower case.

        Raises:
            InvalidRecord: two fields are the same name.
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
