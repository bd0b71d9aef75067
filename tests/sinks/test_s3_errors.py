"""What errors of S3 mean: the table, and answers as they come over the wire, through boto3 and the sink."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore import exceptions
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.parsers import ResponseParserError

from servers.embedded.s3 import EmbeddedS3
from sinks import background
from sinks.s3 import LostUpload, Refused, Rolling, S3Sink
from sinks.s3.errors import Verdict, classify
from sinks.s3.formats.jsonl import JsonLines
from sinks.s3.requests import Requests
from sinks.s3.state import LaneState, Life, ObjectState, Stored, UploadState
from sinks.s3.upload import Begin, Upload
from sinks.state import encode
from tests.sinks.fake_s3 import FakeS3, client_error
from tests.sinks.s3_rows import objects_in
from tests.sinks.test_s3 import contents, make, noise, plain, rows, settle, uploads

RETRY, RENEW, LOST, FATAL = Verdict.RETRY, Verdict.RENEW, Verdict.LOST, Verdict.FATAL


@pytest.mark.parametrize(
    ("codes", "verdict"),
    [
        (["RequestTimeout", "RequestTimeTooSkewed", "SlowDown", "InternalError", "ServiceUnavailable"], RETRY),
        (["OperationAborted", "BadDigest", "IncompleteBody", "ThrottlingException", "TooManyRequests"], RETRY),
        (["KMS.ThrottlingException", "Throttling", "RequestLimitExceeded", "XAmzContentSHA256Mismatch"], RETRY),
        (["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"], RENEW),
        (["NoSuchUpload", "InvalidPart"], LOST),
        (["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AllAccessDisabled", "InvalidToken"], FATAL),
        (["NoSuchBucket", "EntityTooSmall", "EntityTooLarge", "NotImplemented", "KMS.DisabledException"], FATAL),
        (["KMS.NotFoundException", "InvalidTag", "InvalidStorageClass", "PermanentRedirect", "KeyTooLongError"], FATAL),
    ],
)
def test_a_code_says_it_whatever_the_status(codes: list[str], verdict: Verdict) -> None:
    for status in (0, 200, 301, 307, 400, 403, 404, 409, 412, 429, 500, 501, 502, 503):
        assert {code: classify(client_error(code, status)) for code in codes} == dict.fromkeys(codes, verdict), status


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ([0, 200, 307, 408, 409, 425, 429, 500, 502, 503, 504, 507, 529], RETRY),
        ([301, 302, 400, 401, 402, 403, 405, 406, 410, 411, 412, 413, 416, 422, 451, 501], FATAL),
    ],
)
def test_without_a_known_code_the_status_says_it(statuses: list[int], verdict: Verdict) -> None:
    for code in ("", "XNobodyKnows", None):
        found = {status: classify(client_error(code, status)) for status in statuses}  # type: ignore[arg-type]
        assert found == dict.fromkeys(statuses, verdict)


def test_a_bare_404_is_what_an_answer_to_head_has() -> None:
    assert classify(client_error("404", 404)) is LOST


OTHERS: list[tuple[Exception, Verdict]] = [
    (exceptions.EndpointConnectionError(endpoint_url="s3"), RETRY),
    (exceptions.ConnectTimeoutError(endpoint_url="s3"), RETRY),
    (exceptions.ReadTimeoutError(endpoint_url="s3"), RETRY),
    (exceptions.ConnectionClosedError(endpoint_url="s3"), RETRY),
    (exceptions.ProxyConnectionError(proxy_url="p"), RETRY),
    (exceptions.HTTPClientError(error="reset"), RETRY),
    (exceptions.ResponseStreamingError(error="cut"), RETRY),
    (exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2), RETRY),
    (ResponseParserError("no XML"), RETRY),
    (exceptions.NoCredentialsError(), RENEW),
    (exceptions.PartialCredentialsError(provider="env", cred_var="secret"), RENEW),
    (exceptions.CredentialRetrievalError(provider="process", error_msg="away"), RENEW),
    (exceptions.MetadataRetrievalError(error_msg="away"), RENEW),
    (exceptions.UnauthorizedSSOTokenError(), RENEW),
    (exceptions.TokenRetrievalError(provider="sso", error_msg="away"), RENEW),
    (exceptions.ParamValidationError(report="Body: None"), FATAL),
    (exceptions.NoRegionError(), FATAL),
    (exceptions.ProfileNotFound(profile="p"), FATAL),
    (exceptions.UnknownKeyError(value="v", param="p", choices="c"), FATAL),
    (exceptions.InvalidEndpointConfigurationError(msg="no"), FATAL),
    (exceptions.InvalidS3AddressingStyleError(s3_addressing_style="s"), FATAL),
    (TypeError("a fault of ours"), FATAL),
]


@pytest.mark.parametrize(("error", "verdict"), OTHERS, ids=lambda value: type(value).__name__)
def test_errors_that_are_no_answer(error: Exception, verdict: Verdict) -> None:
    assert classify(error) is verdict


# Over the wire.


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedS3]:
    with EmbeddedS3() as server:
        yield server


@pytest.fixture
def bucket(server: EmbeddedS3, topics: Callable[[str], str]) -> str:
    name = topics("bucket")
    server.create_bucket(name)
    return name


class Wire:
    """Makes clients whose requests of some operation are answered by us, the first so many times."""

    def __init__(self, server: EmbeddedS3) -> None:
        self._server = server
        self._answers: dict[str, list[tuple[int, bytes]]] = {}
        self.clients = 0
        self.asked: list[str] = []

    def answer(self, operation: str, status: int, body: bytes, times: int = 1) -> None:
        self._answers.setdefault(operation, []).extend([(status, body)] * times)

    def client(self) -> Any:
        client = self._server.client()
        self.clients += 1
        client.meta.events.register("before-send.s3", self._before_send)  # type: ignore[arg-type]  # it may answer
        return client

    def _before_send(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        operation = event_name.rpartition(".")[2]
        self.asked.append(operation)
        if not self._answers.get(operation):
            return None
        status, body = self._answers[operation].pop(0)
        return AWSResponse(request.url, status, HTTPHeaders(), Raw(body))


class Raw:
    """The body of an answer, as urllib3 has it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def xml(code: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>m</Message></Error>'.encode()


@pytest.fixture
def wire(server: EmbeddedS3, monkeypatch: pytest.MonkeyPatch) -> Wire:
    monkeypatch.setattr(background, "_LONGEST_REST", 0.05)
    return Wire(server)


@pytest.fixture
def sink(server: EmbeddedS3, bucket: str, wire: Wire) -> S3Sink:
    return replace(make(server, bucket, JsonLines()), client=wire.client, rolling=Rolling(seconds=0, rows=9_000))


def fill(lane: Any, large: bool) -> list[dict[str, Any]]:
    """One object, in parts if it is large; what must be in it."""
    batches = [noise(range(at, at + 1500)) for at in range(0, 9_000, 1500)] if large else [rows(range(10))]
    for batch in batches:
        lane.write_batch([batch])
    return plain([row for batch in batches for row in batch])


PASSING = [
    (400, xml("RequestTimeout")),
    (400, xml("ExpiredToken")),
    (403, xml("RequestTimeTooSkewed")),
    (503, xml("SlowDown")),
    (200, xml("InternalError")),
    (409, xml("OperationAborted")),
    (400, xml("IncompleteBody")),
    (429, b""),
    (502, b"<html><body><h1>502 Bad Gateway</h1></body></html>"),
    (500, b""),
    (503, b"overloaded"),
]


@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
def test_faults_that_pass_delay_and_no_more(
    server: EmbeddedS3, bucket: str, wire: Wire, sink: S3Sink, operation: str
) -> None:
    for status, body in PASSING:
        # What these answer has no body to parse: boto3 takes the status for it.
        if not (status == 200 and operation in {"PutObject", "UploadPart"}):
            wire.answer(operation, status, body)
    lane = sink.build_part("step", "0000", None)
    expected = fill(lane, large=operation != "PutObject")
    settle(lane)
    lane.close()
    assert contents(server, bucket) == expected
    assert uploads(server, bucket) == []
    assert wire.clients == 2, "one more, with fresh credentials"


@pytest.mark.parametrize(
    ("operation", "status", "body", "says"),
    [
        ("PutObject", 403, xml("AccessDenied"), "AccessDenied.*s3:PutObject"),
        ("CreateMultipartUpload", 403, xml("AccessDenied"), "AccessDenied.*s3:PutObject"),
        ("UploadPart", 403, xml("InvalidAccessKeyId"), "InvalidAccessKeyId"),
        ("PutObject", 400, xml("KMS.DisabledException"), "KMS.DisabledException"),
        ("CompleteMultipartUpload", 400, xml("EntityTooSmall"), "EntityTooSmall"),
        ("CompleteMultipartUpload", 200, xml("EntityTooSmall"), "EntityTooSmall"),
        ("UploadPart", 404, xml("NoSuchBucket"), "NoSuchBucket"),
        ("PutObject", 501, xml("NotImplemented"), "NotImplemented"),
    ],
)
def test_refusals_stop_in_one_line(
    wire: Wire, sink: S3Sink, operation: str, status: int, body: bytes, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    wire.answer(operation, status, body, times=100)
    lane = sink.build_part("step", "0000", None)
    with pytest.raises(Refused, match=says):
        fill(lane, large=operation != "PutObject")
        settle(lane)
    lane.close()
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert "\n" not in errors[0].getMessage()
    assert not errors[0].exc_info


@pytest.mark.parametrize(("status", "body"), [(403, xml("AccessDenied")), (501, xml("NotImplemented")), (503, b"")])
@pytest.mark.parametrize("operation", ["ListMultipartUploads", "AbortMultipartUpload"])
def test_what_only_tidies_up_stops_nothing(
    server: EmbeddedS3,
    bucket: str,
    wire: Wire,
    sink: S3Sink,
    operation: str,
    status: int,
    body: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    wire.answer(operation, status, body, times=1000)
    lane = replace(sink, rolling=Rolling(rows=10)).build_part("step", "0000", None)
    lane.write_batch([rows(range(100))])
    for one in objects_in(lane.snapshot(), Life.SEALED):  # as a run that died would leave them
        server.client().create_multipart_upload(Bucket=bucket, Key=one.upload.key)
    settle(lane)
    lane.write_batch([rows(range(100, 110))])
    settle(lane)
    lane.close()
    assert contents(server, bucket) == plain(rows(range(110)))
    warnings = [record.getMessage() for record in caplog.records if "s3:ListBucketMultipartUploads" in record.message]
    assert len(warnings) == (status != 503), "the right that is missing is said once"
    assert all("s3:AbortMultipartUpload" in warning for warning in warnings)


def test_a_resumed_object_needs_no_right_to_look(server: EmbeddedS3, bucket: str, wire: Wire, sink: S3Sink) -> None:
    """Where the object is not complete, or goes up in one request."""
    wire.answer("HeadObject", 403, b"", times=1000)
    for large, lane_name in ((False, "0000"), (True, "0001")):
        lane = sink.build_part("step", lane_name, None)
        expected = fill(lane, large)
        while not objects_in(state := lane.snapshot(), Life.SEALED):
            pass
        lane.close()
        lane = sink.build_part("step", lane_name, state)
        settle(lane)
        lane.close()
    assert len(contents(server, bucket)) == len(expected) + 10
    assert "HeadObject" in wire.asked


def test_an_upload_that_is_gone_and_cannot_be_looked_for_is_told() -> None:
    s3 = FakeS3(fault=lambda operation, _: deny(operation))
    sink = make(s3, "bucket", JsonLines())
    upload = UploadState("gone", "bucket", "t", rows=7, id="removed", parts=(Stored(5, "tag"), Stored(3, "tag")))
    sealed = ObjectState(Life.SEALED, upload, (None,), 0, 1, ("jsonl",), (), blocks=(), ready=(), memos=(), position=8)
    lane = sink.build_part("step", "0000", encode(LaneState("series", 1, (sealed,))))
    with pytest.raises(LostUpload, match=r"gone.*or a run before completed it.*s3:GetObject.*AccessDenied"):
        settle(lane)
    lane.close()


def deny(operation: str) -> None:
    if operation == "head_object":
        raise client_error("AccessDenied", 403)


def test_what_boto3_refuses_to_send_is_not_tried_again() -> None:
    def fault(operation: str, _: Any) -> None:
        raise exceptions.ParamValidationError(report="Invalid type for parameter Body")

    s3 = FakeS3(fault=fault)
    lane = replace(make(s3, "bucket", JsonLines()), rolling=Rolling(rows=1)).build_part("step", "0000", None)
    lane.write_batch([rows(range(1))])
    with pytest.raises(Refused, match="Invalid type for parameter Body"):
        settle(lane)
    lane.close()


def test_credentials_are_read_again_once_for_all_requests_that_failed() -> None:
    """And only for those that failed with the old ones."""
    made = list[FakeS3]()

    def fault(operation: str, _: Any) -> None:
        if len(made) == 1:
            raise client_error("ExpiredToken", 400)

    def connect() -> FakeS3:
        made.append(FakeS3(fault=fault))
        return made[-1]

    requests = Requests(connect, "bucket", extra={}, rest=lambda _attempt: 0)
    upload = Upload("key", bucket="bucket", content_type="text/plain")
    upload.add(b"a")
    assert requests.make(upload, Begin()) == "upload-1"
    assert requests.make(upload, Begin()) == "upload-2"
    assert len(made) == 2
