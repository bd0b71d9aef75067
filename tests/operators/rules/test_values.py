"""Values as DuckDB handles them: texts that are numbers, numbers of all kinds, letters, patterns."""

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from operators.rules import text, values

Ask = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """What DuckDB makes of each row of some columns."""
    with duckdb.connect() as connection:

        def ask(expression: str, **columns: list[Any]) -> list[Any]:
            connection.register("rows", pa.table(columns))
            return [one for (one,) in connection.execute(f"SELECT {expression} FROM rows").fetchall()]  # noqa: S608

        yield ask


def attempt(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except (ValueError, ArithmeticError):
        return None


def agree(one: Any, other: Any) -> bool:
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return bool(one == other) or both_nan


def drawn(alphabet: str, most: int, count: int) -> list[str]:
    rng = random.Random(alphabet)
    return ["".join(rng.choice(alphabet) for _ in range(rng.randint(0, most))) for _ in range(count)]


@pytest.mark.parametrize("kind", ["BIGINT", "INTEGER", "DOUBLE"])
def test_texts_that_are_numbers(ask: Ask, kind: str) -> None:
    written = [
        *drawn("0123456789.eE+-_ \t", 9, 20_000),
        *drawn("015.e-", 8, 20_000),
        *drawn("infaINFty+- ", 9, 5_000),
        *drawn("0xXbB1fF_- ", 7, 10_000),
        *("9223372036854775807" + tail for tail in drawn("05.e-1", 4, 1_000)),
        *("-922337203685477580" + tail for tail in drawn("789.5e", 4, 1_000)),
        *("2147483647" + tail for tail in drawn("05.e-1", 4, 1_000)),
    ]
    cast = {"BIGINT": values.bigint_of_text, "INTEGER": values.integer_of_text, "DOUBLE": values.real_of_text}[kind]
    expected = ask(f"TRY_CAST(x AS {kind})", x=written)
    assert [
        (one, known, found)
        for one, known in zip(written, expected, strict=True)
        if not agree(found := attempt(cast, one), known)
    ] == []


@pytest.mark.parametrize(
    ("expression", "function"),
    [
        ("x % y", values.double_modulo),
        ("x / y", values.divide),
        ("x < y", values.less),
        ("x = y", values.same),
        ("TRY_CAST(x AS BIGINT)", lambda x, _: values.bigint_of_real(x)),
        ("TRY_CAST(x AS INTEGER)", lambda x, _: values.integer_of_real(x)),
    ],
)
def test_numbers_of_type_double(ask: Ask, expression: str, function: Callable[[float, float], Any]) -> None:
    numbers = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 3.0, 1e-300, 1e300, math.inf, -math.inf, math.nan,
               2.0**63, -(2.0**63), 2.0**63 - 1024, 2147483647.4, 2147483647.5, -2147483648.5]  # fmt: skip
    pairs = [(one, other) for one in numbers for other in numbers]
    expected = ask(expression, x=[one for one, _ in pairs], y=[other for _, other in pairs])
    assert [
        (pair, known, found)
        for pair, known in zip(pairs, expected, strict=True)
        if not agree(found := attempt(function, *pair), known)
    ] == []


@pytest.mark.parametrize("function", [text.lower, text.upper, text.trim])
def test_every_character(ask: Ask, function: Callable[[str], str]) -> None:
    # Letters that a Python of an older Unicode does not know stay as they are.
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    if function is text.trim:
        characters = [f"{character}x{character}" for character in characters]
    expected = ask(f"{function.__name__}(x)", x=characters)
    different = [one for one, known in zip(characters, expected, strict=True) if function(one) != known]
    assert [one for one in different if one.isprintable()] == []


@pytest.mark.parametrize(
    ("expression", "function"),
    [
        ("x LIKE p", text.like),
        ("x ILIKE p", text.ilike),
        ("x LIKE p ESCAPE '!'", lambda x, p: text.like(x, p, "!")),
        ("x ILIKE p ESCAPE '!'", lambda x, p: text.ilike(x, p, "!")),
    ],
)
def test_patterns(ask: Ask, expression: str, function: Callable[[str, str], bool]) -> None:
    texts = drawn("abAé\u0130i\n!", 8, 20_000)
    patterns = drawn("abé%_!\u0130", 6, 20_000)
    pairs = [(x, p) for x, p in zip(texts, patterns, strict=True) if attempt(text.like, "", p, "!") is not None]
    expected = ask(expression, x=[x for x, _ in pairs], p=[p for _, p in pairs])
    assert [(pair, known) for pair, known in zip(pairs, expected, strict=True) if function(*pair) != known] == []


def test_a_pattern_of_many_pieces_takes_no_time() -> None:
    assert not text.like("a" * 100_000, "%a" * 50 + "%b")
    assert text.like("ab" * 50_000, "%a_" * 50 + "%")
