"""Operators and functions of the language: which types they take, and the Python of each."""

from collections.abc import Sequence
from dataclasses import replace

from .text import Like, lower
from .tree import Coalesce, Constant, Node, constant, strict
from .types import NUMBERS, WHOLE, Type

NAMES = ("ABS", "CASE", "CAST", "COALESCE", "CONCAT", "LENGTH", "LOWER", "TRIM", "TRY_CAST", "UPPER")
"""What is written as a function."""

_INT32, _INT64 = 1 << 31, 1 << 63
_FORMS = {"=": "{0} == {1}", "<>": "{0} != {1}"}
_OF_DOUBLES = {
    "=": "same({0}, {1})", "<>": "not same({0}, {1})", "<": "less({0}, {1})", "<=": "not less({1}, {0})",
    ">": "less({1}, {0})", ">=": "not less({0}, {1})",
}  # fmt: skip
_CASTS = {
    (Type.VARCHAR, Type.BIGINT): "bigint_of_text",
    (Type.VARCHAR, Type.INTEGER): "integer_of_text",
    (Type.VARCHAR, Type.DOUBLE): "real_of_text",
    (Type.INTEGER, Type.BIGINT): "",
    (Type.BIGINT, Type.INTEGER): "integer",
    (Type.DOUBLE, Type.BIGINT): "bigint_of_real",
    (Type.DOUBLE, Type.INTEGER): "integer_of_real",
    (Type.INTEGER, Type.DOUBLE): "float",
    (Type.BIGINT, Type.DOUBLE): "float",
    (Type.INTEGER, Type.VARCHAR): "str",
    (Type.BIGINT, Type.VARCHAR): "str",
    (Type.BOOLEAN, Type.BIGINT): "int",
    (Type.BOOLEAN, Type.INTEGER): "int",
    (Type.BOOLEAN, Type.DOUBLE): "float",
    (Type.BOOLEAN, Type.VARCHAR): "text_of_condition",
}
"""The function of each cast; none where the value is the same."""
_CALLS = {
    "LOWER": (Type.VARCHAR, "lower({0})"),
    "UPPER": (Type.VARCHAR, "upper({0})"),
    "TRIM": (Type.VARCHAR, "trim({0})"),
    "LENGTH": (Type.BIGINT, "len({0})"),
}
_ONLY_COMPARED = (
    "a number with a fraction can be compared and divided; for more, write it as 1.5e0 or CAST it to DOUBLE"
)


class Unfit(ValueError):
    """An expression that the language does not have; the message says why."""


def whole_number(text: str) -> Node:
    """A literal of digits, which may have a sign.

    Raises:
        Unfit: 64 bits do not hold it.
    """
    if len(text) > 20 or not -_INT64 <= (number := int(text)) < _INT64:
        raise Unfit(f"{text[:40]} is larger than 64 bits hold")
    return constant(Type.INTEGER if -_INT32 <= number < _INT32 else Type.BIGINT, number)


def alike(nodes: Sequence[Node], *, result: bool = False) -> list[Node]:
    """The nodes as values of one type: numbers become DOUBLE if one of them is.

    Args:
        nodes: At least one.
        result: The type is that of a result: it cannot be DECIMAL.

    Raises:
        Unfit: they have no type in common.
    """
    types = {node.type for node in nodes} - {Type.NULL}
    if result and Type.DECIMAL in types:
        raise Unfit(_ONLY_COMPARED)
    if Type.DOUBLE in types and types <= NUMBERS:
        return [_double(node) for node in nodes]
    if len(types) > 1 and not types <= NUMBERS:
        one, other = sorted((kind.value for kind in types - _but_one_number(types)), key=len)[:2]
        raise Unfit(f"{one} and {other} do not go together: CAST one of them")
    if result and types == WHOLE:
        return [cast(node, Type.BIGINT) for node in nodes]
    return list(nodes)


def _but_one_number(types: set[Type]) -> set[Type]:
    return set(sorted(types & NUMBERS, key=lambda kind: len(kind.value))[1:])


def _double(node: Node) -> Node:
    if isinstance(node, Constant) and node.type in NUMBERS:
        return constant(Type.DOUBLE, float(node.value))
    return node if node.type is Type.DOUBLE else strict(Type.DOUBLE, "float({0})", node)


def compared(operator: str, one: Node, other: Node) -> Node:
    """A comparison.

    Raises:
        Unfit: the two cannot be compared.
    """
    one, other = alike([one, other])
    if Type.DOUBLE in {one.type, other.type}:
        return strict(Type.BOOLEAN, _OF_DOUBLES[operator], one, other)
    return strict(Type.BOOLEAN, _FORMS.get(operator, f"{{0}} {operator} {{1}}"), one, other)


def among(one: Node, values: Node) -> Node:
    """Whether a value is in a set."""
    return strict(Type.BOOLEAN, "{0} in {1}", one, values)


def arithmetic(operator: str, one: Node, other: Node) -> Node:
    """A sum, difference, product, quotient or remainder.

    Raises:
        Unfit: of these types there is none.
    """
    for node in (one, other):
        if node.type not in {*NUMBERS, Type.NULL}:
            raise Unfit(f"{operator} takes numbers, but one side is {node.type.value}")
    if operator == "/":
        return strict(Type.DOUBLE, "divide({0}, {1})", _double(one), _double(other))
    one, other = alike([one, other], result=True)
    form = "double_modulo({0}, {1})" if operator == "%" else f"{{0}} {operator} {{1}}"
    if Type.DOUBLE in {one.type, other.type}:
        return strict(Type.DOUBLE, form, one, other)
    if operator == "%":
        return strict(one.type, "modulo({0}, {1})", one, other)
    return _bounded(one.type, f"{{0}} {operator} {{1}}", one, other)


def _bounded(kind: Type, form: str, *args: Node) -> Node:
    """A whole number, which must not overflow."""
    return strict(kind, f"{'bigint' if kind is Type.BIGINT else 'integer'}({form})", *args)


def minus(one: Node) -> Node:
    """A number with the other sign.

    Raises:
        Unfit: it is none.
    """
    return _signed(one, "-{0}", "-")


def _signed(one: Node, form: str, name: str) -> Node:
    if one.type is Type.DECIMAL:
        raise Unfit(_ONLY_COMPARED)
    if one.type not in {*NUMBERS, Type.NULL}:
        raise Unfit(f"{name} takes a number, but this is {one.type.value}")
    return _bounded(one.type, form, one) if one.type in WHOLE else strict(one.type, form, one)


def call(name: str, one: Node) -> Node:
    """A function of one argument.

    Raises:
        Unfit: it does not take this type.
    """
    if name == "ABS":
        return _signed(one, "abs({0})", name)
    kind, form = _CALLS[name]
    return strict(kind, form, _text(one, name))


def _text(node: Node, name: str) -> Node:
    if node.type not in {Type.VARCHAR, Type.NULL}:
        raise Unfit(f"{name} takes text, but this is {node.type.value}: CAST it to VARCHAR")
    return node


def joined(parts: Sequence[Node]) -> Node:
    """The texts one behind the other; null if one of them is.

    Raises:
        Unfit: one is no text.
    """
    texts = [_text(part, "||") for part in parts]
    return strict(Type.VARCHAR, f"''.join(({', '.join(f'{{{at}}}' for at in range(len(texts)))},))", *texts)


def concat(parts: Sequence[Node]) -> Node:
    """The same, but those that are null are left out; whole numbers and conditions become text.

    Raises:
        Unfit: one cannot become text.
    """
    return joined([Coalesce(Type.VARCHAR, False, (cast(part, Type.VARCHAR), constant(Type.VARCHAR, "")))
                   for part in parts if part.type is not Type.NULL] or [constant(Type.VARCHAR, "")])  # fmt: skip


def cast(one: Node, target: Type, *, attempt: bool = False) -> Node:
    """A value as one of another type; ``attempt``: null, where that fails.

    Raises:
        Unfit: there is no such cast.
    """
    if one.type in {target, Type.NULL}:
        return one
    if one.type is Type.DECIMAL and target is Type.DOUBLE:
        return _double(one)
    function = _CASTS.get((one.type, target))
    if function is None:
        raise Unfit(f"there is no CAST of {one.type.value} to {target.name}")
    if not function:
        return replace(one, type=target)
    form = f"attempt({function}, {{0}})" if attempt else f"{function}({{0}})"
    return strict(target, form, one, attempt=attempt)


def like(one: Node, pattern: Node, escape: str | None, *, any_case: bool) -> Node:
    """LIKE or ILIKE.

    Raises:
        Unfit: one is no text, or the pattern is none.
    """
    name, subject = ("ILIKE", "lower({0})") if any_case else ("LIKE", "{0}")
    one, pattern = _text(one, name), _text(pattern, name)
    if not isinstance(pattern, Constant) or pattern.type is Type.NULL:
        marked = "" if escape is None else ", {2}"
        more = () if escape is None else (constant(Type.VARCHAR, escape),)
        return strict(Type.BOOLEAN, f"{name.lower()}({{0}}, {{1}}{marked})", one, pattern, *more)
    try:
        known = Like(lower(pattern.value) if any_case else pattern.value, escape)
    except ValueError as error:
        raise Unfit(str(error)) from None
    if known.simple is None:
        return strict(Type.BOOLEAN, f"{{1}}({subject})", one, constant(Type.VARCHAR, known))
    before, text, behind = known.simple
    forms = {
        (True, True): f"{{1}} in {subject}",
        (False, True): f"{subject}.startswith({{1}})",
        (True, False): f"{subject}.endswith({{1}})",
        (False, False): f"{subject} == {{1}}",
    }
    return strict(Type.BOOLEAN, forms[before, behind], one, constant(Type.VARCHAR, text))
