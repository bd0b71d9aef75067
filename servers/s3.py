"""S3: one versitygw on a free port of 127.0.0.1, which keeps buckets as folders and objects as files."""

import os
import shutil
import subprocess
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from servers.embedded.s3 import ACCESS_KEY, REGION, SECRET_KEY, Endpoint
from servers.once import SERVERS, once
from servers.process import Server, free_ports

MODULE = "github.com/versity/versitygw/cmd/versitygw"
VERSION = "v1.7.0"
BINARY = SERVERS / "versitygw" / f"versitygw-{VERSION}"


def unavailable() -> str | None:
    """The reason why a real S3 cannot run here; None where it can."""
    if shutil.which("go") is None and not BINARY.exists():
        return "the real S3 is built by Go: no `go` on the PATH"
    return None


def binary() -> Path:
    """The server's executable; built at the first call, in about two minutes, at once afterwards.

    Raises:
        RuntimeError: the build failed; the message has what Go printed.
    """
    return once(BINARY, _build)


def _build(into: Path) -> Path:
    build = subprocess.run(
        ["go", "install", f"{MODULE}@{VERSION}"],
        env={**os.environ, "GOBIN": str(into)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if build.returncode:
        raise RuntimeError(f"Go could not build {MODULE} {VERSION}:\n{build.stdout}")
    return into / "versitygw"


class S3(Server, Endpoint):
    """A real S3 server that keeps everything in `folder`: data and `s3.log`.

    It can be stopped, killed and started again: on the same data, the same port. Since keys are paths of files, there
    cannot be both `a` and `a/b`.

    Args:
        folder: is made when it does not exist; on a file system with extended attributes, where metadata are kept.
    """

    def __init__(self, folder: Path) -> None:
        Server.__init__(self, "S3", folder)
        (port,) = free_ports(1)
        Endpoint.__init__(self, f"http://127.0.0.1:{port}")

    def start(self) -> None:
        """Start the server, on the data it finds; return when it answers.

        Raises:
            RuntimeError: it runs already, or it does not start; the message has the end of its log.
        """
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        account = ["--access", ACCESS_KEY, "--secret", SECRET_KEY, "--region", REGION]
        # Connections are kept open between requests, as by every large S3.
        options = ["--port", self.url.removeprefix("http://"), "--quiet", "--keep-alive"]
        self._process.start([str(binary()), *account, *options, "posix", str(data)], self._ready)

    def _ready(self) -> bool:
        try:
            self.client().list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True
