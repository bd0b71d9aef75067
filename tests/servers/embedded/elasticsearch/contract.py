"""What the tests of the embedded Elasticsearch and of the real one share: requests, and the gist of their answers."""

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
NO_JSON = "x_content_parse_exception"
PARSING = "parsing_exception"
SEARCH = "search_phase_execution_exception"

JSON_HEADERS = {"content-type": "application/json", "accept": "application/json"}


def client(url: str) -> Elasticsearch:
    return Elasticsearch(url, request_timeout=60, max_retries=0)


def lines(*values: Any) -> bytes:
    """The body of a bulk: bytes as they are, everything else as JSON."""
    return b"".join((value if isinstance(value, bytes) else orjson.dumps(value)) + b"\n" for value in values)


def bulk(es: Elasticsearch, index: str | None, body: bytes, **parameters: Any) -> Any:
    return es.bulk(index=index, operations=body, **parameters)  # type: ignore[arg-type]  # it takes bytes, too


def post(es: Elasticsearch, path: str, body: Json) -> Any:
    """A request that the client would not let us make, or not so."""
    return es.perform_request("POST", path, headers=JSON_HEADERS, body=body)


def outcomes(answer: Any) -> list[Any]:
    """Status and error type of each item; of those without an error only the status."""
    items = [item for action in answer["items"] for item in action.values()]
    return [(item["status"], item["error"]["type"]) if "error" in item else item["status"] for item in items]


def refusal(call: Callable[[], object]) -> tuple[int, str]:
    """Status and error type of a request that must be refused."""
    with pytest.raises(ApiError) as caught:
        call()
    error = caught.value.body["error"]
    return caught.value.status_code, error["type"] if isinstance(error, dict) else error
