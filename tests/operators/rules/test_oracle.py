"""DuckDB evaluates the same text over the same records, and agrees."""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.rules import Column, RuleError, Type, compiled

EXAMPLES = int(os.environ.get("RULE_EXAMPLES", "300"))
COLUMNS = {
    "stars": Column(Type.BIGINT, True, "stars"),
    "user_id": Column(Type.BIGINT, False, "user_id"),
    "channel": Column(Type.VARCHAR, True, "channel"),
    "message": Column(Type.VARCHAR, True, "message"),
}


SCHEMA = pa.schema([("stars", pa.int64()), ("user_id", pa.int64()), ("channel", pa.string()), ("message", pa.string())])


class Record(NamedTuple):
    stars: int | None
    user_id: int
    channel: str | None
    message: str | None


LETTERS = "abtesT%_\\ß\u0130\u03a3\u03c3\u1f80é\U0001f600\x00 \t\u00a0\n'"
whole = st.sampled_from(
    [0, 1, 2, 3, 4, -1, 5, 10, 2**31 - 1, -(2**31), 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]
) | st.integers(-9, 9)
texts = st.text(LETTERS, max_size=5) | st.sampled_from(["1", "-2.5", " 7 ", "1e3", "x", "test", "TEST", "nan", ""])
records = st.lists(
    st.builds(Record, st.none() | whole, whole, st.none() | texts, st.none() | texts), min_size=1, max_size=6
)


@pytest.fixture(scope="module")
def oracle() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("PRAGMA disable_optimizer")  # it leaves out what cannot matter, and so some errors
        yield connection


def quoted(text: str) -> str:
    # DuckDB's parser stops at a NUL.
    return "'" + text.replace("\x00", "").replace("'", "''") + "'"


literals_of_numbers = st.sampled_from(
    [
        "0",
        "1",
        "2",
        "3",
        "-1",
        "4",
        "2.5",
        "-0.5",
        ".5",
        "1e0",
        "2.5e-1",
        "NULL",
        "2147483647",
        "-2147483648",
        "9223372036854775807",
        "- 9223372036854775808",
        "(-3)",
    ]
)
literals_of_texts = texts.map(quoted) | st.sampled_from(
    ["'%test%'", "'t%'", "'%T'", "'_e%'", "'%'", "''", "NULL", "'%a%b%'", "'__'"]
)
kinds = st.sampled_from(["BIGINT", "INTEGER", "DOUBLE"])


def numbers(
    inner: st.SearchStrategy[str], words: st.SearchStrategy[str], truths: st.SearchStrategy[str]
) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from("+-*/%"), inner).map(" ".join),
        inner.map("- {}".format),
        inner.map("ABS({})".format),
        words.map("LENGTH({})".format),
        st.builds("CAST({} AS {})".format, inner | words, kinds),
        st.builds("TRY_CAST({} AS {})".format, inner | words, kinds),
        st.builds("COALESCE({}, {})".format, inner, inner),
        st.builds("CASE WHEN {} THEN {} ELSE {} END".format, truths, inner, inner),
        st.builds("CASE {} WHEN {} THEN {} END".format, inner, inner, inner),
        inner.map("({})".format),
    )


def words(
    inner: st.SearchStrategy[str], numbers: st.SearchStrategy[str], truths: st.SearchStrategy[str]
) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}({})".format, st.sampled_from(["LOWER", "upper", "Trim"]), inner),
        st.tuples(inner, inner).map(" || ".join),
        st.builds("CONCAT({}, {})".format, inner, inner | numbers | truths),
        st.builds("COALESCE({}, {})".format, inner, inner),
        st.builds("CAST({} AS VARCHAR)".format, numbers | truths),
        st.builds("CASE WHEN {} THEN {} END".format, truths, inner),
        inner.map("({})".format),
    )


def truths(
    inner: st.SearchStrategy[str], numbers: st.SearchStrategy[str], words: st.SearchStrategy[str]
) -> st.SearchStrategy[str]:
    pairs = st.tuples(numbers, numbers) | st.tuples(words, words)
    triples = st.tuples(numbers, numbers, numbers) | st.tuples(words, words, words)
    negation = st.sampled_from(["", "NOT "])
    return st.one_of(
        st.builds(
            lambda pair, op: f"{pair[0]} {op} {pair[1]}",
            pairs,
            st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">="]),
        ),
        st.builds(lambda triple, no: f"{triple[0]} {no}BETWEEN {triple[1]} AND {triple[2]}", triples, negation),
        st.builds(lambda triple, no: f"{triple[0]} {no}IN ({triple[1]}, {triple[2]})", triples, negation),
        st.builds("{} {}{} {}".format, words, negation, st.sampled_from(["LIKE", "ILIKE"]), words | literals_of_texts),
        st.builds("{} {}LIKE {} ESCAPE '\\'".format, words, negation, literals_of_texts),
        st.builds("{} IS {}NULL".format, numbers | words | inner, negation),
        st.builds("{} IS {}{}".format, inner, negation, st.sampled_from(["TRUE", "FALSE"])),
        st.builds("{} {} {}".format, inner, st.sampled_from(["AND", "OR"]), inner),
        st.builds("({} = {})".format, inner.map("({})".format), inner.map("({})".format)),
        st.builds("CASE WHEN {} THEN {} ELSE {} END".format, inner, inner, inner),
        st.builds("COALESCE({}, {})".format, inner, inner),
        inner.map("NOT {}".format),
        inner.map("({})".format),
    )


def grown(levels: int) -> st.SearchStrategy[str]:
    number: st.SearchStrategy[str] = literals_of_numbers | st.sampled_from(["stars", "STARS", "user_id"])
    word: st.SearchStrategy[str] = literals_of_texts | st.sampled_from(["channel", "Message"])
    truth: st.SearchStrategy[str] = st.sampled_from(
        ["TRUE", "FALSE", "NULL", "stars < 3", "channel IS NULL", "message LIKE '%t%'"]
    )
    for _ in range(levels):
        number, word, truth = (
            st.one_of(number, *[numbers(number, word, truth)] * 2),
            st.one_of(word, *[words(word, number, truth)] * 2),
            st.one_of(truth, *[truths(truth, number, word)] * 2),
        )
    return truths(truth, number, word)


def answers(oracle: duckdb.DuckDBPyConnection, rule: str, given: Sequence[Record]) -> list[bool | None] | None:
    """What DuckDB makes of each record; None if it refuses the text, or one of the values on the way."""
    columns = zip(*given, strict=True)
    oracle.register("records", pa.table(dict(zip(SCHEMA.names, columns, strict=True)), SCHEMA))
    try:
        return [one for (one,) in oracle.execute(f"SELECT ({rule}\n) FROM records").fetchall()]  # noqa: S608
    except duckdb.Error:
        return None


def ours(rule: str, given: Sequence[Record]) -> list[bool | None]:
    """What the compiled rule and its opposites make of each record."""
    true, false = compiled(rule, COLUMNS), compiled(f"NOT ({rule}\n)", COLUMNS)
    null = compiled(f"({rule}\n) IS NULL", COLUMNS)
    results = list[bool | None]()
    for record in given:
        results += [True] * len(true([record])) + [False] * len(false([record])) + [None] * len(null([record]))
    return results


@settings(max_examples=EXAMPLES, deadline=None)
@given(rule=grown(2), given=records)
def test_it_agrees_with_duckdb(oracle: duckdb.DuckDBPyConnection, rule: str, given: list[Record]) -> None:
    expected = answers(oracle, rule, given)
    try:
        found = ours(rule, given)
    except RuleError:
        return
    except (ArithmeticError, ValueError):
        assert expected is None
        return
    if expected is not None:
        assert found == expected
