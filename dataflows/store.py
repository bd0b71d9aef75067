"""The recovery store before Bytewax opens it: its lock, its identity and its keys."""

import fcntl
import json
import logging
import os
import socket
import sqlite3
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

from dataflows.process import Launch
from dataflows.wiring.errors import StartupError

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 5.0
"""A killed process may take a moment to end."""
_REST_SECONDS = 0.1
_READ_SECONDS = 5.0

_files: dict[Path, int] = {}
"""The files that this process has locked. The kernel releases the locks when the process ends, however it ends."""


def claim(launch: Launch, patience: float = _PATIENCE_SECONDS) -> None:
    """Lock the recovery store for this job until the process ends; a second call changes nothing.

    A second job on the store would resume from the same snapshots and write everything twice.

    Each process of a job locks a file of its own, so the processes of one job share the folder. Two jobs of equal size
    collide in these files. Two jobs of different size differ in the number of processes, which each file holds.

    Raises:
        StartupError: another job has the store, and has not ended within ``patience`` seconds.
    """
    if launch.recovery_store is None:
        return
    folder = launch.recovery_store.resolve()
    own = folder / f"process-{launch.process}.lock"
    if own in _files:
        return
    try:
        file = os.open(own, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        # If the folder is missing or cannot be written to, Bytewax ends by itself.
        if folder.is_dir() and os.access(folder, os.W_OK):
            log.warning("recovery store %s cannot be locked against a second job: %s", folder, error.strerror)
        return
    _files[own] = file
    deadline = time.monotonic() + patience
    try:
        while (holder := _holder(own, launch.processes)) is not None:
            if time.monotonic() >= deadline:
                os.close(_files.pop(own))
                raise StartupError(
                    f"recovery store {folder} is in use by {holder}: two jobs on one store write everything twice"
                )
            time.sleep(_REST_SECONDS)
    except OSError as error:
        log.warning("recovery store %s cannot be locked against a second job: %s", folder, error.strerror)


def identity(store: Path | None) -> str:
    """The identity of the cluster that has this store: the same one at each start. Without a store it is a new one.

    If the store cannot be written to, Bytewax ends by itself.
    """
    new = uuid.uuid4().hex
    if store is None:
        return new
    file = store / "cluster-id"
    try:
        if not file.exists():
            # Whole or not at all, however this process ends.
            unfinished = file.with_suffix(".unfinished")
            unfinished.write_text(new)
            unfinished.replace(file)
        return file.read_text()
    except OSError as error:
        log.warning("recovery store %s cannot hold an identity of the cluster: %s", store, error.strerror)
        return new


def keys(store: Path | None, step: str) -> list[str]:
    """The keys of a step's states. Do not call it after Bytewax has opened the store: that would break its locks.

    Raises:
        sqlite3.Error: the store cannot be read.
    """
    found: set[str] = set()
    for part in sorted(store.glob("part-*.sqlite3")) if store else ():
        with closing(sqlite3.connect(part, timeout=_READ_SECONDS)) as database:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'snaps'").fetchone():
                rows = database.execute("SELECT DISTINCT state_key FROM snaps WHERE step_id = ?", (step,))
                found.update(key for (key,) in rows)
    return sorted(found)


def _holder(own: Path, processes: int) -> str | None:
    """Lock our file; None if no process of another job holds a lock, else the holder."""
    file = _files[own]
    if not _lock(file, fcntl.LOCK_EX):
        return _name(_read(file))
    content = {"host": socket.gethostname(), "pid": os.getpid(), "processes": processes}
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(content).encode(), 0)
    for other in own.parent.glob("process-*.lock"):
        if other != own and (holder := _locked_by(other)) is not None and holder.get("processes") != processes:
            return _name(holder)
    return None


def _locked_by(path: Path) -> dict[str, Any] | None:
    file = os.open(path, os.O_RDONLY)
    try:
        return None if _lock(file, fcntl.LOCK_SH) else _read(file)
    finally:
        os.close(file)


def _lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: int) -> dict[str, Any]:
    try:
        return dict(json.loads(os.pread(file, 1000, 0)))
    except ValueError:  # its holder has not written it yet
        return {}


def _name(holder: dict[str, Any]) -> str:
    return f"process {holder['pid']} on {holder['host']}" if holder else "another process"
