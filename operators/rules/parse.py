"""The text of a rule to sqlglot's tree."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, TokenError

from .errors import RuleError

LONGEST = 32_768
"""Characters of a text: sqlglot reads that many in a second or two."""

_dialect = DuckDB()


def parse(text: str) -> exp.Expr:
    """Read a text as one expression of DuckDB.

    Raises:
        RuleError: it is none.
    """
    if len(text) > LONGEST:
        raise RuleError(text, LONGEST, f"the text is longer than {LONGEST:,} characters")
    try:
        with ThreadPoolExecutor(1) as thread:  # how deep a text may be must not depend on the caller's stack
            trees = thread.submit(_trees, text).result()
    except ParseError as error:
        raise _explained(text, error.errors[0]) from None
    except TokenError:
        raise RuleError(text, len(text.rstrip()), "a quote or a comment is not closed") from None
    except RecursionError:
        raise RuleError(text, 0, "it is nested too deeply") from None
    if not trees:
        raise RuleError(text, 0, "there is no condition")
    if len(trees) > 1:
        raise RuleError(text, start_of(trees[1]), "there is more than one condition: join them by AND or OR")
    return trees[0]


def _trees(text: str) -> list[exp.Expr]:
    return [tree for tree in _dialect.parse_into(exp.Condition, text) if tree is not None]


def start_of(tree: exp.Expr) -> int:
    """The index of the first character of a tree's text, as far as sqlglot tells it."""
    return min((node.meta["start"] for node in tree.walk() if "start" in node.meta), default=0)


def _explained(text: str, error: dict[str, Any]) -> RuleError:
    token, told = str(error["highlight"] or ""), str(error["description"])
    lines = text.split("\n")
    line, end = (error["line"] or 1) - 1, error["col"] or 1
    start = sum(len(each) + 1 for each in lines[:line]) + max(0, end - len(token))
    if told.startswith("Expecting"):
        reason = f"after {token!r} there must be {told.removeprefix('Expecting ')}"
    elif told.startswith("Required keyword"):
        reason = f"something is missing at {token!r}"
    else:
        reason = f"{token!r} is not expected here"
    return RuleError(text, start, reason)
