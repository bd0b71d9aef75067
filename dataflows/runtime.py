"""What a dataflow sets up for its process before it runs: the log, a clean stop, memory."""

import ctypes
import gc
import logging
import os
import signal
import sys
import threading
from itertools import zip_longest
from pathlib import Path

_stop = threading.Event()


def stopping() -> bool:
    """Whether SIGTERM or SIGINT asked the process to stop."""
    return _stop.is_set()


def set_up(log_level: str) -> None:
    """Prepare the process. Call it from the main thread; calling it again changes nothing."""
    logging.basicConfig(level=log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if log_level != "DEBUG":
        # What matters of these libraries' logs reaches us as errors, too.
        for name in ("librdkafka", "elastic_transport"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    # Bytewax would die at SIGTERM and abort at SIGINT: sources that end let it take a last snapshot and exit with 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stop.set())
    _keep_freed_memory()
    # Records are not tracked by the garbage collector; what remains is batches and the program itself.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def option(short: str, long: str, variable: str) -> str | None:
    """What this process was started with, by one of Bytewax's options or the variable for it; None: it is not set."""
    arguments = sys.argv[1:]
    for word, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, _, value = word.partition("=")
        if len(name) > len("--") and long.startswith(name):  # argparse takes a long option shortened
            return value or following
        if word.startswith(short):
            return word.removeprefix(short) or following
    return os.environ.get(variable) or None


def recovery_store() -> Path | None:
    """Where the recovery store is, if there is one."""
    directory = option("-r", "--recovery-directory", "BYTEWAX_RECOVERY_DIRECTORY")
    return None if directory is None else Path(directory)


def has_recovery_store() -> bool:
    """Whether this process was started with a recovery store."""
    return recovery_store() is not None


def workers() -> int:
    """The number of workers, threads, of this process."""
    number = option("-w", "--workers-per-process", "BYTEWAX_WORKERS_PER_PROCESS")
    return int(number) if number is not None and number.isdecimal() else 1


def _keep_freed_memory() -> None:
    """Let glibc keep what a batch frees for the next one: giving it back to the kernel each time halves the rate."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, top_pad = -1, -2  # M_TRIM_THRESHOLD and M_TOP_PAD of malloc.h
        mallopt(trim_threshold, 512 << 20)
        mallopt(top_pad, 64 << 20)
