"""A mapping: the fields of an index, which documents fit them, and how new fields come about."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from servers.embedded.elasticsearch.errors import Refused
from servers.embedded.elasticsearch.fields import DATE_FORMAT, Leaf, Malformed, as_date, bad_mapping, leaf

Values = dict[str, Any]
"""What a document is found by: path to value, or to a tuple of values."""

_METADATA = {"_id", "_index", "_source", "_field_names", "_routing", "_version", "_seq_no", "_ignored", "_tier"}
_ROOT = {"properties", "dynamic", "_meta", "_source", "date_detection"}
_DYNAMIC = ("true", "false", "strict")


@dataclass(slots=True)
class Branch:
    """A field that has fields below it; or the root."""

    dynamic: str | None = None
    """None: as above."""
    children: "dict[str, Leaf | Branch]" = field(default_factory=dict)


Node = Leaf | Branch


class Mapping:
    """The fields of one index; new ones are added as documents bring them, where the mapping is dynamic.

    Raises:
        Refused: the definition has something that is unknown, here at least.
    """

    def __init__(self, definition: dict[str, Any]) -> None:
        for name, value in definition.items():
            if name not in _ROOT:
                raise bad_mapping(f"Root mapping definition has unsupported parameters:  [{name} : {value}]")
        self._root = _branch("", definition)
        self._kept: dict[str, Any] = {
            name: definition[name] for name in ("_meta", "date_detection") if name in definition
        }
        self.detects_dates = definition.get("date_detection", True)

    def values(self, document: str, source: dict[str, Any]) -> Values:
        """Give what the document with that id is found by; its new fields are added.

        Raises:
            Refused: it does not fit; nothing is added.
        """
        reading = _Reading(self, document)
        reading.object(self._root, "", source, "true")
        for path, node in reading.added.items():
            above, _, name = path.rpartition(".")
            parent = self.at(above)
            if isinstance(parent, Branch):  # always: it was there, or was added before
                parent.children[name] = node
        return reading.found

    def at(self, path: str) -> Node | None:
        """The node of that path; the root for an empty one."""
        node: Node | None = self._root
        for name in path.split(".") if path else ():
            node = (node.children if isinstance(node, Branch) else node.others if node else {}).get(name)
        return node

    def definition(self) -> dict[str, Any]:
        """The mapping as the server shows it."""
        return {**self._kept, **_definition(self._root)}


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Put one definition above another, as templates are composed: of a field the upper one is taken, whole."""
    both = {**below, **above}
    if "properties" in below and "properties" in above:
        properties = dict(below["properties"])
        for name, upper in above["properties"].items():
            lower = properties.get(name, {})
            properties[name] = merged(lower, upper) if "properties" in lower and "properties" in upper else upper
        both["properties"] = properties
    return both


def _branch(path: str, definition: dict[str, Any]) -> Branch:
    dynamic = definition.get("dynamic")
    if dynamic is not None:
        dynamic = str(dynamic).lower()
        if dynamic not in _DYNAMIC:
            raise bad_mapping("Could not convert [dynamic.dynamic] to boolean")
    branch = Branch(dynamic)
    for name, inner in definition.get("properties", {}).items():
        where = f"{path}{name}"
        if not isinstance(inner, dict):
            raise bad_mapping(f"Expected map for property [fields] on field [{name}]")
        is_object = inner.get("type") == "object" or ("type" not in inner and "properties" in inner)
        branch.children[name] = _branch(f"{where}.", inner) if is_object else leaf(where, inner)
    return branch


def _definition(branch: Branch) -> dict[str, Any]:
    shown: dict[str, Any] = {} if branch.dynamic is None else {"dynamic": branch.dynamic}
    if branch.children:
        shown["properties"] = {
            name: node.definition if isinstance(node, Leaf) else _definition(node) or {"type": "object"}
            for name, node in sorted(branch.children.items())
        }
    return shown


class _Reading:
    """One document on its way through a mapping."""

    def __init__(self, mapping: Mapping, document: str) -> None:
        self._mapping = mapping
        self._document = document
        self.found: Values = {}
        self.added: dict[str, Node] = {}

    def object(self, branch: Branch, prefix: str, source: dict[str, Any], dynamic: str) -> None:
        dynamic = branch.dynamic or dynamic
        children = branch.children
        for name, value in source.items():
            node = children.get(name)
            if node is None:
                self._unknown(branch, prefix, name, value, dynamic)
            elif isinstance(node, Leaf):  # the path that nearly all values take: no call more than needed
                if value is not None:
                    self._leaf(node, prefix + name, value)
            elif value is not None:
                self._known(node, prefix + name, value, dynamic)

    def _known(self, node: Node, path: str, value: Any, dynamic: str) -> None:
        if isinstance(node, Leaf):
            self._leaf(node, path, value)
        elif isinstance(value, dict):
            self.object(node, f"{path}.", value, dynamic)
        elif isinstance(value, list):
            for inner in value:
                if inner is not None:
                    self._known(node, path, inner, dynamic)
        else:
            what = f"object mapping for [{path}] tried to parse field [{path}] as object, but found a concrete value"
            raise _unfit(what)

    def _leaf(self, field: Leaf, path: str, value: Any) -> None:
        if isinstance(value, list):
            for inner in value:
                if inner is not None:
                    self._leaf(field, path, inner)
            return
        try:
            parsed = field.parse(value)
        except Malformed as error:
            reason = (
                f"failed to parse field [{path}] of type [{field.type}] in document with id '{self._document}'. "
                f"Preview of field's value: '{_preview(value)}'"
            )
            raise _unfit(reason, Refused(400, "illegal_argument_exception", str(error))) from error
        if parsed is not None:
            if path in self.found:
                before = self.found[path]
                parsed = (*before, parsed) if isinstance(before, tuple) else (before, parsed)
            self.found[path] = parsed
        if field.others:
            for name, other in field.others.items():
                self._leaf(other, f"{path}.{name}", value)

    def _unknown(self, branch: Branch, prefix: str, name: str, value: Any, dynamic: str) -> None:
        parts = name.rstrip(".").split(".")
        if not all(part.strip() for part in parts) or (not prefix and name in _METADATA):
            raise _unfit(_unusable(name))
        head, dot, rest = name.partition(".")
        if dot:
            self.object(branch, prefix, {head: {rest: value} if rest else value}, dynamic)
            return
        path = prefix + name
        if dynamic == "strict":
            within = prefix.removesuffix(".") or "_doc"
            reason = f"mapping set to strict, dynamic introduction of [{name}] within [{within}] is not allowed"
            raise Refused(400, "strict_dynamic_mapping_exception", f"[1:1] {reason}")
        if dynamic == "true":
            for inner in _flat(value):
                self._known(self._added(path, inner), path, inner, dynamic)

    def _added(self, path: str, value: Any) -> Node:
        """The node of a field that is new with this document."""
        guessed = self._guess(path, value)
        node = self.added.setdefault(path, guessed)
        before, now = _type(node), _type(guessed)
        if before != now:
            reason = f"mapper [{path}] cannot be changed from type [{before}] to [{now}]"
            raise Refused(400, "illegal_argument_exception", reason)
        return node

    def _guess(self, path: str, value: Any) -> Node:
        if isinstance(value, dict):
            return Branch()
        if isinstance(value, str) and not (self._mapping.detects_dates and _is_date(value)):
            keyword = {"type": "keyword", "ignore_above": 256}
            return leaf(path, {"type": "text", "fields": {"keyword": keyword}})
        return leaf(path, {"type": _GUESSES[type(value)]})


_GUESSES = {bool: "boolean", int: "long", float: "float", str: "date"}


def _is_date(text: str) -> bool:
    try:
        as_date(text, DATE_FORMAT.partition("||")[0])
    except Malformed:
        return False
    return "-" in text  # a year alone is none


def _type(node: Node) -> str:
    return node.type if isinstance(node, Leaf) else "ObjectMapper"


def _flat(value: Any) -> Iterable[Any]:
    """The values of lists in lists, and of a value that is none; nulls are left out."""
    if isinstance(value, list):
        for inner in value:
            yield from _flat(inner)
    elif value is not None:
        yield value


def _unfit(reason: str, cause: Refused | None = None) -> Refused:
    # The real server says where in the line; whoever reads the type and the rest of the reason is served.
    return Refused(400, "document_parsing_exception", f"[1:1] {reason}", cause=cause)


def _unusable(name: str) -> str:
    if name in _METADATA:
        return f"Field [{name}] is a metadata field and cannot be added inside a document."
    return f"failed to parse: field name cannot be empty or contain only whitespace: ['{name}']"


def _preview(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}={_preview(inner)}' for name, inner in value.items())}}}"
    return str(value).lower() if isinstance(value, bool) else str(value)
