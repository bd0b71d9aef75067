"""The placeholder that Debezium sends for a value that the database did not send.

PostgreSQL leaves out large columns (TOAST) that a change did not touch. The connector's
``unavailable.value.placeholder`` sets the placeholder.
"""

from base64 import b64encode, urlsafe_b64encode
from typing import Any


def spellings(placeholder: str) -> frozenset[str]:
    """The placeholder as text and byte columns hold it: plain, in Base64, and in hexadecimal digits.

    Args:
        placeholder: The connector's setting; ``hex:`` and hexadecimal digits stand for bytes.

    Raises:
        ValueError: the digits are not hexadecimal.
    """
    octets = bytes.fromhex(placeholder[4:]) if placeholder.startswith("hex:") else placeholder.encode()
    return frozenset(
        [octets.decode(errors="replace"), b64encode(octets).decode(), urlsafe_b64encode(octets).decode(), octets.hex()]
    )


UNAVAILABLE = spellings("__debezium_unavailable_value")
"""The spellings of the connectors' default."""


def as_text(column: Any, unavailable: frozenset[str]) -> Any:
    """The placeholder as text, if a byte column, a list or a map holds it; any other value unchanged."""
    if isinstance(column, bytes):
        text = column.decode(errors="replace")
        return text if text in unavailable else column
    if isinstance(column, dict | list) and column:
        elements = [*column, *column.values()] if isinstance(column, dict) else column
        if all(isinstance(element, int) and 0 <= element < 256 for element in elements):
            return as_text(bytes(elements), unavailable)
        if all(isinstance(element, str) and element in unavailable for element in elements):
            return next(iter(elements))
    return column
