"""What processes use, from Linux's /proc: CPU seconds and resident memory, of all their threads and children."""

import os
from bisect import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time used so far by `pids` and by their children, ended ones included."""
    return sum(_cpu_ticks(pid) for root in pids for pid in _tree(root)) / _TICKS


def peak_megabytes(pids: Iterable[int]) -> float:
    """The sum of the most that each of `pids` and their children ever had resident, in MiB."""
    return sum(_peak_kilobytes(pid) for root in pids for pid in _tree(root)) / 1024


def resident_megabytes() -> float:
    """What this process has resident now, in MiB."""
    return int(_read(Path("/proc/self/statm")).split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def threads(pids: Iterable[int]) -> int:
    """How many threads `pids` and their children have."""
    return sum(len(list(Path(f"/proc/{pid}/task").glob("*"))) for root in pids for pid in _tree(root))


@dataclass
class Samples:
    """A quantity that only grows, seen at some times."""

    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, time: float, value: float) -> None:
        """Add what was seen; `time` must not be before the last."""
        self.times.append(time)
        self.values.append(value)

    def at(self, time: float) -> float:
        """The value at `time`, between two samples in proportion, outside of all the nearest."""
        after = bisect(self.times, time)
        if after in (0, len(self.times)):
            return self.values[min(after, len(self.times) - 1)]
        t0, t1 = self.times[after - 1 : after + 1]
        v0, v1 = self.values[after - 1 : after + 1]
        return v0 + (v1 - v0) * (time - t0) / (t1 - t0)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(thread).split():
            yield from _tree(int(child))


def _cpu_ticks(pid: int) -> int:
    # The name, in parentheses, may have spaces; then state, ppid, ... utime, stime, cutime, cstime.
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))


def _peak_kilobytes(pid: int) -> int:
    lines = _read(Path(f"/proc/{pid}/status")).splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return ""
