"""Where the workers of this process are."""

import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

from operators import wait

_ROOT = f"{Path(__file__).resolve().parents[2]}/"
_NOWHERE = frozenset({"__main__", wait.__name__})
"""The modules of threads that are in Bytewax: its main thread is in ``bytewax.run``; a worker that waits may rest."""
_MOST = 4
"""Frames that are shown."""


def place(workers: Iterable[int]) -> str | None:
    """Where one of the threads ``workers``, or the main thread, is in Python code. None: all are in Bytewax.

    Bytewax's threads have no Python frame while they are in Rust.
    """
    frames = sys._current_frames()
    for thread in [*workers, threading.main_thread().ident]:
        frame = frames.get(thread or 0)
        if frame is not None and frame.f_globals.get("__name__") not in _NOWHERE:
            return _describe(frame)
    return None


def _describe(frame: FrameType) -> str:
    ours, inner = list[str](), f"{frame.f_code.co_filename}:{frame.f_lineno}"
    at: FrameType | None = frame
    while at is not None:
        file = at.f_code.co_filename
        if file.startswith(_ROOT) and "/.venv/" not in file:
            ours.append(f"{file.removeprefix(_ROOT)}:{at.f_lineno} {at.f_code.co_name}")
        at = at.f_back
    return ", called by ".join(ours[:_MOST]) or inner
