"""The dataflow as a process of its own, started as a user would start it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

DATAFLOW = "dataflows.ratings"
_PROJECT = Path(__file__).resolve().parents[1]

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_METRICS_SECONDS = 5.0
_TAIL_LINES, _TAIL_BYTES = 30, 16_384

_HELD = "join_held"

_PASSED_ON = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV", "DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH")
"""What the job gets of our environment. Not its settings: those of a shell that is set up for somebody's own Kafka
would send generated data there."""


class JobError(RuntimeError):
    """The job did not start, did not answer, or ended when it should not, or not as it should."""


class Job:
    """Runs the dataflow on the Kafka of ``bootstrap``, with its recovery store and its log in ``folder``.

    It is in a session of its own, so that the terminal's Ctrl-C reaches only us. Leaving the context kills it where
    ``stop`` has not stopped it.
    """

    def __init__(
        self, bootstrap: str, folder: Path, settings: Mapping[str, str] | None = None, dataflow: str = DATAFLOW
    ) -> None:
        """Start the job, with these settings beside, and wait until it answers.

        Raises:
            JobError: it ended, or did not answer within 60 s.
        """
        self.log = folder / "job.log"
        self._port = _free_port()
        self._environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "BYTEWAX_DATAFLOW_API_ENABLED": "1",
            "BYTEWAX_DATAFLOW_API_PORT": str(self._port),
            "BYTEWAX_DATAFLOW_API_CACHE_PATH": str(folder),
            "PYTHONUNBUFFERED": "1",
            **(settings or {}),
        }
        recovery = folder / "recovery"
        recovery.mkdir()
        with self.log.open("wb") as log:
            self._make_recovery_partition(recovery, log.fileno())
            self._process = self._start(
                ["bytewax.run", dataflow, "-r", str(recovery), "-s", "1", "-b", "0"], log.fileno()
            )
        try:
            self._wait_for_answer()
        except BaseException:
            self._kill()
            raise

    def check(self) -> None:
        """See that the job runs.

        Raises:
            JobError: it has ended; the message holds the end of its log.
        """
        if (code := self._process.poll()) is not None:
            raise JobError(f"the job ended with exit code {code}; the end of its log:\n{self._tail()}")

    def held(self) -> int:
        """Ask the job how many ratings it holds for want of their customers.

        Raises:
            JobError: its metrics cannot be read within 5 s, or lack the number.
        """
        numbers = [
            float(line.rpartition(" ")[2])
            for line in self._metrics().splitlines()
            if line.startswith((f"{_HELD} ", f"{_HELD}{{"))
        ]
        if not numbers:
            raise JobError(f"the job's metrics have no {_HELD}")
        return int(sum(numbers))

    def stop(self) -> None:
        """Stop the job as an operator would, by SIGTERM: it makes a last snapshot and exits with 0.

        Raises:
            JobError: its exit code was another, or it was not done within 30 s and was killed.
        """
        self._process.terminate()
        try:
            code = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            raise JobError(f"the job did not end within {_STOP_SECONDS:.0f} s of SIGTERM and was killed") from None
        if code:
            raise JobError(f"the job ended with exit code {code} on SIGTERM; the end of its log:\n{self._tail()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()

    def _make_recovery_partition(self, folder: Path, log: int) -> None:
        process = self._start(["bytewax.recovery", str(folder), "1"], log)
        try:
            code = process.wait(_START_SECONDS)
        except BaseException:
            process.kill()
            raise
        if code:
            raise JobError(f"the recovery store cannot be made: exit code {code}:\n{self._tail()}")

    def _start(self, module: list[str], log: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=_PROJECT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def _wait_for_answer(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            self.check()
            try:
                self._metrics()
            except JobError as error:
                if time.monotonic() > deadline:
                    raise JobError(f"the job did not come up within {_START_SECONDS:.0f} s: {error}") from None
                time.sleep(0.1)
            else:
                return

    def _metrics(self) -> str:
        # No proxy: urllib would ask one that the environment names.
        connection = HTTPConnection("127.0.0.1", self._port, timeout=_METRICS_SECONDS)
        try:
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, HTTPException) as error:
            raise JobError(f"the job's metrics cannot be read: {error}") from None
        finally:
            connection.close()
        if response.status != 200:
            raise JobError(f"the job's metrics cannot be read: HTTP {response.status}: {text[:200]}")
        return text

    def _kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _tail(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(f"  | {line}" for line in lines[-_TAIL_LINES:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
