"""An S3 inside this process: moto's server, in memory, for tests and for a person without object storage."""

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import boto3
from botocore.config import Config
from typing_extensions import Self

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef
    from werkzeug.serving import BaseWSGIServer

ACCESS_KEY = "local"
SECRET_KEY = "local-secret"  # noqa: S105  # of servers that only this machine reaches
REGION = "us-east-1"

_DELETED_AT_ONCE = 1_000
"""No request may name more keys."""

_one_a_process = threading.Lock()


class MotoNotFoundError(RuntimeError):
    """Moto, or what its server is made of, is not installed."""


class Endpoint:
    """An S3 server of this machine as its clients see it, in this process and in others.

    Args:
        url: where it listens.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment so that its S3 clients come here."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,  # the only name that boto3 knows
            "AWS_ENDPOINT_URL_S3": self.url,
        }

    def client(self) -> "S3Client":
        """A new client that asks once: no failure is hidden by a second try."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                connect_timeout=5,
                read_timeout=30,
            ),
        )

    def create_bucket(self, name: str) -> None:
        """Make an empty bucket; the name must not be taken yet."""
        self.client().create_bucket(Bucket=name)


class EmbeddedS3(Endpoint):
    """An S3 on a free port of 127.0.0.1, for clients in this and in other processes, until ``close``.

    It has much of S3, and checks neither signatures nor checksums; where its multipart uploads differ from a real
    server's stands in ``tests/servers/embedded/test_s3.py``. All is kept in memory, parts and objects of 5 MiB and more
    in temporary files, and an object of parts twice, as long as it is there: a long run calls ``keep_newest``.

    There is one a process at a time, since moto keeps its buckets in global variables.
    """

    def __init__(self) -> None:
        """Start it, without buckets.

        Raises:
            MotoNotFoundError: moto is not installed.
            RuntimeError: there is another in this process that is not closed.
        """
        if not _one_a_process.acquire(blocking=False):
            raise RuntimeError("there is one embedded S3 a process, and another is not closed")
        try:
            self._server = _new_server()
        except BaseException:
            _one_a_process.release()
            raise
        super().__init__(f"http://127.0.0.1:{self._server.port}")
        # Moto's own thread would take up to half a second to end.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def count(self, bucket: str) -> int:
        """How many objects are in a bucket."""
        return len(self._objects(bucket))

    def keep_newest(self, bucket: str, objects: int) -> int:
        """Remove all objects of a bucket but so many; their memory is free then.

        The newest are those changed last; of the same second, for moto tells no more, those whose keys sort last.

        Returns:
            How many were removed.
        """
        newest_first = sorted(self._objects(bucket), key=lambda one: (one["LastModified"], one["Key"]), reverse=True)
        old = newest_first[objects:]
        client = self.client()
        for start in range(0, len(old), _DELETED_AT_ONCE):
            keys = [one["Key"] for one in old[start : start + _DELETED_AT_ONCE]]
            client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
        return len(old)

    def close(self) -> None:
        """Stop it; all its data is gone. A second call does nothing."""
        if self._thread.is_alive():
            with urlopen(Request(f"{self.url}/moto-api/reset", method="POST"), timeout=30):  # noqa: S310
                pass
            self._server.shutdown()
            self._thread.join()
            _one_a_process.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _objects(self, bucket: str) -> "list[ObjectTypeDef]":
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [found for page in pages for found in page.get("Contents", [])]


def _new_server() -> "BaseWSGIServer":
    """Moto's server on a free port, not yet serving, made quiet and forgetful."""
    try:
        # Not at the top, for they take a while, and who only needs an `Endpoint` does without.
        import moto.s3.models  # noqa: F401, PLC0415  # so that its models are among those below
        from moto.core.model_instances import model_data  # noqa: PLC0415
        from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server  # noqa: PLC0415
    except ImportError as error:
        raise MotoNotFoundError(
            f"the embedded S3 needs moto and its server ({error}): pip install 'moto[s3]' flask flask-cors"
        ) from error
    # A line for every request, and a traceback for what moto answers with 500.
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    # For its dashboard moto remembers every object, part and upload that ever was, with all its bytes and files.
    for model in model_data["s3"].values():
        model.instances_tracked = deque(maxlen=0)  # type: ignore[attr-defined]
    application = DomainDispatcherApplication(create_backend_app)
    return make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
