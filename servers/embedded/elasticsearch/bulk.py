"""The bulk request: lines into actions, actions into items."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from servers.embedded.elasticsearch.cluster import Cluster
from servers.embedded.elasticsearch.errors import Refused, illegal_argument, invalid_request, unreadable
from servers.embedded.elasticsearch.faults import ItemFaults, refusal
from servers.embedded.elasticsearch.index import Index, Version, Written, new_id

Json = dict[str, Any]

SHARDS = {"total": 2, "successful": 1, "failed": 0}

_KINDS = ("index", "create", "delete")
_PARAMETERS = {"_index", "_id", "version", "version_type", "require_alias", "routing"}
_VERSION_TYPES = ("external", "external_gt", "external_gte")
_LONGEST_ID = 512


class Action(NamedTuple):
    """One item of a bulk, as it was asked for."""

    kind: str
    target: str
    """The name of an index or alias; empty where none was given."""
    id: str | None
    version: Version | None
    require_alias: bool
    source: bytes


def read(body: bytes, index: str | None = None, *, require_alias: bool = False) -> list[Action]:
    """Read the body of a bulk; ``index`` and ``require_alias`` are for actions that do not say.

    Raises:
        Refused: nothing of it is to be carried out; documents are not looked at, they are the items' own.
    """
    if not body.strip():
        problem = invalid_request("no requests added")
        raise problem if body else Refused(400, "parse_exception", "request body is required")
    if not body.endswith(b"\n"):
        raise illegal_argument("The bulk request must be terminated by a newline [\\n]")
    actions: list[Action] = []
    problems: list[str] = []
    lines = enumerate(body[:-1].split(b"\n"), 1)
    for number, line in lines:
        if not line.strip():
            continue
        kind, meta = _action(number, line)
        source = b""
        if kind != "delete":
            try:
                _, source = next(lines)
            except StopIteration:  # an action without its document is left out
                break
        action = _checked(kind, meta, index, require_alias, source)
        problems += _problems(action, meta)
        actions.append(action)
    if problems or not actions:
        raise invalid_request(*problems or ["no requests added"])
    return actions


def _action(number: int, line: bytes) -> tuple[str, Json]:
    """The kind of an action and what it is done to."""
    try:
        action = orjson.loads(line)
    except ValueError as error:
        raise unreadable(error) from error
    malformed = f"Malformed action/metadata line [{number}], expected"
    if not isinstance(action, dict):
        raise illegal_argument(f"{malformed} START_OBJECT but found [{_token(action)}]")
    if not action:
        raise illegal_argument(f"{malformed} FIELD_NAME but found [END_OBJECT]")
    kind, meta = next(iter(action.items()))
    if kind not in _KINDS:
        raise illegal_argument(f"{malformed} field [create], [delete] or [index] but found [{kind}]")
    if not isinstance(meta, dict):
        raise illegal_argument(f"{malformed} START_OBJECT or END_OBJECT but found [{_token(meta)}]")
    for name, value in meta.items():
        if isinstance(value, list | dict):
            raise illegal_argument(f"{malformed} a simple value for field [{name}] but found [{_token(value)}]")
        if name not in _PARAMETERS:
            raise illegal_argument(f"Action/metadata line [{number}] contains an unknown parameter [{name}]")
    return kind, meta


def _token(value: Any) -> str:
    if isinstance(value, list):
        return "START_ARRAY"
    if isinstance(value, dict):
        return "START_OBJECT"
    return "VALUE_STRING" if isinstance(value, str) else "VALUE_NUMBER"


def _checked(kind: str, meta: Json, index: str | None, require_alias: bool, source: bytes) -> Action:
    document = meta.get("_id")
    if document is not None and not isinstance(document, str):
        document = str(document).lower()
    target = meta.get("_index", index)
    return Action(
        kind,
        "" if target is None else target,
        document,
        external(meta.get("version"), meta.get("version_type")),
        meta.get("require_alias", require_alias),
        source,
    )


def external(number: Any, kind: str | None) -> Version | None:
    """The version that ``version`` and ``version_type`` ask for; one below 0 for none where there should be one."""
    if kind is None or kind == "internal":
        return None
    if kind not in _VERSION_TYPES:
        raise illegal_argument(f"No version type match [{kind}]")
    if isinstance(number, int) and not -(2**63) <= number < 2**63:
        raise unreadable(ValueError(f"Numeric value ({number}) out of range of long"))
    try:
        return Version(-3 if number is None else int(number), kind == "external_gte")
    except ValueError as error:
        raise illegal_argument(f'For input string: "{number}"') from error


def _problems(action: Action, meta: Json) -> Iterable[str]:
    if action.target == "" and "_index" not in meta:
        yield "index is missing"
    yield from problems(action.kind, action.id, meta.get("version"), action.version)


def problems(kind: str, document: str | None, number: Any, version: Version | None) -> Iterable[str]:
    """What is wrong with a write before anything is looked up."""
    if document is None:
        if kind == "delete":
            yield "id is missing"
        elif version is not None:
            yield "an id must be provided if version type or value are set"
    elif len(document) * 4 > _LONGEST_ID and len(document.encode()) > _LONGEST_ID:
        length = len(document.encode())
        yield f"id [{document}] is too long, must be no longer than {_LONGEST_ID} bytes but was: {length}"
    if version is None:
        if number is not None:
            yield (
                "internal versioning can not be used for optimistic concurrency control. "
                "Please use `if_seq_no` and `if_primary_term` instead"
            )
    elif kind == "create":
        yield "create operations only support internal versioning. use index instead"
    elif version.number < 0:
        yield f"illegal version value [{version.number}] for version type [EXTERNAL]"


def apply(cluster: Cluster, actions: Sequence[Action], refused: ItemFaults | None = None) -> tuple[list[Json], bool]:
    """Carry the actions out, but those that are ``refused``.

    Returns:
        An item for each, in their order; and whether one of them is an error.
    """
    items: list[Json] = []
    errors = False
    targets = _targets(cluster, actions)
    for position, action in enumerate(actions):
        index = targets[action.target, action.require_alias]
        document = new_id() if action.id is None else action.id
        try:
            if refused and (fault := refused(position, document)) is not None:
                raise refusal(fault)
            if isinstance(index, Refused):
                raise index
            item = result(index.name, write(index, action.kind, document, action.source, action.version))
        except Refused as error:
            errors = True
            name = index.name if isinstance(index, Index) else action.target
            item = {"_index": name, "_id": document, "status": error.status, "error": error.error()}
        items.append({action.kind: item})
    cluster.trim()
    return items, errors


def _targets(cluster: Cluster, actions: Iterable[Action]) -> dict[tuple[str, bool], Index | Refused]:
    """What the names of a bulk mean; missing indices are made before the first action is carried out."""
    making: dict[tuple[str, bool], bool] = {}
    for action in actions:
        key = action.target, action.require_alias
        making[key] = making.get(key, False) or makes_index(action.kind, action.version)
    found: dict[tuple[str, bool], Index | Refused] = {}
    for (name, require_alias), make in making.items():
        try:
            found[name, require_alias] = cluster.to_write(name, make=make, require_alias=require_alias)
        except Refused as error:
            found[name, require_alias] = error
    return found


def makes_index(kind: str, version: Version | None) -> bool:
    """Whether such a write makes an index that is missing: only a delete without a version does not."""
    return kind != "delete" or version is not None


def write(index: Index, kind: str, document: str, source: bytes, version: Version | None) -> Written:
    """Carry one write out; Refused where it is."""
    if kind == "delete":
        return index.delete(document, version)
    if not document:
        raise illegal_argument("if _id is specified it must not be empty")
    return index.put(document, source, create=kind == "create", version=version)


def result(index: str, written: Written) -> Json:
    """What the server tells of a write."""
    return {
        "_index": index,
        "_id": written.id,
        "_version": written.version,
        "result": written.result,
        "_shards": SHARDS,
        "_seq_no": written.seq_no,
        "_primary_term": 1,
        "status": written.status,
    }
