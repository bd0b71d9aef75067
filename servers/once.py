"""What servers are made of: downloaded or built once on this machine, by one process, while the others wait."""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.process import ROOT

SERVERS = ROOT / ".servers"
WAIT_SECONDS = 900.0


def once(target: Path, make: Callable[[Path], Path]) -> Path:
    """Return `target`, a file or a folder, which exists only complete; make it if it does not exist.

    Args:
        target: where it belongs.
        make: makes it in the empty folder that it is given, and returns its path there.

    Raises:
        RuntimeError: `make` failed; nothing is left of what it made.
        TimeoutError: another process makes something for longer than WAIT_SECONDS.
    """
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone():
        if not target.exists():  # else another process has made it meanwhile
            with tempfile.TemporaryDirectory(dir=target.parent, prefix="unfinished-") as unfinished:
                make(Path(unfinished)).rename(target)
    return target


@contextmanager
def _alone() -> Iterator[None]:
    # One lock for everything: two Mavens must not write to the one repository in the home folder.
    SERVERS.mkdir(parents=True, exist_ok=True)
    folder, deadline = os.open(SERVERS, os.O_RDONLY), time.monotonic() + WAIT_SECONDS
    try:
        while not _locked(folder):
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process has the lock on {SERVERS} for more than {WAIT_SECONDS:.0f} s")
            time.sleep(0.05)
        yield
    finally:
        os.close(folder)  # and with it the lock


def _locked(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
