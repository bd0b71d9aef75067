"""The real S3: what it keeps, and how it is built."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from servers import s3 as module
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


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `go` that builds at once, or fails where there is a file `fails`; nothing is built before."""
    monkeypatch.setattr(module, "BINARY", tmp_path / "cache" / "versitygw-v0")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    go = tmp_path / "go"
    go.write_text(
        '#!/bin/sh\necho "$@"\nif [ -e "$(dirname "$0")/fails" ]; then exit 1; fi\necho built > "$GOBIN/versitygw"\n'
    )
    go.chmod(0o755)
    return go


def test_it_is_built_once(go: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        built = {found.result() for found in [threads.submit(module.binary) for _ in range(4)]}
    assert built == {module.BINARY}
    assert [(found, found.read_text()) for found in module.BINARY.parent.iterdir()] == [(module.BINARY, "built\n")]
    go.with_name("fails").touch()
    assert module.binary() == module.BINARY


def test_a_failed_build_says_why_and_leaves_nothing(go: Path) -> None:
    go.with_name("fails").touch()
    with pytest.raises(RuntimeError, match=r"(?s)could not build.*\ninstall github.com/versity/versitygw"):
        module.binary()
    assert list(module.BINARY.parent.iterdir()) == []


def test_without_go(go: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.unavailable() is None
    monkeypatch.setenv("PATH", str(go.parent / "nowhere"))
    assert module.unavailable() == "the real S3 is built by Go: no `go` on the PATH"
    module.BINARY.parent.mkdir()
    module.BINARY.touch()
    assert module.unavailable() is None
