"""A browser on the page of a running flow."""

import threading
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from demo.feed import Feed, Pace
from demo.generate import CustomerChanges, Ratings
from demo.job import Job
from demo.page import Page
from demo.topics import CUSTOMERS, PARTITIONS, RATINGS
from servers.embedded.kafka import EmbeddedKafka

RATE = 20.0


class RunningFlow:
    """The main job on an embedded Kafka with generated ratings, and the page beside it."""

    def __init__(self, folder: Path) -> None:
        self._kafka = EmbeddedKafka()
        for topic, partitions in PARTITIONS.items():
            self._kafka.create_topic(topic, partitions)
        self._job = Job(self._kafka.bootstrap, folder / "job")
        (folder / "page").mkdir()
        self.page = Page(self._kafka.bootstrap, folder / "page", self._job.metrics_urls)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._produce)

    @property
    def url(self) -> str:
        """The address of the page."""
        return self.page.url

    def _produce(self) -> None:
        ratings, pace = Ratings(), Pace(RATE)
        with Feed(self._kafka.bootstrap) as feed:
            for change in CustomerChanges().snapshot():
                feed.send(CUSTOMERS, change.key, change.value)
            while not self._stopping.wait(0.05):
                for _ in range(pace.due()):
                    rating = next(ratings)
                    feed.send(RATINGS, rating.key, rating.value)
                feed.poll()
            feed.flush()

    def __enter__(self) -> Self:
        self._thread.start()
        self._job.__enter__()
        self.page.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        for job in (self.page, self._job):
            job.__exit__(kind, error, trace)
        self._kafka.close()
