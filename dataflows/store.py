"""The recovery store as it is before Bytewax opens it."""

import sqlite3
from contextlib import closing
from pathlib import Path

_WAIT_SECONDS = 5.0


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
