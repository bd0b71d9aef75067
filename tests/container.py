"""A container as a process: its user, its read-only file system, and its process 1."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from typing_extensions import Self

_NAMESPACES = ("unshare", "--mount", "--pid", "--fork")
_START_SECONDS = 30


@cache
def no_isolation() -> str | None:
    """The reason why a container has no namespaces of its own here; None where it has."""
    if os.getuid() != 0:
        return "only root may make a read-only file system and a process 1"
    made = subprocess.run([*_NAMESPACES, "true"], check=False, capture_output=True, text=True)
    return made.stderr.strip() if made.returncode else None


def need_isolation() -> None:
    """Skip the test where a container has no namespaces of its own: nothing that one could install changes that."""
    if reason := no_isolation():
        pytest.skip(reason)


class Container:
    """A running command, process 1 of its own namespace. A context kills it in the end, with all that it started.

    Without isolation it is a process like any other: it may write where its user may, and it is killed alone.

    Args:
        command: is looked up in the `PATH` of `environment`.
        folder: where it runs.
        environment: all of its variables.
        output: a descriptor, or `subprocess.PIPE`; errors go there, too.
        user: `USER` or `USER:GROUP`.
        writable: the folders that it may write to, beside `/dev`.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        output: int,
        user: str,
        writable: Sequence[Path] = (),
    ) -> None:
        self._popen = subprocess.Popen(
            [*_isolated(writable), *as_user(user), *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._popen.wait()

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    def terminate(self) -> None:
        """Send SIGTERM to process 1 once, as a kubelet does; nothing if it has ended."""
        _send(signal.SIGTERM, self._process_1())

    def kill(self) -> None:
        """Send SIGKILL to process 1, with which the kernel kills the whole namespace; nothing if it has ended."""
        process_1 = self._process_1()
        # The children as well: without isolation they would stay.
        _send(signal.SIGKILL, *_children(process_1), process_1)

    def suspend(self) -> None:
        """Send SIGSTOP to what process 1 has started."""
        _send(signal.SIGSTOP, *_children(self._process_1()))

    def resume(self) -> None:
        """Send SIGCONT to what process 1 has started; nothing if it has ended."""
        _send(signal.SIGCONT, *_children(self._process_1()))

    def show_stacks(self) -> None:
        """Have what process 1 has started write where its threads are; nothing if it has ended."""
        _send(signal.SIGQUIT, *_children(self._process_1()))

    def wait(self, seconds: float) -> int:
        """The exit code, that of a signal negative.

        Raises:
            subprocess.TimeoutExpired: it goes on for longer.
        """
        return self._popen.wait(seconds)

    def output(self, seconds: float) -> str:
        """What it wrote to its pipe until its end."""
        return self._popen.communicate(timeout=seconds)[0]

    def wait_for_child(self, name: str) -> None:
        """Wait until process 1 has started another one, whose name begins with `name`."""
        deadline = time.monotonic() + _START_SECONDS
        while not any(_name(child).startswith(name) for child in _children(self._process_1())):
            assert self.running()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _process_1(self) -> int | None:
        """None: it has ended."""
        if no_isolation():
            return self._popen.pid if self.running() else None
        deadline = time.monotonic() + _START_SECONDS
        while not (children := _children(self._popen.pid)):
            if not self.running():
                return None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return children[0]


def _send(number: signal.Signals, *pids: int | None) -> None:
    for pid in pids:
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _children(pid: int | None) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except FileNotFoundError:  # it has ended
        return ""


def _isolated(writable: Sequence[Path]) -> list[str]:
    """What comes before a command that has namespaces of its own; nothing where that cannot be."""
    if no_isolation():
        return []
    binds = [f"mount --bind {shlex.quote(str(path))} {shlex.quote(str(path))}" for path in writable]
    script = "; ".join([*binds, "mount -o remount,bind,ro /", 'exec "$@"'])
    return [*_NAMESPACES, "/bin/sh", "-euc", script, "sh"]


@cache
def as_user(user: str) -> list[str]:
    """What comes before a command that is to run as `USER` or `USER:GROUP`; nothing where we may not change the user.

    Docker gives a user without a name the group 0. An interpreter in a home that is closed to others may be read all
    the same, but nothing may be written.
    """
    if os.getuid() != 0:
        return []
    number, _, group = user.partition(":")
    plain = ["setpriv", "--clear-groups", "--no-new-privs", f"--regid={group or 0}", f"--reuid={number}"]
    # setpriv itself still has a right that what it starts has not.
    by_shell = ["sh", "-c", 'exec "$0" -c ""', sys.executable]
    if subprocess.run([*plain, *by_shell], check=False, capture_output=True).returncode == 0:
        return plain
    return [*plain, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
