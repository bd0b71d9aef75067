"""One upload under every schedule: which request is answered first, which fails, whose answer is lost, and when
somebody removes the upload. A real `Uploads` and a client in memory, each of whose requests waits to be let go."""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, Event
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from sinks.background import Backlog
from sinks.s3.errors import LostUpload
from sinks.s3.requests import Requests
from sinks.s3.upload import May, Stage, Upload
from sinks.s3.uploads import Uploads, buffered
from tests.sinks.fake_s3 import FakeS3, client_error

PARTS = [b"first part", b"second", b"the third"]
SECONDS = 10
POOL = ThreadPoolExecutor(16)
"""To begin a thread takes longer than a schedule."""


@dataclass
class Call:
    """A request that waits to be let go."""

    name: str
    number: int
    outcome: str = ""
    go: Event = field(default_factory=Event)


class Threads(Executor):
    """A thread of the pool a task, and how many of them wait for nothing but us."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.running = 0
        self.calls: list[Call] = []

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **_: Any) -> "Future[Any]":
        with self.changed:
            self.running += 1

        def run() -> None:
            function(*arguments)
            with self.changed:
                self.running -= 1
                self.changed.notify_all()

        return POOL.submit(run)

    def park(self, name: str, number: int) -> str:
        call = Call(name, number)
        with self.changed:
            self.calls.append(call)
            self.changed.notify_all()
        assert call.go.wait(SECONDS)
        return call.outcome

    def settled(self) -> list[Call]:
        """The calls that wait, once every thread is at one."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.calls) == self.running, SECONDS)
            return sorted(self.calls, key=lambda call: (call.name, call.number))

    def let_go(self, call: Call, outcome: str) -> None:
        with self.changed:
            self.calls.remove(call)
        call.outcome = outcome
        call.go.set()


class Client:
    """A client each of whose requests is answered as the schedule says."""

    def __init__(self, s3: FakeS3, threads: Threads) -> None:
        self._s3, self._threads = s3, threads
        self.late: list[Callable[[], Any]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def request(**arguments: Any) -> Any:
            ask = getattr(self._s3, name)
            outcome = self._threads.park(name, arguments.get("PartNumber", 0))
            if outcome == "fails":
                raise client_error("InternalError", 500)
            if outcome == "late":  # S3 has it all the same, but later
                self.late.append(lambda: ask(**arguments))
                raise ReadTimeoutError(endpoint_url="s3")
            answer = ask(**arguments)
            if outcome == "answer lost":
                raise ReadTimeoutError(endpoint_url="s3")
            return answer

        return request


class Chosen:
    """A sequence of choices: those given, then the first of each."""

    def __init__(self, given: list[int]) -> None:
        self._given = given
        self.made: list[tuple[int, int]] = []

    def of(self, options: list[Any]) -> Any:
        at = len(self.made)
        index = self._given[at] if at < len(self._given) else 0
        self.made.append((index, len(options)))
        return options[index]

    def next(self) -> list[int] | None:
        """The next sequence of choices, in order; None after the last."""
        made = self.made
        while made and made[-1][0] + 1 == made[-1][1]:
            made.pop()
        return [index for index, _ in made[:-1]] + [made[-1][0] + 1] if made else None


def every_schedule(run: Callable[[Chosen], None]) -> Iterator[None]:
    given: list[int] | None = []
    while given is not None:
        chosen = Chosen(given)
        run(chosen)
        yield
        given = chosen.next()


def run(chosen: Chosen, count: int, faults: int, outcomes: dict[str, int]) -> None:
    """One schedule: seal an upload of so many parts, with at most so many faults, and look at what S3 has."""
    s3, threads = FakeS3(), Threads()
    client = Client(s3, threads)
    requests = Requests(lambda: client, "bucket", extra={}, rest=lambda _attempt: 0)
    uploads = Uploads(requests, threads, threads, Backlog("S3", 1 << 20, buffered, lambda: False))
    upload = Upload("key", bucket="bucket", content_type="text/plain")
    for part in PARTS[: count - 1]:
        upload.add(part)
    upload.allow(May.SEND)
    uploads.advance(upload)
    acknowledged = removed_after = sealed = False
    while (calls := threads.settled()) or not sealed:
        options: list[tuple[str, Call | None]] = [("answered", call) for call in calls]
        if not sealed:
            options.append(("sealed", None))
        if faults:
            options += [(fault, call) for call in calls for fault in ("fails", "answer lost", "late")]
            options += [("removed", None)] if s3.uploads else []
            options += [("late arrives", None)] if client.late else []
        what, call = chosen.of(options)
        if call is not None:
            threads.let_go(call, what)
            threads.settled()
            acknowledged |= call.name == "upload_part" and what == "answered" and not removed_after
        elif what == "sealed":
            sealed = True
            upload.seal(PARTS[count - 1])
            upload.allow(May.COMPLETE)
            uploads.advance(upload)
        elif what == "removed":
            removed_after |= acknowledged
            s3.remove_uploads()
        else:
            with suppress(Exception):  # nobody is there for its answer
                client.late.pop()()
        faults -= what not in {"answered", "sealed", "late arrives"}
    failure = uploads.backlog.failure
    if failure is None:
        assert s3.objects == {"bucket/key": b"".join(PARTS[:count])}, chosen.made
        assert upload.stage is Stage.DONE, chosen.made
        assert upload.recount() == uploads.backlog.bytes == 0
        outcomes["whole"] += 1
    else:
        assert isinstance(failure, LostUpload), chosen.made
        assert "key" in str(failure)
        assert removed_after, f"lost, though all its parts were here: {chosen.made}"
        outcomes["lost"] += 1


@pytest.mark.parametrize(("count", "faults"), [(1, 2), (2, 2), (3, 1)])
def test_every_schedule_ends_with_the_whole_object_or_its_name(
    count: int, faults: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "sinks.s3")  # hundreds of thousands of lines
    outcomes = {"whole": 0, "lost": 0}
    schedules = sum(1 for _ in every_schedule(lambda chosen: run(chosen, count, faults, outcomes)))
    assert schedules == outcomes["whole"] + outcomes["lost"]
    print(f"{count} parts, {faults} faults: {schedules} schedules, {outcomes}")


def test_two_parts_in_flight_on_an_upload_that_is_removed_begin_one_new_one() -> None:
    """And the new one is slow: the second part waits for it, with its bytes."""
    s3, threads = FakeS3(), Threads()
    requests = Requests(lambda: Client(s3, threads), "bucket", extra={}, rest=lambda _attempt: 0)
    uploads = Uploads(requests, threads, threads, Backlog("S3", 1 << 20, buffered, lambda: False))
    upload = Upload("key", bucket="bucket", content_type="text/plain")
    upload.add(PARTS[0])
    upload.add(PARTS[1])
    upload.allow(May.SEND)
    uploads.advance(upload)
    seen = []
    for step in itertools.count():
        calls = threads.settled()
        if not calls:
            break
        if step == 1:
            s3.remove_uploads()
        # Whatever is begun is answered last.
        call = min(calls, key=lambda call: call.name == "create_multipart_upload")
        seen.append(call.name)
        threads.let_go(call, "answered")
    assert Counter(seen) == {"create_multipart_upload": 2, "upload_part": 4, "head_object": 1}
    ((_, parts),) = s3.uploads.values()
    assert parts == {1: PARTS[0], 2: PARTS[1]}
    assert uploads.backlog.failure is None
