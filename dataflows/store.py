"""The recovery store as it is before Bytewax opens it."""

import os
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

_WAIT_SECONDS = 5.0


def directory(arguments: Sequence[str] = tuple(sys.argv[1:])) -> Path | None:
    """Where the store is, by Bytewax's option or variable; None: there is none."""
    for word, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, _, value = word.partition("=")
        if name.startswith("--r") and "--recovery-directory".startswith(name):
            return Path(value or following)
        if word.startswith("-r"):
            return Path(word[2:] or following)
    named = os.environ.get("BYTEWAX_RECOVERY_DIRECTORY")
    return Path(named) if named else None


def keys(store: Path | None, step: str) -> list[str]:
    """The keys that a step has state of. Do not call it once Bytewax has opened the store: that would break its locks.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    found: set[str] = set()
    for part in sorted(store.glob("part-*.sqlite3")) if store else ():
        with closing(sqlite3.connect(part, timeout=_WAIT_SECONDS)) as database:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'snaps'").fetchone():
                rows = database.execute("SELECT DISTINCT state_key FROM snaps WHERE step_id = ?", (step,))
                found.update(key for (key,) in rows)
    return sorted(found)
