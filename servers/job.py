"""The main job as processes, started as its users start it: to watch it, to measure it, to stop it and to kill it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import indent

from typing_extensions import Self

from servers.process import ROOT, free_ports

RATINGS = ("bytewax.run", "dataflows.ratings")
_RECOVERY_SECONDS = 60.0
_STACKS_SECONDS = 0.5
_TAIL_BYTES = 12_000
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV", "DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH")
"""The job inherits these variables and no others: the settings of a shell may name somebody's own Kafka."""


class JobError(RuntimeError):
    """The job did not start, did not answer, or ended otherwise than it should."""


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process with these settings and none of ours."""
    inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**inherited, "PYTHONUNBUFFERED": "1", **settings}


def piped(*module: str, **settings: str) -> subprocess.Popen[str]:
    """Start another command, `python -m MODULE ARGUMENTS...`, with its output in pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", *module],
        cwd=ROOT,
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Job:
    """`python -m bytewax.run dataflows.ratings` in one process or several. It can be stopped, killed and started again.

    A context starts it and kills it in the end. Each process has a session of its own, which the terminal's Ctrl-C
    does not reach.

    Args:
        folder: for the log and the recovery store; both are kept from one start to the next.
        settings: the environment variables of the job.
        module: another module to run, and its arguments.
        processes: of a cluster.
        workers: of each process.
        recovery: the partitions of the recovery store; 0 for none.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        *,
        module: Sequence[str] = RATINGS,
        processes: int = 1,
        workers: int = 1,
        recovery: int = 2,
    ) -> None:
        """Make the recovery store where there is none.

        Raises:
            JobError: it cannot be made; the message has the end of the log.
        """
        self.folder = folder
        self.log = folder / "job.log"
        self._environment = environment(settings)
        self.started = 0.0
        """Epoch seconds of the last start."""
        self._count = processes
        self._processes: list[subprocess.Popen[bytes]] = []
        self._module = [*module, "-w", str(workers)] if workers > 1 else [*module]
        store = folder / "recovery"
        if recovery and not store.exists():
            store.mkdir(parents=True)
            self._run(["bytewax.recovery", str(store), str(recovery)])
            if codes := [code for code in self.wait(_RECOVERY_SECONDS) if code]:
                raise JobError(f"the recovery store cannot be made: exit code {codes[0]}{self._ending()}")
        if recovery:
            self._module += ["-r", str(store), "-s", "1", "-b", "0"]

    def start(self) -> None:
        """Start every process; do not wait until they work."""
        self._processes, self.started = [], time.time()
        cluster = [f"127.0.0.1:{port}" for port in free_ports(self._count)]
        for process in range(self._count):
            several = ["-i", str(process), "-a", ";".join(cluster)] if self._count > 1 else []
            self._run([*self._module, *several], self.own_settings(process))

    def own_settings(self, process: int) -> Mapping[str, str]:
        """The settings that one process has beside those of all; none, unless a subclass says otherwise."""
        return {}

    def _run(self, module: Sequence[str], settings: Mapping[str, str] | None = None) -> None:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=ROOT,
                env={**self._environment, **(settings or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)

    def running(self) -> bool:
        """Whether it was started and no process has ended."""
        return bool(self._processes) and all(process.poll() is None for process in self._processes)

    def check(self) -> None:
        """See that it runs.

        Raises:
            JobError: a process has ended; the message has the end of the log.
        """
        if not self.running():
            codes = [process.poll() for process in self._processes]
            raise JobError(f"the job ended with exit code {', '.join(map(str, codes))}{self._ending()}")

    @property
    def pids(self) -> list[int]:
        """The ids of the processes."""
        return [process.pid for process in self._processes]

    def stop(self, deadline: float = 40) -> list[int]:
        """Send SIGTERM to every process, and wait as ``wait`` does.

        Raises:
            JobError: as ``wait``.
        """
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        return self.wait(deadline)

    def end(self, seconds: float = 30) -> None:
        """Stop it as an operator does, by SIGTERM: it takes a last snapshot, and every process exits with 0.

        Raises:
            JobError: a process exited with another code, or as ``wait``.
        """
        codes = self.stop(seconds)
        if any(codes):
            raise JobError(f"the job ended with exit code {', '.join(map(str, codes))} on SIGTERM{self._ending()}")

    def wait(self, deadline: float) -> list[int]:
        """Wait until every process has ended; return their exit codes.

        Raises:
            JobError: one has not ended after so many seconds; all are killed. The log has the stacks of its threads.
        """
        until = time.monotonic() + deadline
        try:
            return [process.wait(max(0.1, until - time.monotonic())) for process in self._processes]
        except subprocess.TimeoutExpired:
            self._show_stacks()
            raise JobError(f"the job did not end within {deadline:.0f} s and was killed{self._ending()}") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """Send SIGKILL to every process, and wait until they have ended."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()

    def _show_stacks(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGQUIT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STACKS_SECONDS)

    def tail(self) -> str:
        """The end of the log."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            return log.read().decode(errors="replace")

    def _ending(self) -> str:
        return f"; the end of its log:\n{indent(self.tail(), '  | ')}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
