"""How far the generator is, on standard error: one line that changes in a terminal, a line now and then elsewhere."""

import sys
import time

from demo.generate.writer import Writer

_TERMINAL_SECONDS, _PLAIN_SECONDS = 1.0, 10.0
_CLEAR_LINE = "\r\x1b[K"


class Progress:
    """Shows the counts of a writer."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._terminal = sys.stderr.isatty()
        self._seconds = _TERMINAL_SECONDS if self._terminal else _PLAIN_SECONDS
        self._shown, self._delivered = time.monotonic(), 0

    def show(self) -> None:
        """Show them if it is time."""
        now = time.monotonic()
        if now - self._shown < self._seconds:
            return
        delivered, failed, queued = self._writer.delivered, self._writer.failed, self._writer.queued
        rate = (delivered - self._delivered) / (now - self._shown)
        self._shown, self._delivered = now, delivered
        line = f"ratings {delivered:,}  {rate:,.0f}/s  queued {queued:,}  failed {failed:,}"
        self._put(_CLEAR_LINE + line if self._terminal else line + "\n")

    def clear(self) -> None:
        """Take the line away that changes."""
        if self._terminal:
            self._put(_CLEAR_LINE)

    def _put(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
