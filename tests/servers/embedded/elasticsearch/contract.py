"""Requests and expectations that the tests of the stand-in share. Most tests run on the real server, too."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from elasticsearch import ApiError, Elasticsearch

Json = dict[str, Any]

MALFORMED = "document_parsing_exception"
STRICT = "strict_dynamic_mapping_exception"
CONFLICT = "version_conflict_engine_exception"
ILLEGAL = "illegal_argument_exception"
INVALID = "action_request_validation_exception"
MISSING = "index_not_found_exception"
BAD_NAME = "invalid_index_name_exception"
BAD_MAPPING = "mapper_parsing_exception"
NO_JSON = "x_content_parse_exception"


def client(url: str) -> Elasticsearch:
    return Elasticsearch(url, request_timeout=60, max_retries=0)


def lines(*values: Any) -> bytes:
    """The body of a bulk: bytes as they are, everything else as JSON."""
    return b"".join((value if isinstance(value, bytes) else orjson.dumps(value)) + b"\n" for value in values)


def bulk(es: Elasticsearch, index: str | None, body: bytes, **parameters: Any) -> Any:
    return es.bulk(index=index, operations=body, **parameters)  # type: ignore[arg-type]  # it takes bytes, too


def write(es: Elasticsearch, index: str, *documents: Any) -> list[Any]:
    """Index documents with the ids 0, 1, ...; the outcomes."""
    pairs = (({"index": {"_id": str(id_)}}, document) for id_, document in enumerate(documents))
    return outcomes(bulk(es, index, lines(*(line for pair in pairs for line in pair))))


def count(es: Elasticsearch, index: str) -> int:
    es.indices.refresh(index=index)
    return int(es.count(index=index)["count"])


def outcomes(answer: Any) -> list[Any]:
    """Status and error type of each item; only the status of those without an error."""
    items = [item for action in answer["items"] for item in action.values()]
    return [(item["status"], item["error"]["type"]) if "error" in item else item["status"] for item in items]


def refusal(call: Callable[[], object]) -> tuple[int, str]:
    """Status and error type of a request that must be refused."""
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value.status_code, caught.value.body["error"]["type"]
