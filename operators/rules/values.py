"""Numbers as DuckDB handles them: their bounds, division, comparison, and casts."""

import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeVar

X = TypeVar("X")
Y = TypeVar("Y")

_SPACE = " \t\n\v\f\r"
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_EXPONENT = rf"(?:[eE][+-]?{_DIGITS})?"
_WHOLE = re.compile(rf"([+-]?)({_DIGITS})?(\.(?:{_DIGITS})?)?(?:([eE][+-]?{_DIGITS})\.?)?")
_RADIX = re.compile(r"0[xX]([0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)|0[bB]([01]+(?:_[01]+)*)")
_REAL = re.compile(rf"\+?(-?(?:(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS}){_EXPONENT}|inf|infinity|nan))", re.IGNORECASE)


def bigint(number: int) -> int:
    """The number, if 64 bits hold it.

    Raises:
        OverflowError: they do not.
    """
    if -0x8000000000000000 <= number <= 0x7FFFFFFFFFFFFFFF:
        return number
    raise OverflowError("a number of 64 bits overflows")


def integer(number: int) -> int:
    """As ``bigint``, of 32 bits."""
    if -0x80000000 <= number <= 0x7FFFFFFF:
        return number
    raise OverflowError("a number of 32 bits overflows")


def modulo(number: int, by: int) -> int:
    """The remainder, with the sign of ``number``.

    Raises:
        ZeroDivisionError
        OverflowError: the quotient has more bits than the number.
    """
    if by == -1 and number == -0x8000000000000000:
        raise OverflowError("a division overflows")
    rest = abs(number) % abs(by)
    return -rest if number < 0 else rest


def double_modulo(number: float, by: float) -> float:
    """The remainder, with the sign of ``number``; not a number, of what has none."""
    return math.fmod(number, by) if by and math.isfinite(number) else math.nan


def divide(number: float, by: float) -> float:
    """The quotient by IEEE 754: infinite or not a number, if ``by`` is zero."""
    if by:
        return number / by
    return math.nan if not number or math.isnan(number) else math.copysign(math.inf, number) * math.copysign(1, by)


def same(one: float, other: float) -> bool:
    """Whether two are equal; what is not a number equals its like."""
    return one == other or (one != one and other != other)  # noqa: PLR0124 - only NaN differs from itself


def less(one: float, other: float) -> bool:
    """Whether one is less than another; what is not a number is greater than any."""
    return one < other or (other != other and one == one)  # noqa: PLR0124


def bigint_of_real(number: float) -> int:
    """CAST of DOUBLE to BIGINT.

    Raises:
        OverflowError, ValueError: there is no such number.
    """
    return bigint(round(number))


def integer_of_real(number: float) -> int:
    """CAST of DOUBLE to INTEGER, likewise."""
    return integer(round(number))


def bigint_of_text(text: str) -> int:
    """CAST of text to BIGINT; a fraction is rounded, half of one away from zero.

    Raises:
        ValueError: the text is no number.
        OverflowError: 64 bits do not hold it.
    """
    stripped = text.strip(_SPACE)
    if radix := _RADIX.fullmatch(text.lstrip(_SPACE)):
        return bigint(int(radix[1], 16) if radix[1] else int(radix[2], 2))
    parts = _WHOLE.fullmatch(stripped)
    if parts is None or not (parts[2] or (parts[3] or "")[1:]):
        raise ValueError(f"{text[:100]!r} is no number")
    sign, digits, fraction, exponent = parts.groups(default="")
    before = bigint(int(sign + (digits or "0").replace("_", "")))
    if not fraction and not exponent:
        return before
    if exponent and not -0x8000 <= int(exponent[1:]) <= 0x7FFF:
        raise OverflowError("an exponent of 16 bits overflows")
    number = Decimal((sign + digits + fraction + exponent).replace("_", ""))
    if number.copy_abs() >= 1 << 64:  # before a large exponent is written out
        raise OverflowError("a number of 64 bits overflows")
    return bigint(int(number.to_integral_value(ROUND_HALF_UP)))


def integer_of_text(text: str) -> int:
    """CAST of text to INTEGER, likewise."""
    return integer(bigint_of_text(text))


def real_of_text(text: str) -> float:
    """CAST of text to DOUBLE.

    Raises:
        ValueError: the text is no number.
    """
    parts = _REAL.fullmatch(text.strip(_SPACE))
    if parts is None:
        raise ValueError(f"{text[:100]!r} is no number")
    return float(parts[1])


def text_of_condition(condition: bool) -> str:
    """CAST of BOOLEAN to VARCHAR."""
    return "true" if condition else "false"


def attempt(cast: Callable[[X], Y], value: X) -> Y | None:
    """TRY_CAST: null, where the cast fails."""
    try:
        return cast(value)
    except (ValueError, ArithmeticError):
        return None
