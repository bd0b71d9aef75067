"""Signals of a flow's process."""

import subprocess
import sys

import pytest

from servers.process import ROOT

INTERRUPTED = """
import ctypes, os, signal, sys, threading, time
from dataflows import process

process.take_signals()
reading, writing = os.pipe()
libc = ctypes.CDLL(None, use_errno=True)  # Python's own read would try again

def read():
    print(libc.read(reading, ctypes.create_string_buffer(1), 1))

thread = threading.Thread(target=read)
thread.start()
deadline = time.monotonic() + 10  # not every kernel tells
while "pipe_read" not in open(f"/proc/self/task/{thread.native_id}/wchan").read() and time.monotonic() < deadline:
    time.sleep(0.01)
signal.pthread_kill(thread.ident, getattr(signal, sys.argv[1]))
print(process.wait_for_stop(60))
os.write(writing, b"x")
thread.join()
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_stops_the_flow_and_interrupts_no_system_call(name: str) -> None:
    """Threads of Bytewax do not try again."""
    command = [sys.executable, "-c", INTERRUPTED, name]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=True)
    assert run.stdout.split() == [name, "1"]


STACKS = """
import os, signal, threading
from dataflows import process

process.take_signals()
threading.Thread(target=process.wait_for_stop, args=[60]).start()
os.kill(os.getpid(), signal.SIGQUIT)
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_sigquit_shows_the_stacks_and_the_process_goes_on() -> None:
    command = [sys.executable, "-c", STACKS]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=True)
    assert "in wait_for_stop" in run.stderr


def test_a_process_may_have_no_stderr() -> None:
    taking = "from dataflows import process; process.take_signals(); print('taken')"
    command = ["sh", "-c", f'exec "{sys.executable}" -c "{taking}" 2>&-']
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert (run.returncode, run.stdout) == (0, "taken\n")
