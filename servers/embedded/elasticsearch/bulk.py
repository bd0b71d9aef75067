"""The bulk request: lines to actions, actions to items."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from servers.embedded.elasticsearch.cluster import Cluster
from servers.embedded.elasticsearch.errors import Refused, illegal_argument, invalid_request, unknown, unreadable
from servers.embedded.elasticsearch.faults import ItemFaults, refusal

Json = dict[str, Any]

_PARAMETERS = {"_index", "_id", "version", "version_type"}
_LONGEST_ID = 512


class Action(NamedTuple):
    """One document to write."""

    kind: str
    """``index``, or ``create``, which refuses an id that exists."""
    target: str
    """The name of an index."""
    id: str
    version: int | None
    source: bytes


def read(body: bytes, index: str | None) -> list[Action]:
    """The actions of a bulk request; ``index`` is for actions that name none.

    Raises:
        Refused: the request is refused as a whole. The documents are not looked at: their faults are those of items.
    """
    if not body:
        raise Refused(400, "parse_exception", "request body is required")
    if not body.endswith(b"\n"):
        raise illegal_argument("The bulk request must be terminated by a newline [\\n]")
    actions, problems = list[Action](), list[str]()
    lines = iter(body[:-1].split(b"\n"))
    # An action without its document at the end is left out, as on the real server.
    for number, (line, source) in enumerate(zip(lines, lines, strict=False)):
        action, action_problems = _action(2 * number + 1, line, index, source)
        actions.append(action)
        problems += action_problems
    if problems or not actions:
        raise invalid_request(*problems or ["no requests added"])
    return actions


def _action(number: int, line: bytes, index: str | None, source: bytes) -> tuple[Action, list[str]]:
    """The action of a line, and the problems for which the whole request is refused."""
    try:
        action = orjson.loads(line)
    except ValueError as error:
        raise unreadable(error) from error
    malformed = f"Malformed action/metadata line [{number}], expected"
    if not isinstance(action, dict) or not action:
        raise illegal_argument(f"{malformed} an action, but found [{action}]")
    kind, meta = next(iter(action.items()))
    if kind in ("delete", "update"):
        raise unknown(f"the action [{kind}] of a bulk")
    if kind not in ("index", "create"):
        raise illegal_argument(f"{malformed} field [create], [delete] or [index] but found [{kind}]")
    if not isinstance(meta, dict):
        raise illegal_argument(f"{malformed} START_OBJECT or END_OBJECT but found [{meta}]")
    for name in meta.keys() - _PARAMETERS:
        raise illegal_argument(f"Action/metadata line [{number}] contains an unknown parameter [{name}]")
    target, document_id, version = meta.get("_index", index), meta.get("_id"), meta.get("version")
    if target is None:
        return Action(kind, "", "", None, source), ["index is missing"]
    if not isinstance(target, str) or not isinstance(document_id, str):
        raise unknown(f"an action without _index and _id as text: [{line.decode()}]")
    if meta.get("version_type") != (None if version is None else "external_gte"):
        raise unknown(f"a version of another version_type than [external_gte]: [{line.decode()}]")
    if version is not None and not isinstance(version, int):
        raise unknown(f"a version that is no number: [{line.decode()}]")
    if version is not None and version >= 2**63:
        raise unreadable(ValueError(f"Numeric value ({version}) out of range of long"))
    return Action(kind, target, document_id, version, source), _problems(kind, document_id, version)


def _problems(kind: str, document_id: str, version: int | None) -> list[str]:
    problems = list[str]()
    if len(document_id) * 4 > _LONGEST_ID and (length := len(document_id.encode())) > _LONGEST_ID:
        problems.append(f"id [{document_id}] is too long, must be no longer than {_LONGEST_ID} bytes but was: {length}")
    if version is not None and kind == "create":
        problems.append("create operations only support internal versioning. use index instead")
    elif version is not None and version < 0:
        problems.append(f"illegal version value [{version}] for version type [EXTERNAL_GTE]")
    return problems


def apply(cluster: Cluster, actions: Sequence[Action], faults: ItemFaults | None = None) -> Json:
    """Carry out all actions but those with a fault; the answer has an item for each action, in order."""
    errors, items = False, list[Json]()
    for position, (kind, index, document_id, version, source) in enumerate(actions):
        item: Json = {"_index": index, "_id": document_id}
        try:
            if faults and (fault := faults(position, document_id)) is not None:
                raise refusal(fault)
            new, written = cluster.write(index, document_id, source, create=kind == "create", version=version)
            item |= {"_version": written, "result": "created" if new else "updated", "status": 201 if new else 200}
        except Refused as error:
            errors = True
            item |= {"status": error.status, "error": error.error()}
        items.append({kind: item})
    return {"errors": errors, "took": 0, "items": items}
