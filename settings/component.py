"""What all components of the settings have in common: frozen, and no value that something stumbles over later."""

import re
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

# Sizes and counts are of 64 bits in the clients; a time of a billion seconds is thirty years.
_LIMIT: dict[type, int] = {bool: 2, int: 1 << 63, float: 10**9}


class Component(BaseModel):
    """The settings of one component: each a field with its variable as alias, and a description."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    @field_validator("*")
    @classmethod
    def _is_sound(cls, value: object) -> object:
        """Refuse values of any setting that something would stumble over later."""
        if isinstance(value, SecretStr):
            _check_characters(value.get_secret_value())
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                _check_text(text)
        if isinstance(value, int | float) and not abs(value) < _LIMIT[type(value)]:
            limit = _LIMIT[type(value)]
            raise ValueError(f"must be a number between -{limit} and {limit}")
        return value


def check_different(settings: Component, names: Iterable[str], why: str) -> None:
    """Refuse two fields of ``settings`` with the same value.

    Raises:
        ValueError
    """
    named: dict[str, str] = {}
    for name in names:
        value, variable = getattr(settings, name), str(type(settings).model_fields[name].alias)
        if value in named:
            raise ValueError(f"{named[value]} and {variable} are both {value!r}: {why}")
        if value is not None:
            named[value] = variable


def _check_characters(text: str) -> None:
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("must not hold line breaks or other control characters")


def _check_text(text: str) -> None:
    _check_characters(text)
    if text != text.strip():
        raise ValueError("must not begin or end with a space")
    if text[:1] in {"'", '"'} and text[-1:] == text[:1]:
        raise ValueError("must not stand in quotes: they were taken for a part of it")
