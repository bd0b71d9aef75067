"""The set-up of a dataflow's process: clean stop, memory, Bytewax's options."""

import ctypes
import faulthandler
import gc
import os
import signal
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from monitoring import log
from settings.log import Log
from sources.epochs import BYTEWAX_DEFAULT

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_stop = threading.Event()
_asked = list[tuple[float, str]]()
"""When the process was asked to stop, in seconds of the monotonic clock, and by whom; the first one counts."""


def stopping() -> bool:
    """Whether the process was asked to stop, by SIGTERM, by SIGINT, or by another process of its cluster."""
    return _stop.is_set()


def stopping_for() -> float | None:
    """The seconds since then. None: it was not asked to stop."""
    return time.monotonic() - _asked[0][0] if _asked else None


def wait_for_stop(seconds: float) -> str | None:
    """Wait until the process is asked to stop, and return by whom. None: it was not within these seconds."""
    return _asked[0][1] if _stop.wait(seconds) else None


def stop(by: str = "another process of the cluster") -> None:
    """Have all sources end, and so the flow, after a last snapshot. Any thread may ask."""
    if not stopping():
        _asked.append((time.monotonic(), by))
        _stop.set()


def take_signals() -> None:
    """Have SIGTERM and SIGINT stop the process. Call it from the main thread; a second call changes nothing.

    Python runs a handler in the main thread, which is in Rust for as long as Bytewax waits for another process. But
    the interpreter writes each signal to a file as it comes, and a thread reads it there.
    """
    if signal.getsignal(signal.SIGTERM) is _ignore:
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    # Without handlers Bytewax dies at SIGTERM and aborts at SIGINT.
    for number in _SIGNALS:
        signal.signal(number, _ignore)
        # Any thread may get the signal of a process that was suspended. Bytewax's thread that receives from another
        # process ends for good if its read is interrupted, and the cluster stands still.
        signal.siginterrupt(number, False)
    threading.Thread(target=_read_signals, args=(reading,), name="signals", daemon=True).start()
    if sys.__stderr__ is not None:  # None: it was closed
        faulthandler.register(signal.SIGQUIT, sys.__stderr__)  # shows where each thread is, as Java does


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The thread that reads the signals acts."""


def _read_signals(file: int) -> None:
    while True:
        for number in os.read(file, 64):
            if number in _SIGNALS:
                stop(signal.Signals(number).name)


def set_up(settings: Log, **fields: str | int) -> None:
    """Prepare the process, and its log with these fields. Call it from the main thread."""
    log.set_up(settings, **fields)
    take_signals()
    _keep_freed_memory()
    # The garbage collector does not track records, only batches and the program itself.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


class Launch(NamedTuple):
    """Bytewax's options of this run."""

    recovery_store: Path | None
    process: int = 0
    processes: int = 1
    workers: int = 1
    """Threads of each process."""
    epoch: timedelta = BYTEWAX_DEFAULT
    """The epoch interval."""
    addresses: tuple[str, ...] = ()
    """Of all processes of the cluster; empty if there is one process."""

    @property
    def all_workers(self) -> int:
        """The threads of all processes."""
        return self.processes * self.workers


def launch(words: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> Launch:
    """Read Bytewax's options and variables as ``bytewax.run`` does, by default those of this process."""
    parser = ArgumentParser(add_help=False)
    parser.add_argument("-r", "--recovery-directory", type=Path, default=environ.get("BYTEWAX_RECOVERY_DIRECTORY"))
    parser.add_argument("-i", "--process-id", type=int, default=environ.get("BYTEWAX_PROCESS_ID"))
    parser.add_argument("-a", "--addresses", default=environ.get("BYTEWAX_ADDRESSES"))
    parser.add_argument("-s", "--snapshot-interval", default=environ.get("BYTEWAX_SNAPSHOT_INTERVAL", ""))
    parser.add_argument("-w", "--workers-per-process", default=environ.get("BYTEWAX_WORKERS_PER_PROCESS", ""))
    options, _ = parser.parse_known_args(sys.argv[1:] if words is None else words)
    process, addresses = options.process_id, options.addresses
    workers = int(options.workers_per_process) if options.workers_per_process.isdecimal() else 1
    seconds = options.snapshot_interval
    epoch = timedelta(seconds=int(seconds)) if seconds.isdecimal() else BYTEWAX_DEFAULT
    if process is None and {"BYTEWAX_POD_NAME", "BYTEWAX_STATEFULSET_NAME"} <= environ.keys():
        process = int(environ["BYTEWAX_POD_NAME"].replace(f"{environ['BYTEWAX_STATEFULSET_NAME']}-", ""))
    if process is None:
        return Launch(options.recovery_directory, workers=workers, epoch=epoch)
    if addresses is None and "BYTEWAX_HOSTFILE_PATH" in environ:
        addresses = ";".join(Path(environ["BYTEWAX_HOSTFILE_PATH"]).read_text().split())
    hosts = tuple(addresses.split(";")) if addresses else ()
    return Launch(options.recovery_directory, process, len(hosts) or 1, workers, epoch, hosts)


def has_recovery_store() -> bool:
    """Whether this process was started with a recovery store."""
    return launch().recovery_store is not None


def _keep_freed_memory() -> None:
    """Let glibc keep what a batch frees for the next one: giving it back to the kernel each time halves the rate."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, top_pad = -1, -2  # M_TRIM_THRESHOLD and M_TOP_PAD of malloc.h
        mallopt(trim_threshold, 512 << 20)
        mallopt(top_pad, 64 << 20)
