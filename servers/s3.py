"""S3: one versitygw on a free port of 127.0.0.1, which keeps buckets as folders and objects as files."""

from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from servers.embedded.s3 import ACCESS_KEY, REGION, SECRET_KEY, Endpoint
from servers.go import VERSITYGW
from servers.process import Server, free_ports


def unavailable() -> str | None:
    """The reason why a real S3 cannot run here; None where it can."""
    return VERSITYGW.unavailable()


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
        self._process.start([str(VERSITYGW.built()), *account, *options, "posix", str(data)], self._ready)

    def _ready(self) -> bool:
        try:
            self.client().list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True
