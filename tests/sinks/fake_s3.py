"""boto3's client of S3, as far as the sink uses it, in memory: for schedules and faults that no server makes."""

# ruff: noqa: N803

import hashlib
from collections.abc import Callable
from threading import RLock
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError


def client_error(code: str, status: int, operation: str = "Operation") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "said so"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        operation,
    )


class FakeS3:
    """Keeps parts by upload. `equal_parts` is Cloudflare R2's rule: all parts but the last have one size.

    `fault(operation, arguments)` is called before each request and may raise.
    """

    def __init__(
        self, *, equal_parts: bool = False, fault: Callable[[str, dict[str, Any]], None] = lambda *_: None
    ) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self.fault = fault
        self.calls: list[str] = []
        self._equal_parts = equal_parts
        self._begun = 0
        self._lock = RLock()

    def client(self) -> Any:
        return self

    def create_multipart_upload(self, *, Bucket: str, Key: str, ContentType: str, **_: str) -> dict[str, Any]:
        with self._request("create_multipart_upload", Bucket=Bucket, Key=Key):
            self._begun += 1
            self.uploads[f"upload-{self._begun}"] = f"{Bucket}/{Key}", {}
            return {"UploadId": f"upload-{self._begun}"}

    def upload_part(self, *, Bucket: str, Key: str, UploadId: str, PartNumber: int, Body: bytes) -> dict[str, Any]:
        if not isinstance(Body, bytes):
            raise ParamValidationError(report=f"Invalid type for parameter Body, value: {Body!r}")
        with self._request("upload_part", Bucket=Bucket, Key=Key, UploadId=UploadId, PartNumber=PartNumber):
            self._parts(Bucket, Key, UploadId)[PartNumber] = Body
            return {"ETag": hashlib.md5(Body).hexdigest()}  # noqa: S324

    def complete_multipart_upload(
        self, *, Bucket: str, Key: str, UploadId: str, MultipartUpload: dict[str, list[dict[str, Any]]]
    ) -> dict[str, Any]:
        with self._request("complete_multipart_upload", Bucket=Bucket, Key=Key, UploadId=UploadId):
            parts = self._parts(Bucket, Key, UploadId)
            content = []
            for part in MultipartUpload["Parts"]:
                data = parts.get(part["PartNumber"])
                if data is None or hashlib.md5(data).hexdigest() != part["ETag"]:  # noqa: S324
                    raise client_error("InvalidPart", 400)
                content.append(data)
            if self._equal_parts and (
                len({len(data) for data in content[:-1]}) > 1 or len(content[-1]) > len(content[0])
            ):
                raise client_error("InvalidPart", 400)
            self.objects[f"{Bucket}/{Key}"] = b"".join(content)
            del self.uploads[UploadId]
            return {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str, **_: str) -> dict[str, Any]:
        with self._request("put_object", Bucket=Bucket, Key=Key):
            self.objects[f"{Bucket}/{Key}"] = Body
            return {}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        with self._request("head_object", Bucket=Bucket, Key=Key):
            if f"{Bucket}/{Key}" not in self.objects:
                raise client_error("404", 404)
            return {"ContentLength": len(self.objects[f"{Bucket}/{Key}"])}

    def list_multipart_uploads(self, *, Bucket: str, Prefix: str) -> dict[str, Any]:
        with self._request("list_multipart_uploads", Bucket=Bucket, Key=Prefix):
            place = f"{Bucket}/{Prefix}"
            found = [(upload, key) for upload, (key, _) in self.uploads.items() if key.startswith(place)]
            return {"Uploads": [{"Key": key[len(Bucket) + 1 :], "UploadId": upload} for upload, key in found]}

    def abort_multipart_upload(self, *, Bucket: str, Key: str, UploadId: str) -> dict[str, Any]:
        with self._request("abort_multipart_upload", Bucket=Bucket, Key=Key, UploadId=UploadId):
            self._parts(Bucket, Key, UploadId)
            del self.uploads[UploadId]
            return {}

    def remove_uploads(self) -> int:
        """What a lifecycle rule does; how many there were."""
        with self._lock:
            removed = len(self.uploads)
            self.uploads.clear()
            return removed

    def _request(self, operation: str, **arguments: Any) -> Any:
        self.fault(operation, arguments)
        self.calls.append(operation)
        return self._lock

    def _parts(self, bucket: str, key: str, upload: str) -> dict[int, bytes]:
        place, parts = self.uploads.get(upload, ("", {}))
        if place != f"{bucket}/{key}":
            raise client_error("NoSuchUpload", 404)
        return parts
