"""The process of a server: ports, a deadline for its start, its log when it fails, its end."""

import random
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from typing_extensions import Self

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 90.0
STOP_SECONDS = 30.0


def free_ports(count: int) -> list[int]:
    """`count` different loopback ports that nobody listens on.

    They lie below the range that the kernel takes clients' ports from. A client that connects to a port
    of that range while its server is down can be given the very same port, is then connected to itself,
    and the server cannot start again.
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(range(15_000, 32_000), 1_000):  # no test's seed repeats it
        if len(found) == count:
            return found
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    raise RuntimeError("no free ports on 127.0.0.1")


class Process:
    """One server process at a time, whose output is appended to `log`; it can be started again."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            RuntimeError: it does not run.
        """
        if self._popen is None:
            raise RuntimeError(f"{self.name} does not run")
        return self._popen.pid

    def running(self) -> bool:
        """Whether it was started and has not ended, neither by us nor by itself."""
        return self._popen is not None and self._popen.poll() is None

    def start(self, command: Sequence[str], ready: Callable[[], bool]) -> None:
        """Run `command`; return when `ready()` says so.

        Raises:
            RuntimeError: it runs already; or it ended, or was not ready within START_SECONDS: the message
                has the end of its log, and nothing is left running.
        """
        if self.running():
            raise RuntimeError(f"{self.name} runs already")
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C is for us, and we stop the server in order.
            self._popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not ready():
                if not self.running():
                    raise RuntimeError(f"{self.name} ended while starting; {self.tail()}")
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} is not ready after {START_SECONDS:.0f} s; {self.tail()}")
                time.sleep(0.05)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it by SIGTERM, and by SIGKILL after STOP_SECONDS; nothing if it does not run."""
        if self._popen is None:
            return
        self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """End it by SIGKILL, as a power cut would; nothing if it does not run."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()
            self._popen = None

    def tail(self, lines: int = 40) -> str:
        """The last lines of its log, under a line that names the file."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"{self.log} ends with:\n" + "\n".join(text.splitlines()[-lines:])


class Startable(ABC):
    """What a context starts and stops."""

    @abstractmethod
    def start(self) -> None:
        """Start it; return when it serves."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it in order; it can be started again."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Server(Startable):
    """A server of one process that keeps everything in `folder`, its log in `folder/NAME.log`.

    A context starts and stops it. It can be stopped, killed and started again: on the same data, the same ports.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder.resolve()
        self.log = self.folder / f"{name.lower()}.log"
        self._process = Process(name, self.log)

    @abstractmethod
    def start(self) -> None:
        """Start it, on the data it finds; return when it serves.

        Raises:
            RuntimeError: it runs already, or it does not start; the message has the end of its log.
        """

    @property
    def pid(self) -> int:
        """Its process id; RuntimeError when it does not run."""
        return self._process.pid

    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process.running()

    def stop(self) -> None:
        """Shut it down in order (SIGTERM)."""
        self._process.stop()

    def kill(self) -> None:
        """Kill it (SIGKILL): nothing is flushed, no client is told."""
        self._process.kill()

    def tail(self) -> str:
        """The end of its log, under a line that names the file."""
        return self._process.tail()
