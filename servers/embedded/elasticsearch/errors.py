"""Errors as Elasticsearch reports them: a status, a type and a reason."""

from typing import Any


class Refused(Exception):
    """A request, or one item of a bulk, that is answered with an error.

    Args:
        status: HTTP status of the answer or of the item.
        kind: the error's ``type``, such as ``version_conflict_engine_exception``.
        reason: why, for a person.
        cause: the error that is reported as ``caused_by``.
    """

    def __init__(self, status: int, kind: str, reason: str, cause: "Refused | None" = None) -> None:
        super().__init__(f"{kind}: {reason}")
        self.status = status
        self._head = {"type": kind, "reason": reason}
        self._cause = cause

    def error(self) -> dict[str, Any]:
        """The error as a part of a bulk's item."""
        return {**self._head, "caused_by": self._cause.error()} if self._cause else self._head

    def body(self) -> dict[str, Any]:
        """The error as the answer to a request."""
        return {"error": {"root_cause": [self._head], **self.error()}, "status": self.status}


def unknown(what: str) -> Refused:
    """The real server may know this; the stand-in does not."""
    return Refused(501, "embedded_exception", f"the embedded Elasticsearch does not know {what}")


def illegal_argument(reason: str) -> Refused:
    """A request with a wrong argument."""
    return Refused(400, "illegal_argument_exception", reason)


def invalid_request(*problems: str) -> Refused:
    """A request that is understood, but cannot be carried out for these reasons."""
    numbered = "".join(f"{number}: {problem};" for number, problem in enumerate(problems, 1))
    return Refused(400, "action_request_validation_exception", f"Validation Failed: {numbered}")


def unreadable(error: ValueError) -> Refused:
    """A body, or a line of a bulk, that is no JSON."""
    return Refused(400, "x_content_parse_exception", str(error), Refused(400, "json_parse_exception", str(error)))
