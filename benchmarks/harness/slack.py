"""The stand-in for Slack in a process of its own, so that it and the load do not wait for one interpreter."""

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

from typing_extensions import Self

from servers.embedded.slack import EmbeddedSlack, Posted

_SECONDS = 30.0


class SlackApart:
    """A Slack in a child process; ``with`` starts and ends it."""

    def __init__(self) -> None:
        # A fork would take the threads' locks of this process along.
        context = multiprocessing.get_context("spawn")
        self._ours, self._theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._theirs,), daemon=True)
        self.api_url = ""
        """The address of the API, once it is started."""

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()  # so that a child that dies is an error at once
        self.api_url = str(self._ask("api_url"))
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.close()
        self._process.join(_SECONDS)
        if self._process.is_alive():
            self._process.kill()

    @property
    def count(self) -> int:
        """Messages that were posted so far.

        Raises:
            EOFError, TimeoutError: the process is gone, or does not answer.
        """
        return int(self._ask("count"))

    @property
    def posted(self) -> list[Posted]:
        """The messages.

        Raises:
            EOFError, TimeoutError: the process is gone, or does not answer.
        """
        return list(self._ask("posted"))

    def _ask(self, name: str) -> Any:
        self._ours.send(name)
        if not self._ours.poll(_SECONDS):
            raise TimeoutError(f"the stand-in for Slack does not answer within {_SECONDS:.0f} s")
        return self._ours.recv()


def _serve(asked: Connection) -> None:
    with EmbeddedSlack() as slack:
        while True:
            try:
                name = asked.recv()
            except EOFError:
                return
            value = getattr(slack, name)
            asked.send(list(value) if name == "posted" else value)
