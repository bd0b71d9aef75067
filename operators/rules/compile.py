"""A checked condition to Python: one function that selects the records of a batch for which it is true."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from . import text, values
from .check import check
from .errors import RuleError
from .tree import And, Case, Coalesce, Column, Constant, IsNull, IsTrue, Let, Local, Node, Not, Or, Strict

X = TypeVar("X")

Select = Callable[[Sequence[X]], list[X]]
"""The records of a batch for which a condition is true, in order. It raises for the first one that it cannot judge."""

_FUNCTIONS: dict[str, Any] = {
    "float": float,
    "int": int,
    "len": len,
    "str": str,
    "abs": abs,
    **{
        function.__name__: function
        for function in (
            values.bigint,
            values.integer,
            values.modulo,
            values.double_modulo,
            values.divide,
            values.same,
            values.less,
            values.bigint_of_real,
            values.integer_of_real,
            values.bigint_of_text,
            values.integer_of_text,
            values.real_of_text,
            values.text_of_condition,
            values.attempt,
            text.like,
            text.ilike,
            text.lower,
            text.upper,
            text.trim,
        )
    },
}
"""All that a compiled rule can name besides the record and its own constants."""


def compiled(rule: str, columns: Mapping[str, Column]) -> Select[Any]:
    """Compile the text of a rule. Its parts are tried in the order of the text, and no further than needed.

    Args:
        rule: An SQL condition.
        columns: The columns that it may name, by their names in lower case.

    Raises:
        RuleError: it is no condition over these columns.
    """
    condition = check(rule, columns)
    try:
        source, constants = python(condition)
        namespace = {"__builtins__": {}, **_FUNCTIONS, **constants}
        # There are the columns' paths in it and our own names, and nothing of the text.
        exec(source, namespace)  # noqa: S102
    except (RecursionError, MemoryError, SyntaxError):
        raise RuleError(rule, 0, "it is nested too deeply") from None
    select: Select[Any] = namespace["select"]
    return select


def python(condition: Node) -> tuple[str, dict[str, Any]]:
    """The source of the function, and the constants that it names."""
    writer = _Writer()
    truth = writer.truth(condition)
    lines = (
        "def select(records):",
        "    selected = []",
        "    for r in records:",
        f"        if {truth}:",
        "            selected.append(r)",
        "    return selected",
    )
    return "\n".join(lines), writer.constants


class _Writer:
    """Writes an expression in one of three ways: its value, whether it is true, and whether it is false.

    True and false need no None, and are what a condition mostly comes to. Each way writes each part once, so the
    Python is as long as the text.
    """

    def __init__(self) -> None:
        self.constants: dict[str, Any] = {}
        self._locals = 0

    def value(self, node: Node) -> str:
        """The value, None if it is null: a name, a call, or in parentheses."""
        match node:
            case Column(path=path):
                return f"r.{path}"
            case Constant(value=value):
                return self._constant(value)
            case Local(name=name):
                return name
            case Strict():
                nulls, form = self._args(node, "is None")
                return f"(None if {' or '.join(nulls)} else {form})" if nulls else f"({form})"
            case And(parts=parts):
                return self._kleene(parts, deciding="False", otherwise="True")
            case Or(parts=parts):
                return self._kleene(parts, deciding="True", otherwise="False")
            case Not(part=part):
                local = self._local()
                return f"(None if ({local} := {self.value(part)}) is None else not {local})"
            case Coalesce(parts=parts):
                *before, last = parts
                choices = [f"{local} if ({local} := {self.value(part)}) is not None else "
                           for part in before for local in [self._local()]]  # fmt: skip
                return f"({''.join(choices)}{self.value(last)})"
            case Case(cases=cases, other=other):
                choices = [f"{self.value(value)} if {self.truth(condition)} else " for condition, value in cases]
                return f"({''.join(choices)}{self.value(other)})"
            case Let(body=body):
                return f"({self.value(body)} if {self._kept(node)} else None)"
        return self.truth(node)  # it is never null

    def truth(self, node: Node) -> str:
        """Whether the value is true."""
        match node:
            case Strict():
                checks, form = self._args(node, "is not None")
                return _all([*checks, form])
            case And(parts=parts):
                return _all([self.truth(part) for part in parts])
            case Or(parts=parts):
                return _any([self.truth(part) for part in parts])
            case Not(part=part):
                return self.falsity(part)
            case IsNull(part=part):
                return f"({self.value(part)} is None)"
            case IsTrue(part=part):
                return self.truth(part)
            case Let(body=body):
                return _all([self._kept(node), self.truth(body)])
        return f"({self.value(node)} is True)"

    def falsity(self, node: Node) -> str:
        """Whether the value is false."""
        match node:
            case Strict():
                checks, form = self._args(node, "is not None")
                return _all([*checks, f"not {form}"])
            case And(parts=parts):
                return _any([self.falsity(part) for part in parts])
            case Or(parts=parts):
                return _all([self.falsity(part) for part in parts])
            case Not(part=part):
                return self.truth(part)
            case IsNull(part=part):
                return f"({self.value(part)} is not None)"
            case IsTrue(part=part):
                return f"(not {self.truth(part)})"
            case Let(body=body):
                return _all([self._kept(node), self.falsity(body)])
        return f"({self.value(node)} is False)"

    def _args(self, node: Strict, check: str) -> tuple[list[str], str]:
        """A check of each value that may be null, which also keeps it; and the form with the arguments in it."""
        checks, names = [], []
        for arg in node.args:
            if isinstance(arg, Strict) and not arg.attempt:
                inner, name = self._args(arg, check)
                checks += inner
                name = f"({name})"
            else:
                name = self.value(arg)
                if arg.null:
                    local = self._local()
                    checks.append(f"({local} := {name}) {check}")
                    name = local
            names.append(name)
        return checks, node.form.format(*names)

    def _kleene(self, parts: Sequence[Node], *, deciding: str, otherwise: str) -> str:
        locals_ = [self._local() for _ in parts]
        decided = [f"{deciding} if ({local} := {self.value(part)}) is {deciding} else "
                   for local, part in zip(locals_, parts, strict=True)]  # fmt: skip
        unknown = " or ".join(f"{local} is None" for local in locals_)
        return f"({''.join(decided)}None if {unknown} else {otherwise})"

    def _kept(self, let: Let) -> str:
        return f"(({let.local.name} := {self.value(let.kept)}) is None or True)"

    def _local(self) -> str:
        self._locals += 1
        return f"v{self._locals}"

    def _constant(self, value: Any) -> str:
        if value is None or isinstance(value, bool):
            return repr(value)
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name


def _all(parts: Sequence[str]) -> str:
    return f"({' and '.join(parts)})"


def _any(parts: Sequence[str]) -> str:
    return f"({' or '.join(parts)})"
