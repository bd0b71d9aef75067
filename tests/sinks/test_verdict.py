"""Whose fault a refusal is, for what a real Elasticsearch 8.18.8 answers, word for word where it was seen."""

import pytest

from sinks.elasticsearch.verdict import Verdict, judge

ILLEGAL = "illegal_argument_exception"
PARSING = "document_parsing_exception"

ANSWERS: list[tuple[int, str, str, Verdict]] = [
    # What somebody can mend at the cluster.
    (400, "index_closed_exception", "closed", "wait"),
    (403, "cluster_block_exception", "index [i] blocked by: [FORBIDDEN/8/index write (api)];", "wait"),
    (403, "cluster_block_exception", "index [i] blocked by: [FORBIDDEN/5/index read-only (api)];", "wait"),
    (
        429,
        "cluster_block_exception",
        "index [i] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has "
        "read-only-allow-delete block; for more information, see https://www.elastic.co/guide];",
        "wait",
    ),
    (
        400,
        ILLEGAL,
        "no write index is defined for alias [al]. The write index may be explicitly disabled using "
        "is_write_index=false or the alias points to multiple indices without one being designated as a write index",
        "wait",
    ),
    (400, ILLEGAL, "only write ops with an op_type of create are allowed in data streams", "wait"),
    (400, ILLEGAL, "pipeline with id [x] does not exist", "wait"),
    (
        400,
        "validation_exception",
        "Validation Failed: 1: this action would add [2] shards, but this cluster currently has [6]/[1] maximum normal "
        "shards open;",
        "wait",
    ),
    (
        400,
        PARSING,
        "[1:23] failed to parse: Limit of total fields [2] has been exceeded while adding new fields [3]",
        "wait",
    ),
    (400, "mapper_parsing_exception", "Failed to parse mapping: analyzer [a] has not been configured", "wait"),
    (400, "routing_missing_exception", "routing is required for [i]/[1]", "wait"),
    (503, "unavailable_shards_exception", "[i][0] primary shard is not active Timeout: [1m]", "wait"),
    (503, "no_shard_available_action_exception", "no shard available", "wait"),
    (429, "es_rejected_execution_exception", "rejected execution of TimedRunnable", "wait"),
    (429, "circuit_breaking_exception", "[parent] Data too large", "wait"),
    (408, "", "timeout", "wait"),
    (500, "internal", "", "wait"),
    (400, "something_that_nobody_has_seen", "why", "wait"),
    (400, ILLEGAL, "something that nobody has seen", "wait"),
    (400, "", "", "wait"),
    (404, "", "404 page not found", "wait"),
    # What stops the job.
    (403, "security_exception", "action [indices:data/write/bulk[s]] is unauthorized for API key id [k]", "stop"),
    (401, "security_exception", "unable to authenticate user [u] for REST request [/_bulk]", "stop"),
    (403, "", "Forbidden", "stop"),
    (404, "index_not_found_exception", "no such index [i] and [action.auto_create_index] is [false]", "stop"),
    (404, "index_not_found_exception", "no such index [i] and [require_alias] request flag is [true]", "stop"),
    # What is the document's own fault.
    (
        400,
        PARSING,
        "[1:7] failed to parse field [a] of type [byte] in document with id '1'. Preview of field's value: '1000': "
        "Value [1000] is out of range for a byte",
        "document",
    ),
    (400, PARSING, "[1:7] object mapping for [o] tried to parse field [o] as object, but found a value", "document"),
    (400, PARSING, "[1:28] failed to parse: data stream timestamp field [@timestamp] is missing", "document"),
    (400, PARSING, "[1:6] failed to parse: [1:11] Duplicate field 'a'", "document"),
    (400, "mapper_parsing_exception", "failed to parse field [a] of type [byte] in document with id '1'", "document"),
    (
        400,
        "strict_dynamic_mapping_exception",
        "[1:8] mapping set to strict, dynamic introduction of [zz] within [_doc] is not allowed",
        "document",
    ),
    (500, "not_x_content_exception", "Compressor detection can only be called on some xcontent bytes", "document"),
    (400, "invalid_index_name_exception", "Invalid index name [Bad Name], must be lowercase", "document"),
    (400, ILLEGAL, "if _id is specified it must not be empty", "document"),
    (400, ILLEGAL, "Malformed content, found extra data after parsing: START_OBJECT", "document"),
    (400, ILLEGAL, "can't merge a non object mapping [m] with an object mapping", "document"),
    (400, ILLEGAL, "mapper [m] cannot be changed from type [long] to [text]", "document"),
    (400, ILLEGAL, 'Document contains at least one immense term in field="k"', "document"),
    (400, ILLEGAL, "id is too long, must be no longer than 512 bytes but was: 600", "document"),
    (500, "fail_processor_exception", "refused by its author", "document"),
    (
        400,
        "action_request_validation_exception",
        "Validation Failed: 1: id [xx] is too long, must be no longer than 512 bytes but was: 600;",
        "document",
    ),
    (400, "x_content_parse_exception", "[1:73] Numeric value (9223372036854775808) out of range of long", "document"),
    # Not a fault at all.
    (409, "version_conflict_engine_exception", "[1]: version conflict, current version [9] is higher", "stale"),
]


@pytest.mark.parametrize(("status", "kind", "reason", "verdict"), ANSWERS)
def test_judge(status: int, kind: str, reason: str, verdict: Verdict) -> None:
    assert judge(status, kind, reason) == verdict
