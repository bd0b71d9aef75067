"""One run: records in, the job at work, records out, and whether everything agrees in the end."""

import math
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import KafkaException

from demo.branches import Branches
from demo.counting import Counting
from demo.feed import Feed, Pace
from demo.generate import CustomerChanges, Ratings
from demo.job import NOTIFY, Job
from demo.ledger import Ledger
from demo.outputs import Alert, DeadLetter, Ended, Enriched, Intent, Outputs, Statistic, Taken, Unreadable
from demo.page import Page
from demo.telling import Slack, Telling
from demo.topics import CUSTOMERS, RATINGS, STATISTICS
from demo.view import View
from servers.job import JobError

CUSTOMER_CHANGES_PER_SECOND = 1.0

_SLICE_SECONDS = 0.02
"""The turn of the loop. Ratings go out in slices of it, so that thousands a second do not come in bursts."""

_MAX_OUTSTANDING = 20_000
"""With so many records under way no further are produced until the job catches up. The embedded Kafka would drop the
oldest of more than 5 MiB in a partition; these are a fourth of that."""

_SETTLE_SECONDS = 5.0 + 15.0
"""Ratings of unknown customers come out after a grace period of 5 s; then some time for a busy machine."""

_LATE_SECONDS = 0.5
"""So long may an output that was written before the job ended take to get here."""


class Outcome(NamedTuple):
    """What a run came to."""

    summary: dict[str, int]
    """Counts by name, in the order in which they are told."""
    problems: list[str]
    """All that failed or does not agree, for a person; none after a good run."""


def run(
    bootstrap: str,
    branches: Branches,
    slack: Slack,
    folder: Path,
    view: View,
    *,
    processes: int = 1,
    rate: float,
    seconds: float | None,
    stop: Callable[[], bool],
) -> Outcome:
    """Run the job and the notifier on generated data until ``stop()``, or for so many seconds; then let them settle.

    Args:
        bootstrap: A Kafka with the empty topics of ``demo.topics``.
        branches: Where the job's branches write to.
        slack: Where the notifier tells of alerts.
        folder: An empty one, for the files of both.
        view: Shows the run.
        processes: Of the job.
        rate: Ratings a second.
        seconds: Of ratings; None for no end.
        stop: Asked many times a second.
    """
    ledger, telling, counting, problems, held = Ledger(), Telling(), Counting(), list[str](), 0
    for part in ("notifier", "page"):
        (folder / part).mkdir()
    totals = branches.totals()
    try:
        with Feed(bootstrap) as feed, Outputs(bootstrap) as outputs:
            changes = CustomerChanges()
            for change in changes.snapshot():
                feed.send(CUSTOMERS, change.key, change.value)
            feed.flush()
            view.status("starting the job")
            with (
                Job(
                    bootstrap, folder, branches.environment | {"STATISTICS_TOPIC": STATISTICS}, processes=processes
                ) as job,
                Job(bootstrap, folder / "notifier", slack.environment, NOTIFY) as notifier,
                Page(bootstrap, folder / "page", [*job.metrics_urls, *notifier.metrics_urls]) as page,
            ):
                view.page(page.url)
                work = _Work(feed, outputs, branches, slack, (job, notifier, page), ledger, telling, counting, view)
                view.status("running: Ctrl-C ends" if seconds is None else f"running for {seconds:g} s")
                work.produce(changes, rate, math.inf if seconds is None else seconds, stop)
                view.status("ending: waiting for what is still under way")
                work.settle()
                try:
                    held = job.held()
                except JobError as error:
                    problems.append(str(error))
                job.end()
                notifier.end()
                page.end()
                work.take_late()
                totals = branches.totals()
                view.show(ledger.totals() | totals | counting.totals() | telling.totals(), held)
                view.status("ended")
    except (JobError, KafkaException) as error:
        problems.append(str(error))
    for name, what in (("documents", "Elasticsearch"), ("rows", "S3")):
        if totals[name] != ledger.enriched_ratings:
            problems.append(f"{ledger.enriched_ratings} enriched ratings came out, but {totals[name]} {name} in {what}")
    problems += ledger.disagreements(held) + telling.disagreements(slack.count)
    problems += counting.disagreements(ledger.enriched_ratings, ledger.alerts)
    return Outcome(ledger.summary(held) | totals | counting.totals() | telling.totals(), problems)


class _Work:
    def __init__(
        self,
        feed: Feed,
        outputs: Outputs,
        branches: Branches,
        slack: Slack,
        processes: tuple[Job, Job, Page],
        ledger: Ledger,
        telling: Telling,
        counting: Counting,
        view: View,
    ) -> None:
        self._feed = feed
        self._outputs = outputs
        self._branches = branches
        self._slack = slack
        self._job, self._processes = processes[0], processes
        self._ledger = ledger
        self._telling = telling
        self._counting = counting
        self._view = view

    def produce(self, changes: CustomerChanges, rate: float, seconds: float, stop: Callable[[], bool]) -> None:
        """Produce ratings and customer changes, and take what comes out."""
        ratings, ratings_pace, changes_pace = Ratings(), Pace(rate), Pace(CUSTOMER_CHANGES_PER_SECOND)
        end = time.monotonic() + seconds
        while not stop() and time.monotonic() < end:
            room = max(0, _MAX_OUTSTANDING - self._ledger.outstanding)
            for rating in islice(ratings, min(ratings_pace.due(), room)):
                self._ledger.produced(rating.rating_id, well_formed=rating.well_formed)
                self._feed.send(RATINGS, rating.key, rating.value)
            for change in islice(changes, changes_pace.due()):
                self._feed.send(CUSTOMERS, change.key, change.value)
            self._turn()

    def settle(self) -> None:
        """Take what comes out until nothing is owed or held, or no longer than that may last."""
        self._feed.flush()
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self._under_way() and time.monotonic() < deadline:
            self._turn()

    def _under_way(self) -> bool:
        if self._ledger.outstanding or self._telling.owed or self._held_now():
            return True
        totals = self._branches.totals()
        return not totals["documents"] == totals["rows"] == self._ledger.enriched_ratings

    def take_late(self) -> None:
        """Take what came out at the very end: it should be nothing."""
        deadline = time.monotonic() + _LATE_SECONDS
        while time.monotonic() < deadline:
            self._take()

    def _turn(self) -> None:
        self._feed.poll()
        self._take()
        for process in self._processes:
            process.check()
        if self._view.due():
            totals = self._ledger.totals() | self._branches.totals() | self._counting.totals()
            self._view.show(totals | self._telling.totals(), self._held_now())

    def _take(self) -> None:
        for output in self._outputs.outputs(_SLICE_SECONDS):
            match output:
                case Enriched():
                    self._ledger.enriched(output)
                case Alert(rating_id=rating_id):
                    self._ledger.alert(rating_id)
                    self._telling.alert(rating_id)
                    self._view.alert(output)
                case DeadLetter(rating_id=rating_id):
                    self._ledger.dead_letter(rating_id)
                case Intent() | Ended():
                    self._telling.record(output)
                case Statistic():
                    self._counting.statistic(output)
                case Taken():
                    pass
                case Unreadable(why=why):
                    self._ledger.unreadable(why)
        for text in self._slack.new():
            self._view.notice(text)

    def _held_now(self) -> int | None:
        try:
            return self._job.held()
        except JobError:  # on the way it is only shown; in the end it counts
            return None
