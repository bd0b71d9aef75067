"""How the embedded S3 and a real one answer to what a sink of multipart uploads asks. 200 is success; nothing retried.

| asked | embedded | real (versitygw) |
|---|---|---|
| get, head of no such key | 404 NoSuchKey, 404 "404": a HEAD has no body to say more | same |
| anything in no such bucket | 404 NoSuchBucket | same |
| delete of no such key | 204 | same |
| create_bucket again | 200 | 409 BucketAlreadyOwnedByYou |
| put, If-None-Match: * | 200; 412 PreconditionFailed where there is an object | same |
| put, wrong Content-MD5 or CRC32 | **200** | 400 BadDigest |
| wrong secret | **200** | 403 SignatureDoesNotMatch |
| put `a/b` beside `a` | 200 | **409 ObjectParentIsFile** |
| upload_part, same number again | 200, the later one counts | same |
| complete, parts in order, some left out | 200 | same |
| complete, a part missing or its ETag replaced since | 400 InvalidPart, the upload stays | same |
| complete, parts out of order | **200, in that order** | 400 InvalidPartOrder |
| complete, a part under 5 MiB before the last | 400 EntityTooSmall, the upload stays | same |
| complete, no parts | 400 MalformedXML, the upload stays | same |
| complete, If-None-Match: * | 200; 412 PreconditionFailed where there is an object, and the upload stays | same |
| complete of an upload under another key | **200, under the upload's own key** | 404 NoSuchUpload |
| complete again | 200, same ETag, nothing written; If-None-Match makes no difference | same |
| complete again, object overwritten | **500** | 200, the new object stays |
| complete again, object deleted | **500** | 404 NoSuchUpload |
| complete after abort, or of no such upload | **500** | 404 NoSuchUpload |
| upload_part after complete or abort | **500** | 404 NoSuchUpload |
| list_parts, abort after complete or abort | 404 NoSuchUpload | same |
| list_multipart_uploads by prefix, by exact key | those whose keys begin so: `a/1` finds `a/10`, too | same |
| their order | **as they were created** | by key |
| their pages | all in one page, whatever MaxUploads says | **400 InvalidArgument for the second page** |
| open uploads after a kill | gone | there, with their parts: tests/servers/test_s3.py |

A 500 of the embedded one has the code "500". Of other servers it is known that MinIO answers a second complete with
404 NoSuchUpload, a second abort with 204, and lists uploads by exact key only.
"""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from servers.embedded import s3 as module
from servers.embedded.s3 import ACCESS_KEY, REGION, EmbeddedS3, Endpoint, MotoNotFoundError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

MIN_PART = 5 * 1024 * 1024

Answer = tuple[int, str]
OK: Answer = (200, "")
FAULT: Answer = (500, "500")
INVALID_PART: Answer = (400, "InvalidPart")
NO_SUCH_KEY: Answer = (404, "NoSuchKey")
NO_SUCH_UPLOAD: Answer = (404, "NoSuchUpload")
PRECONDITION_FAILED: Answer = (412, "PreconditionFailed")


@pytest.fixture
def embedded() -> Iterator[EmbeddedS3]:
    with EmbeddedS3() as embedded:
        yield embedded


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.s3)])
def server(request: pytest.FixtureRequest) -> Endpoint:
    server: Endpoint = request.getfixturevalue({"embedded": "embedded", "real": "s3"}[request.param])
    return server


@pytest.fixture
def bucket(server: Endpoint, topics: Callable[[str], str]) -> "Bucket":
    name = topics("ratings")
    server.create_bucket(name)
    return Bucket(server, name)


def answer(call: Callable[..., Any], **arguments: Any) -> Answer:
    """The status of a call, and the code of its error."""
    try:
        status: int = call(**arguments)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return status, ""


class Bucket:
    """A bucket of one of the two, with short names for what is asked of it."""

    def __init__(self, server: Endpoint, name: str) -> None:
        self.real = not isinstance(server, EmbeddedS3)
        self.name = name
        self.client: S3Client = server.client()

    def ask(self, operation: str, **arguments: Any) -> Answer:
        return answer(getattr(self.client, operation), Bucket=self.name, **arguments)

    def put(self, key: str, body: bytes = b"x", **arguments: Any) -> Answer:
        return self.ask("put_object", Key=key, Body=body, **arguments)

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def keys(self, prefix: str = "", size: int = 1_000) -> list[list[str]]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix, PaginationConfig={"PageSize": size}
        )
        return [[found["Key"] for found in page.get("Contents", [])] for page in pages]

    def uploads(self, prefix: str) -> list[str]:
        found = self.client.list_multipart_uploads(Bucket=self.name, Prefix=prefix)
        return [upload["Key"] for upload in found.get("Uploads", [])]

    def upload(self, key: str) -> "Upload":
        return Upload(self, key)


class Upload:
    """A multipart upload."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self.bucket = bucket
        self.key = key
        self.id = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)["UploadId"]

    def ask(self, operation: str, **arguments: Any) -> Answer:
        return self.bucket.ask(operation, **{"Key": self.key, "UploadId": self.id, **arguments})

    def part(self, number: int, body: bytes) -> "CompletedPartTypeDef":
        sent = self.bucket.client.upload_part(
            Bucket=self.bucket.name, Key=self.key, UploadId=self.id, PartNumber=number, Body=body
        )
        return {"PartNumber": number, "ETag": sent["ETag"]}

    def complete(self, *parts: "CompletedPartTypeDef", **arguments: Any) -> Answer:
        return self.ask("complete_multipart_upload", MultipartUpload={"Parts": parts}, **arguments)

    def is_open(self) -> bool:
        return self.ask("list_parts") == OK


def test_objects(bucket: Bucket) -> None:
    assert bucket.put("a/1", b"one") == OK
    assert bucket.put("a/1", b"two") == OK
    assert bucket.read("a/1") == b"two"
    assert bucket.client.head_object(Bucket=bucket.name, Key="a/1")["ContentLength"] == 3
    assert bucket.ask("delete_object", Key="a/1") == (204, "")
    assert bucket.ask("delete_object", Key="a/1") == (204, "")
    assert bucket.ask("get_object", Key="a/1") == NO_SUCH_KEY
    assert bucket.ask("head_object", Key="a/1") == (404, "404")


@pytest.mark.parametrize("operation", ["get_object", "put_object", "create_multipart_upload"])
def test_no_such_bucket(bucket: Bucket, operation: str) -> None:
    bucket.name = "no-such-bucket"
    assert bucket.ask(operation, Key="a") == (404, "NoSuchBucket")


def test_a_bucket_again(bucket: Bucket) -> None:
    assert bucket.ask("create_bucket") == ((409, "BucketAlreadyOwnedByYou") if bucket.real else OK)


def test_keys_are_listed_by_prefix_in_pages(bucket: Bucket) -> None:
    keys = ["l/date=2024-01-01/part 1+é%.parquet", *(f"l/{number}" for number in range(4))]
    for key in ["k", *keys, "lz"]:
        bucket.put(key)
    expected = sorted(keys)
    assert bucket.keys("l/", size=2) == [expected[:2], expected[2:4], expected[4:]]
    assert bucket.keys("l/date=") == [[keys[0]]]
    assert bucket.keys("none") == [[]]


def test_a_key_below_another(bucket: Bucket) -> None:
    bucket.put("a")
    assert bucket.put("a/b") == ((409, "ObjectParentIsFile") if bucket.real else OK)


def test_put_if_there_is_none(bucket: Bucket) -> None:
    assert bucket.put("a", b"one", IfNoneMatch="*") == OK
    assert bucket.put("a", b"two", IfNoneMatch="*") == PRECONDITION_FAILED
    assert bucket.read("a") == b"one"


@pytest.mark.parametrize("digest", [{"ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, {"ChecksumCRC32": "AAAAAA=="}])
def test_wrong_digests(bucket: Bucket, digest: dict[str, str]) -> None:
    assert bucket.put("a", b"abc", **digest) == ((400, "BadDigest") if bucket.real else OK)


def test_a_wrong_secret(server: Endpoint) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key="wrong",  # noqa: S106
        config=Config(retries={"total_max_attempts": 1}),
    )
    refused = not isinstance(server, EmbeddedS3)
    assert answer(client.list_buckets) == ((403, "SignatureDoesNotMatch") if refused else OK)


def test_parts_out_of_order_and_again(bucket: Bucket) -> None:
    upload = bucket.upload("a")
    second = upload.part(2, b"B" * 10)
    upload.part(1, b"0" * MIN_PART)
    first = upload.part(1, b"A" * MIN_PART)
    assert bucket.ask("get_object", Key="a") == NO_SUCH_KEY
    assert bucket.keys() == [[]]
    assert upload.complete(first, second) == OK
    assert bucket.read("a") == b"A" * MIN_PART + b"B" * 10


# Uploaded are 1 (5 MiB, and again), 2 (5 MiB) and 3 (5 bytes). 0 stands for what 1 was at first, 4 was never there.
COMPLETIONS: list[tuple[str, list[int], Answer, Answer]] = [
    # what is completed, embedded, real
    ("all", [1, 2, 3], OK, OK),
    ("some", [1, 3], OK, OK),
    ("the last, which is small", [3], OK, OK),
    ("missing at the end", [1, 2, 4], INVALID_PART, INVALID_PART),
    ("missing alone", [4], INVALID_PART, INVALID_PART),
    ("replaced", [0, 2, 3], INVALID_PART, INVALID_PART),
    ("out of order", [2, 1, 3], OK, (400, "InvalidPartOrder")),
    ("small before the last", [3, 1], (400, "EntityTooSmall"), (400, "EntityTooSmall")),
    ("none", [], (400, "MalformedXML"), (400, "MalformedXML")),
]


@pytest.mark.parametrize(
    ("numbers", "embedded_says", "real_says"),
    [pytest.param(*row[1:], id=row[0]) for row in COMPLETIONS],
)
def test_complete(bucket: Bucket, numbers: list[int], embedded_says: Answer, real_says: Answer) -> None:
    upload = bucket.upload("a")
    parts = [upload.part(1, b"0" * MIN_PART)]
    parts += [upload.part(number, str(number).encode() * size) for number, size in ((1, MIN_PART), (2, MIN_PART))]
    parts.append(upload.part(3, b"small"))
    parts.append({"PartNumber": 4, "ETag": parts[-1]["ETag"]})
    expected = real_says if bucket.real else embedded_says
    assert upload.complete(*(parts[number] for number in numbers)) == expected
    assert upload.is_open() == (expected != OK)
    assert bucket.ask("head_object", Key="a") == (OK if expected == OK else (404, "404"))


def test_complete_if_there_is_none(bucket: Bucket) -> None:
    first, second = bucket.upload("a"), bucket.upload("a")
    one, two = first.part(1, b"one"), second.part(1, b"two")
    assert first.complete(one, IfNoneMatch="*") == OK
    assert second.complete(two, IfNoneMatch="*") == PRECONDITION_FAILED
    assert bucket.read("a") == b"one"
    assert second.is_open()
    assert second.complete(two) == OK
    assert bucket.read("a") == b"two"


def test_complete_under_another_key(bucket: Bucket) -> None:
    upload = bucket.upload("a")
    assert upload.complete(upload.part(1, b"one"), Key="b") == (NO_SUCH_UPLOAD if bucket.real else OK)
    assert bucket.keys() == ([[]] if bucket.real else [["a"]])


COMPLETE, COMPLETE_NEW = "complete", "complete if there is none"
UPLOAD_PART, LIST_PARTS, ABORT = "upload_part", "list_parts", "abort_multipart_upload"

AFTERWARDS: list[tuple[str, str, Answer, Answer]] = [
    # what had become of the upload, what is asked then, embedded, real
    ("completed", COMPLETE, OK, OK),
    ("completed", COMPLETE_NEW, OK, OK),
    ("completed", UPLOAD_PART, FAULT, NO_SUCH_UPLOAD),
    ("completed", LIST_PARTS, NO_SUCH_UPLOAD, NO_SUCH_UPLOAD),
    ("completed", ABORT, NO_SUCH_UPLOAD, NO_SUCH_UPLOAD),
    ("overwritten", COMPLETE, FAULT, OK),
    ("overwritten", COMPLETE_NEW, PRECONDITION_FAILED, OK),
    ("deleted", COMPLETE, FAULT, NO_SUCH_UPLOAD),
    ("aborted", COMPLETE, FAULT, NO_SUCH_UPLOAD),
    ("aborted", COMPLETE_NEW, FAULT, NO_SUCH_UPLOAD),
    ("aborted", UPLOAD_PART, FAULT, NO_SUCH_UPLOAD),
    ("aborted", LIST_PARTS, NO_SUCH_UPLOAD, NO_SUCH_UPLOAD),
    ("aborted", ABORT, NO_SUCH_UPLOAD, NO_SUCH_UPLOAD),
    ("unknown", COMPLETE, FAULT, NO_SUCH_UPLOAD),
    ("unknown", UPLOAD_PART, FAULT, NO_SUCH_UPLOAD),
    ("unknown", LIST_PARTS, NO_SUCH_UPLOAD, NO_SUCH_UPLOAD),
    ("unknown", ABORT, NO_SUCH_UPLOAD, NO_SUCH_UPLOAD),
]


@pytest.mark.parametrize(("fate", "asked", "embedded_says", "real_says"), AFTERWARDS)
def test_afterwards(bucket: Bucket, fate: str, asked: str, embedded_says: Answer, real_says: Answer) -> None:
    upload = bucket.upload("a")
    part = upload.part(1, b"one")
    if fate in ("completed", "overwritten", "deleted"):
        assert upload.complete(part) == OK
    match fate:
        case "overwritten":
            bucket.put("a", b"other")
        case "deleted":
            bucket.ask("delete_object", Key="a")
        case "aborted":
            assert upload.ask(ABORT) == (204, "")
        case "unknown":
            upload.id = "b0a0c0de"
    left = {"completed": b"one", "overwritten": b"other"}.get(fate)
    match asked:
        case "complete":
            said = upload.complete(part)
        case "complete if there is none":
            said = upload.complete(part, IfNoneMatch="*")
        case "upload_part":
            said = upload.ask(asked, PartNumber=1, Body=b"two")
        case _:
            said = upload.ask(asked)
    assert said == (real_says if bucket.real else embedded_says)
    if left is None:
        assert bucket.ask("get_object", Key="a") == NO_SUCH_KEY
    else:
        assert bucket.read("a") == left


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("up/", ["up/a/1", "up/a/1", "up/a/10", "up/b/1"]),
        ("up/a/", ["up/a/1", "up/a/1", "up/a/10"]),
        ("up/a/1", ["up/a/1", "up/a/1", "up/a/10"]),
        ("up/b/1", ["up/b/1"]),
        ("up/c", []),
        ("", ["up/a/1", "up/a/1", "up/a/10", "up/b/1", "v/1"]),
    ],
)
def test_open_uploads_are_listed(bucket: Bucket, prefix: str, found: list[str]) -> None:
    for key in ("v/1", "up/a/10", "up/a/1", "up/b/1", "up/a/1"):
        bucket.upload(key)
    done = bucket.upload("up/a/1")
    done.complete(done.part(1, b"one"))
    bucket.upload("up/b/1").ask(ABORT)
    uploads = bucket.uploads(prefix)
    assert (uploads if bucket.real else sorted(uploads)) == found


def test_pages_of_open_uploads(bucket: Bucket) -> None:
    for number in range(3):
        bucket.upload(f"a/{number}")
    first = bucket.client.list_multipart_uploads(Bucket=bucket.name, MaxUploads=2)
    assert [upload["Key"] for upload in first["Uploads"]] == ["a/0", "a/1", "a/2"][: 2 if bucket.real else 3]
    assert first["IsTruncated"] == bucket.real
    if bucket.real:
        markers = {"KeyMarker": first["NextKeyMarker"], "UploadIdMarker": first["NextUploadIdMarker"]}
        assert bucket.ask("list_multipart_uploads", **markers) == (400, "InvalidArgument")


def test_other_processes_reach_it(server: Endpoint, bucket: Bucket) -> None:
    program = f"import boto3; boto3.client('s3').put_object(Bucket='{bucket.name}', Key='a', Body=b'from afar')"
    subprocess.run([sys.executable, "-c", program], env={**os.environ, **server.environment}, check=True, timeout=60)
    assert bucket.read("a") == b"from afar"


def test_the_newest_are_kept(embedded: EmbeddedS3) -> None:
    embedded.create_bucket("ratings")
    bucket = Bucket(embedded, "ratings")
    for number in range(5):
        bucket.put(f"{number}")
    assert embedded.count("ratings") == 5
    time.sleep(1.1)
    bucket.put("0")
    assert embedded.keep_newest("ratings", 3) == 2
    assert bucket.keys() == [["0", "3", "4"]]
    assert embedded.keep_newest("ratings", 3) == 0


def test_several_requests_remove(embedded: EmbeddedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DELETED_AT_ONCE", 2)
    embedded.create_bucket("ratings")
    bucket = Bucket(embedded, "ratings")
    for number in range(7):
        bucket.put(f"{number}")
    assert embedded.keep_newest("ratings", 2) == 5
    assert bucket.keys() == [["5", "6"]]


def test_what_was_removed_takes_no_memory(embedded: EmbeddedS3) -> None:
    from moto.s3.models import FakeKey  # noqa: PLC0415  # an object, or a part of one

    def objects_and_parts() -> int:
        gc.collect()  # a request that failed leaves a cycle
        return sum(isinstance(found, FakeKey) for found in gc.get_objects())

    others = objects_and_parts()  # of earlier tests
    embedded.create_bucket("ratings")
    bucket = Bucket(embedded, "ratings")
    for number in range(5):
        upload = bucket.upload(f"{number}")
        upload.part(1, b"0" * MIN_PART)
        upload.complete(upload.part(1, b"A" * MIN_PART), upload.part(2, b"B"))
        aborted = bucket.upload("aborted")
        aborted.part(1, b"A")
        aborted.ask(ABORT)
    assert embedded.keep_newest("ratings", 2) == 3
    deadline = time.monotonic() + 10  # until the threads of the last requests are gone
    while (kept := objects_and_parts() - others) > 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert kept == 6, "two objects, two parts each"


def test_there_is_one_a_process(embedded: EmbeddedS3) -> None:
    with pytest.raises(RuntimeError, match="another is not closed"):
        EmbeddedS3()
    assert embedded.client().list_buckets()["Buckets"] == []


def test_closed_is_closed_and_the_next_is_empty() -> None:
    first = EmbeddedS3()
    first.create_bucket("ratings")
    first.close()
    first.close()
    with EmbeddedS3() as second:
        assert second.client().list_buckets()["Buckets"] == []
        assert first.url != second.url


def test_it_is_quiet() -> None:
    program = """if True:
        from servers.embedded.s3 import EmbeddedS3
        with EmbeddedS3() as s3:
            s3.create_bucket("ratings")
            try:
                s3.client().upload_part(Bucket="ratings", Key="a", UploadId="none", PartNumber=1)
            except s3.client().exceptions.ClientError as error:
                print(error.response["Error"]["Code"])
        """
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "500\n", "")


def test_without_moto(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "moto.moto_server.werkzeug_app", None)
        with pytest.raises(MotoNotFoundError, match=r"pip install 'moto\[s3\]'"):
            EmbeddedS3()
    EmbeddedS3().close()
