"""Whether a document or the cluster is at fault when Elasticsearch refuses the document. Pure.

Only a fault of the document makes a dead letter; these faults are listed here. For all other faults, and for errors
that are new to us, the document waits: the log shows a wait, nothing shows a lost document.
"""

import re
from typing import Literal

Verdict = Literal["document", "stale", "stop", "wait"]
"""``document``: it will never be taken; ``stale``: a newer one is there; ``stop``: somebody has to act before any is
taken; ``wait``: it may be taken later."""

_DOCUMENT = frozenset(
    {
        "document_parsing_exception",
        "mapper_parsing_exception",
        "strict_dynamic_mapping_exception",
        "not_x_content_exception",  # with status 500: the body is no JSON object
        "invalid_index_name_exception",
        "fail_processor_exception",  # an ingest pipeline whose author refuses it
        # Of a whole request, because of one of its documents: an id of more than 512 bytes, a version out of range.
        "action_request_validation_exception",
        "x_content_parse_exception",
    }
)

_OF_THE_INDEX = re.compile(r"Limit of total fields|Failed to parse mapping")
"""Reasons with one of these types that are about the index all the same."""

_ARGUMENTS = re.compile(
    r"_id is specified it must not be empty|id is too long|\] is too long, must be no longer than"
    r"|immense term|found extra data after parsing|Malformed action/metadata line"
    r"|can't merge a non object mapping|can't merge an object mapping|cannot be changed from type"
)
"""Reasons of an ``illegal_argument_exception`` that are about the document; most others are about the index."""


def judge(status: int, kind: str, reason: str) -> Verdict:
    """Judge a refusal by its HTTP status, Elasticsearch's type of error, and the reason in words."""
    if kind == "version_conflict_engine_exception":
        return "stale"
    if kind in _DOCUMENT and not _OF_THE_INDEX.search(reason):
        return "document"
    if kind == "illegal_argument_exception" and _ARGUMENTS.search(reason):
        return "document"
    if kind == "index_not_found_exception":
        return "stop"
    if status in {401, 403} and kind != "cluster_block_exception":
        return "stop"
    return "wait"
