"""A checked expression: every node has a type, and tells whether it may be null."""

from dataclasses import dataclass
from typing import Any

from .types import Type


@dataclass(frozen=True)
class Node:
    """An expression."""

    type: Type
    null: bool
    """Whether its value may be null."""


@dataclass(frozen=True)
class Column(Node):
    """An attribute of the record."""

    path: str
    """``rating.stars``, for instance."""

    def __post_init__(self) -> None:
        if not all(name.isidentifier() for name in self.path.split(".")):
            raise ValueError(f"{self.path!r} is no path of attributes")


@dataclass(frozen=True)
class Constant(Node):
    """A literal, or what was made of some."""

    value: Any


@dataclass(frozen=True)
class Strict(Node):
    """What Python makes of the arguments; null if one of them is."""

    args: tuple[Node, ...]
    form: str
    """The Python expression, with a place for each argument, used once: ``{0} < {1}``."""
    attempt: bool = False
    """Whether it may give None of arguments that are not null."""


@dataclass(frozen=True)
class And(Node):
    """Whether all parts are true."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Or(Node):
    """Whether one of the parts is true."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Not(Node):
    """The opposite of a condition."""

    part: Node


@dataclass(frozen=True)
class IsNull(Node):
    """Whether a value is null."""

    part: Node


@dataclass(frozen=True)
class IsTrue(Node):
    """Whether a condition is true, and not null."""

    part: Node


@dataclass(frozen=True)
class Coalesce(Node):
    """The first part that is not null."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Case(Node):
    """The value of the first case whose condition is true, or another one."""

    cases: tuple[tuple[Node, Node], ...]
    other: Node


@dataclass(frozen=True)
class Local(Node):
    """The value that a ``Let`` around it has kept."""

    name: str


@dataclass(frozen=True)
class Let(Node):
    """``body``, in which ``local`` is the value of ``kept``: it is computed once."""

    local: Local
    kept: Node
    body: Node


NULL = Constant(Type.NULL, True, None)


def constant(kind: Type, value: Any) -> Constant:
    """A value that is not null."""
    return Constant(kind, False, value)


def strict(kind: Type, form: str, *args: Node, attempt: bool = False) -> Node:
    """A ``Strict``; of an argument that is always null, null."""
    if any(arg.type is Type.NULL for arg in args):
        return NULL
    return Strict(kind, attempt or any(arg.null for arg in args), args, form, attempt)
