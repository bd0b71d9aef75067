"""sqlglot's tree to a checked expression: the whole of the language is the table at the end."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from sqlglot import exp

from . import functions
from .errors import RuleError
from .functions import Unfit, alike, compared
from .parse import parse, start_of
from .tree import (
    NULL,
    And,
    Case,
    Coalesce,
    Column,
    Constant,
    IsNull,
    IsTrue,
    Let,
    Local,
    Node,
    Not,
    Or,
    constant,
)
from .types import Type

DEEPEST = 40
"""Levels of an expression: Python compiles no more than 200 of parentheses."""

_NO_SUBQUERIES = "a rule sees one record: there are no subqueries"
_MOST_DIGITS = 15  # of a fraction: DuckDB has 38 in all, and a number of 64 bits has 19 of them
_NUMBER = re.compile(r"[0-9]+|(?P<fraction>[0-9]*\.[0-9]*)|(?P<real>[0-9]*\.?[0-9]*[eE][+-]?[0-9]+)")
_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip


def check(text: str, columns: Mapping[str, Column]) -> Node:
    """Read the text of a rule, and give each part of it a type.

    Args:
        text: An SQL condition.
        columns: The columns that it may name, by their names in lower case.

    Raises:
        RuleError: it is no condition over these columns.
    """
    tree = parse(text)
    node = _Checker(text, columns).node(tree)
    if node.type not in {Type.BOOLEAN, Type.NULL}:
        raise RuleError(text, start_of(tree), f"a rule must be a condition, but this is {node.type.value}")
    return node


class _Checker:
    def __init__(self, text: str, columns: Mapping[str, Column]) -> None:
        self._text, self._columns = text, columns
        self._depth = self._lets = 0

    def node(self, tree: exp.Expr | None) -> Node:
        """The checked expression of a tree."""
        while isinstance(tree, exp.Paren):
            tree = tree.this
        if tree is None:  # sqlglot lets `@` be without its operand
            raise RuleError(self._text, len(self._text.rstrip()), "something is missing")
        rule = _LANGUAGE.get(type(tree))
        if rule is None:
            raise self._error(tree, self._foreign(tree))
        known, method = rule
        if self._depth == DEEPEST:
            raise self._error(tree, "it is nested too deeply")
        self._depth += 1
        try:
            self._only(tree, known)
            return method(self, tree)
        except Unfit as unfit:
            raise self._error(tree, str(unfit)) from None
        finally:
            self._depth -= 1

    def _error(self, tree: exp.Expr, reason: str) -> RuleError:
        return RuleError(self._text, start_of(tree), reason)

    def _word(self, tree: exp.Expr) -> str:
        """A function or an operator as an error message names it."""
        name = re.match(r"\w+", self._text[tree.meta.get("start", len(self._text)) :])
        return name[0].upper() if name else tree.sql_name() if isinstance(tree, exp.Func) else tree.key.upper()

    def _foreign(self, tree: exp.Expr) -> str:
        word = self._word(tree)
        if isinstance(tree, exp.Window):
            return "a rule sees one record: there are no window functions"
        if isinstance(tree, exp.AggFunc):
            return f"a rule sees one record: {word} needs many"
        if isinstance(tree, exp.Query | exp.Subquery | exp.Exists):
            return _NO_SUBQUERIES
        if isinstance(tree, exp.Func) and "start" in tree.meta:
            (near,) = get_close_matches(word, functions.NAMES, 1) or [""]
            told = f"did you mean {near}?" if near else f"there are {', '.join(functions.NAMES)}"
            return f"there is no function {word}: {told}"
        return f"{word} is not supported"

    def _condition(self, tree: exp.Expr, word: str) -> Node:
        node = self.node(tree)
        if node.type not in {Type.BOOLEAN, Type.NULL}:
            raise self._error(tree, f"{word} needs a condition, but this is {node.type.value}")
        return node

    def column(self, tree: exp.Expr) -> Node:
        name = tree.name.lower()
        if tree.args.get("table"):
            raise Unfit(f"{tree.sql()} is not supported: name a column alone")
        column = self._columns.get(name)
        if column is None:
            (near,) = get_close_matches(name, self._columns, 1) or [""]
            told = f"did you mean {near}?" if near else f"there are {', '.join(self._columns)}"
            if tree.this.quoted and not near:
                told = "a text is in single quotes"
            raise self._error(tree, f"there is no column {tree.name!r}: {told}")
        return column

    def literal(self, tree: exp.Expr) -> Node:
        return self._text_or_number(tree, "")

    def _text_or_number(self, tree: exp.Expr, sign: str) -> Node:
        if tree.is_string:
            return constant(Type.VARCHAR, tree.this)
        form = _NUMBER.fullmatch(tree.this)
        if form is None:
            raise Unfit(f"{tree.this!r} is no number")
        if form["real"]:
            return constant(Type.DOUBLE, float(sign + tree.this))
        if form["fraction"]:
            if len(tree.this) - 1 > _MOST_DIGITS:
                raise Unfit(f"{tree.this} has more than {_MOST_DIGITS} digits")
            return constant(Type.DECIMAL, Decimal(sign + tree.this))
        return functions.whole_number(sign + tree.this)

    def boolean(self, tree: exp.Expr) -> Node:
        return constant(Type.BOOLEAN, bool(tree.this))

    def null(self, _tree: exp.Expr) -> Node:
        return NULL

    def junction(self, tree: exp.Expr) -> Node:
        parts = tuple(self._condition(part, tree.key.upper()) for part in _chain(tree))
        kind = And if isinstance(tree, exp.And) else Or
        return kind(Type.BOOLEAN, any(part.null for part in parts), parts)

    def negation(self, tree: exp.Expr) -> Node:
        return _not(self._condition(tree.this, "NOT"))

    def comparison(self, tree: exp.Expr) -> Node:
        for side in (tree.this, tree.expression):
            if type(side) in _COMPARISONS:
                raise self._error(side, "comparisons cannot be chained: join them by AND, or put one in parentheses")
        return compared(_COMPARISONS[type(tree)], self.node(tree.this), self.node(tree.expression))

    def between(self, tree: exp.Expr) -> Node:
        low, high = self.node(tree.args["low"]), self.node(tree.args["high"])

        def body(one: Node) -> Node:
            parts = compared(">=", one, low), compared("<=", one, high)
            return And(Type.BOOLEAN, any(part.null for part in parts), parts)

        return self._keeping(self.node(tree.this), body)

    def membership(self, tree: exp.Expr) -> Node:
        if not tree.expressions:
            raise Unfit("a rule sees one record: IN takes a list of values")
        members = [self.node(member) for member in tree.expressions]

        def body(one: Node) -> Node:
            first, *others = alike([one, *members])
            values = frozenset[Any]()
            if first.type not in {Type.DOUBLE, Type.NULL}:
                values = frozenset(other.value for other in others if isinstance(other, Constant)) - {None}
                others = [other for other in others if not isinstance(other, Constant) or other.null]
            parts = [compared("=", first, other) for other in others]
            if values:
                parts.insert(0, functions.among(first, constant(first.type, values)))
            return parts[0] if len(parts) == 1 else Or(Type.BOOLEAN, any(part.null for part in parts), tuple(parts))

        return self._keeping(self.node(tree.this), body)

    def like(self, tree: exp.Expr) -> Node:
        return self._like(tree, None)

    def escaped(self, tree: exp.Expr) -> Node:
        operator, escape = tree.this, self.node(tree.expression)
        if not isinstance(operator, exp.Like | exp.ILike):
            raise Unfit("ESCAPE belongs to LIKE and ILIKE")
        if not isinstance(escape, Constant) or escape.type is not Type.VARCHAR or not _is_escape(escape.value):
            raise Unfit("ESCAPE takes one character, but no letter, % or _")
        return self._like(operator, escape.value)

    def _like(self, tree: exp.Expr, escape: str | None) -> Node:
        self._only(tree, {"this", "expression", "negate"})
        node = functions.like(
            self.node(tree.this), self.node(tree.expression), escape, any_case=isinstance(tree, exp.ILike)
        )
        return _not(node) if tree.args.get("negate") else node

    def is_(self, tree: exp.Expr) -> Node:
        if isinstance(tree.expression, exp.Null):
            return IsNull(Type.BOOLEAN, False, self.node(tree.this))
        if not isinstance(tree.expression, exp.Boolean):
            raise Unfit("IS takes NULL, TRUE or FALSE")
        part = self._condition(tree.this, "IS TRUE or FALSE")
        return IsTrue(Type.BOOLEAN, False, part if tree.expression.this else _not(part))

    def arithmetic(self, tree: exp.Expr) -> Node:
        return functions.arithmetic(_OPERATORS[type(tree)], self.node(tree.this), self.node(tree.expression))

    def minus(self, tree: exp.Expr) -> Node:
        signs, inner = "-", tree.this
        while isinstance(inner, exp.Paren | exp.Neg):
            signs += "-" if isinstance(inner, exp.Neg) else ""
            inner = inner.this
        if isinstance(inner, exp.Literal) and not inner.is_string:
            return self._text_or_number(inner, signs[: len(signs) % 2])
        return functions.minus(self.node(tree.this))

    def case(self, tree: exp.Expr) -> Node:
        subject = tree.args.get("this")
        if subject is None:
            return self._case(tree, None)
        return self._keeping(self.node(subject), lambda one: self._case(tree, one))

    def _case(self, tree: exp.Expr, subject: Node | None) -> Node:
        conditions, values = [], []
        for branch in tree.args["ifs"]:
            values.append(self.node(branch.args["true"]))
            if subject is None:
                conditions.append(self._condition(branch.this, "WHEN"))
            else:
                conditions.append(compared("=", subject, self.node(branch.this)))
        other = tree.args.get("default")
        values = alike([*values, NULL if other is None else self.node(other)], result=True)
        kind = next((value.type for value in values if value.type is not Type.NULL), Type.NULL)
        null = any(value.null for value in values)
        return Case(kind, null, tuple(zip(conditions, values[:-1], strict=True)), values[-1])

    def coalesce(self, tree: exp.Expr) -> Node:
        given = [self.node(part) for part in (tree.this, *tree.expressions)]
        parts = [part for part in alike(given, result=True) if part.type is not Type.NULL]
        if not parts:
            return NULL
        return Coalesce(parts[0].type, all(part.null for part in parts), tuple(parts))

    def cast(self, tree: exp.Expr) -> Node:
        target = tree.args["to"]
        kind = None if any(target.args[name] for name in target.args if name != "this") else _TARGETS.get(target.this)
        if kind is None:
            raise Unfit(f"there is no CAST to {target.sql()}, but to BIGINT, INTEGER, DOUBLE and VARCHAR")
        return functions.cast(self.node(tree.this), kind, attempt=isinstance(tree, exp.TryCast))

    def joined(self, tree: exp.Expr) -> Node:
        return functions.joined([self.node(part) for part in _chain(tree)])

    def concat(self, tree: exp.Expr) -> Node:
        return functions.concat([self.node(part) for part in tree.expressions])

    def function(self, tree: exp.Expr) -> Node:
        name = self._word(tree)
        if name not in functions.NAMES:  # sqlglot knows other names of the same function
            raise self._error(tree, self._foreign(tree))
        return functions.call(tree.key.upper(), self.node(tree.this))

    def _only(self, tree: exp.Expr, known: set[str]) -> None:
        """Refuse a node with an argument that is not understood: it could change the meaning."""
        if strange := [name for name, value in tree.args.items() if value and name not in known]:
            is_query = strange[0] == "query"
            raise Unfit(_NO_SUBQUERIES if is_query else f"{self._word(tree)} with {strange[0]} is not supported")

    def _keeping(self, kept: Node, body: Callable[[Node], Node]) -> Node:
        """What ``body`` makes of a value that it uses several times."""
        if isinstance(kept, Column | Constant | Local):
            return body(kept)
        self._lets += 1
        local = Local(kept.type, kept.null, f"kept{self._lets}")
        made = body(local)
        return Let(made.type, made.null, local, kept, made)


def _not(node: Node) -> Node:
    return Not(Type.BOOLEAN, node.null, node)


def _chain(tree: exp.Expr) -> list[exp.Expr]:
    """The operands of a chain of one operator, ``a AND b AND c``, which sqlglot nests."""
    operands, kind = [], type(tree)
    while type(tree) is kind:
        operands.append(tree.expression)
        tree = tree.this
    return [tree, *reversed(operands)]


def _is_escape(text: str) -> bool:
    return len(text) == 1 and text not in "%_" and text.lower() == text.upper()


_OPERATORS: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_TARGETS = {
    exp.DType.INT: Type.INTEGER, exp.DType.BIGINT: Type.BIGINT, exp.DType.DOUBLE: Type.DOUBLE,
    exp.DType.VARCHAR: Type.VARCHAR, exp.DType.TEXT: Type.VARCHAR,
}  # fmt: skip

_Method = Callable[[_Checker, Any], Node]
_BINARY = {"this", "expression"}
_LANGUAGE: dict[type[exp.Expr], tuple[set[str], _Method]] = {
    exp.Column: ({"this", "table", "db", "catalog"}, _Checker.column),
    exp.Literal: ({"this", "is_string"}, _Checker.literal),
    exp.Boolean: ({"this"}, _Checker.boolean),
    exp.Null: (set(), _Checker.null),
    exp.And: (_BINARY, _Checker.junction),
    exp.Or: (_BINARY, _Checker.junction),
    exp.Not: ({"this"}, _Checker.negation),
    **dict.fromkeys(_COMPARISONS, (_BINARY, _Checker.comparison)),
    exp.Between: ({"this", "low", "high"}, _Checker.between),
    exp.In: ({"this", "expressions"}, _Checker.membership),
    exp.Like: ({*_BINARY, "negate"}, _Checker.like),
    exp.ILike: ({*_BINARY, "negate"}, _Checker.like),
    exp.Escape: (_BINARY, _Checker.escaped),
    exp.Is: (_BINARY, _Checker.is_),
    **dict.fromkeys(_OPERATORS, ({*_BINARY, "typed", "safe"}, _Checker.arithmetic)),
    exp.Neg: ({"this"}, _Checker.minus),
    exp.Case: ({"this", "ifs", "default"}, _Checker.case),
    exp.Coalesce: ({"this", "expressions"}, _Checker.coalesce),
    exp.Cast: ({"this", "to"}, _Checker.cast),
    exp.TryCast: ({"this", "to", "safe"}, _Checker.cast),
    exp.DPipe: ({*_BINARY, "safe"}, _Checker.joined),
    exp.Concat: ({"expressions", "safe", "coalesce"}, _Checker.concat),
    exp.Lower: ({"this"}, _Checker.function),
    exp.Upper: ({"this"}, _Checker.function),
    exp.Trim: ({"this"}, _Checker.function),
    exp.Length: ({"this"}, _Checker.function),
    exp.Abs: ({"this"}, _Checker.function),
}
"""Of each kind of node in sqlglot's tree: the arguments that are understood, and what is made of it."""
