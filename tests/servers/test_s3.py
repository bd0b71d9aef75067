"""The real S3: what it keeps."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.s3 import S3

MIN_PART = 5 * 1024 * 1024


@pytest.fixture(scope="module")
def own_s3(s3_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with S3(tmp_path_factory.mktemp("own-s3")) as s3:
        yield s3


def test_what_was_acknowledged_survives_a_kill(own_s3: S3) -> None:
    own_s3.create_bucket("objects")
    client = own_s3.client()
    for number in range(100):
        client.put_object(Bucket="objects", Key=f"a/{number:02}", Body=b"%d" % number)
    own_s3.kill()
    assert not own_s3.running()
    own_s3.start()
    listed = client.list_objects_v2(Bucket="objects")["Contents"]
    assert [found["Key"] for found in listed] == [f"a/{number:02}" for number in range(100)]
    assert client.get_object(Bucket="objects", Key="a/99")["Body"].read() == b"99"


def test_an_upload_survives_a_kill_and_is_completed(own_s3: S3) -> None:
    own_s3.create_bucket("uploads")
    client = own_s3.client()
    upload = client.create_multipart_upload(Bucket="uploads", Key="a")["UploadId"]

    def part(number: int, body: bytes) -> str:
        sent = client.upload_part(Bucket="uploads", Key="a", UploadId=upload, PartNumber=number, Body=body)
        return sent["ETag"]

    first = part(1, b"A" * MIN_PART)
    part(2, b"lost")
    own_s3.kill()
    own_s3.start()
    (found,) = client.list_multipart_uploads(Bucket="uploads", Prefix="a")["Uploads"]
    assert (found["Key"], found["UploadId"]) == ("a", upload)
    listed = client.list_parts(Bucket="uploads", Key="a", UploadId=upload)["Parts"]
    assert [found["PartNumber"] for found in listed] == [1, 2]
    second = part(2, b"again")
    client.complete_multipart_upload(
        Bucket="uploads",
        Key="a",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]},
    )
    assert client.get_object(Bucket="uploads", Key="a")["Body"].read() == b"A" * MIN_PART + b"again"


def test_it_stops_and_starts_again(own_s3: S3) -> None:
    own_s3.create_bucket("stopped")
    own_s3.client().put_object(Bucket="stopped", Key="a", Body=b"one")
    own_s3.stop()
    own_s3.start()
    assert own_s3.client().get_object(Bucket="stopped", Key="a")["Body"].read() == b"one"


def test_a_failed_start_shows_the_log(s3_runs_here: None, tmp_path: Path) -> None:
    s3 = S3(tmp_path)
    host, port = s3.url.removeprefix("http://").split(":")
    with socket.socket() as taken:
        taken.bind((host, int(port)))
        with pytest.raises(RuntimeError, match=r"(?s)ended while starting.*s3.log ends with.*address already in use"):
            s3.start()
    assert not s3.running()
