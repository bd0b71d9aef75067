"""What is refused: a status, an error type and a reason, in the JSON that the server writes."""

from typing import Any


class Refused(Exception):
    """A request, or one item of a bulk, that gets an error for an answer.

    Args:
        status: the HTTP status, of the answer or of the item.
        kind: the error's type, such as ``version_conflict_engine_exception``.
        reason: what went wrong, for a person.
        details: further fields of the error.
        cause: what the server tells as ``caused_by``.
        root: what it tells as the root cause, if not the error itself.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        reason: str,
        details: dict[str, Any] | None = None,
        *,
        cause: "Refused | None" = None,
        root: "Refused | None" = None,
    ) -> None:
        super().__init__(f"{kind}: {reason}")
        self.status = status
        self.kind = kind
        self._head = {"type": kind, "reason": reason, **(details or {})}
        self._cause = cause
        self._root = root or self

    def error(self) -> dict[str, Any]:
        """The error as it stands in an item of a bulk."""
        return {**self._head, "caused_by": self._cause.error()} if self._cause else self._head

    def body(self) -> dict[str, Any]:
        """The error as the answer to a request."""
        return {"error": {"root_cause": [self._root._head], **self.error()}, "status": self.status}


def illegal_argument(reason: str) -> Refused:
    """What most faults of a request's own are called."""
    return Refused(400, "illegal_argument_exception", reason)


def invalid_request(*problems: str) -> Refused:
    """A request that was understood, and cannot be carried out for these reasons."""
    numbered = "".join(f"{number}: {problem};" for number, problem in enumerate(problems, 1))
    return Refused(400, "action_request_validation_exception", f"Validation Failed: {numbered}")


def missing_index(name: str) -> Refused:
    """There is neither an index nor an alias of that name."""
    return Refused(
        404,
        "index_not_found_exception",
        f"no such index [{name}]",
        {"resource.type": "index_or_alias", "resource.id": name, "index_uuid": "_na_", "index": name},
    )


def all_shards_failed(kind: str, reason: str) -> Refused:
    """A search that was understood, and fails on the fields that the indices have."""
    root = Refused(400, kind, reason)
    shards = [{"shard": 0, "reason": root.error()}]
    details = {"phase": "query", "grouped": True, "failed_shards": shards}
    return Refused(400, "search_phase_execution_exception", "all shards failed", details, root=root)


def unreadable(error: ValueError) -> Refused:
    """A body, or a line of a bulk, that is no JSON."""
    return Refused(400, "x_content_parse_exception", str(error), cause=Refused(400, "json_parse_exception", str(error)))
