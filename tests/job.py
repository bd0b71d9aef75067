"""The main job as processes, run as its users run it, for tests that stop and kill it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from servers.process import free_ports

ROOT = Path(__file__).parents[1]


class Job:
    """`python -m bytewax.run dataflows.ratings`, in one process or several, with a recovery store in `folder`."""

    def __init__(
        self, folder: Path, settings: dict[str, str], *, processes: int = 1, workers: int = 1, recovery: bool = True
    ) -> None:
        self.folder = folder
        self.log = folder / "job.log"
        # Nothing of the settings of whoever runs the tests.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "BYTEWAX_"))}
        self._environment = {**inherited, **settings}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._options: list[str] = ["-w", str(workers)] if workers > 1 else []
        if recovery:
            store = folder / "recovery"
            if not store.exists():
                store.mkdir(parents=True)
                subprocess.run([sys.executable, "-m", "bytewax.recovery", str(store), "2"], check=True, cwd=ROOT)
            self._options += ["-r", str(store), "-s", "1", "-b", "0"]
        self._count = processes

    def start(self) -> None:
        cluster = [f"127.0.0.1:{port}" for port in free_ports(self._count)]
        for process in range(self._count):
            several = ["-i", str(process), "-a", ";".join(cluster)] if self._count > 1 else []
            with self.log.open("ab") as log:
                self._processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "bytewax.run", "dataflows.ratings", *self._options, *several],
                        cwd=ROOT,
                        env=self._environment,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )

    def running(self) -> bool:
        return bool(self._processes) and all(process.poll() is None for process in self._processes)

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def stop(self, deadline: float = 40) -> list[int]:
        """SIGTERM to every process; their exit codes."""
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        return self.wait(deadline)

    def wait(self, deadline: float) -> list[int]:
        """Wait until every process has ended, and kill those that have not; their exit codes."""
        until = time.monotonic() + deadline
        try:
            return [process.wait(max(0.1, until - time.monotonic())) for process in self._processes]
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to every process, at once."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        self._processes = []

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-6000:]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
