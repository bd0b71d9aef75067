"""Records into Kafka in a thread, steadily, also while the broker is away."""

import threading
import time
from itertools import islice

from confluent_kafka import Producer
from typing_extensions import Self

from demo.feed import Pace
from demo.generate import CustomerChanges, Ratings
from demo.topics import CUSTOMERS, RATINGS

_SLICE_SECONDS = 0.05
_WRONG = b"not a rating"


class Traffic:
    """Writes ratings while the context is open, and the customers before that.

    Args:
        bootstrap: of the brokers.
        rate: ratings a second.
    """

    def __init__(self, bootstrap: str, rate: float) -> None:
        self.customers = CustomerChanges().snapshot()
        self.spoil = False
        """Whether one in four ratings is a wrong message."""
        self._ratings, self._pace = Ratings(malformed_every=None), Pace(rate)
        self._producer = Producer({"bootstrap.servers": bootstrap, "log_level": 2})
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def send(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Write a record now or later; above 100,000 unwritten ones it is left out."""
        try:
            self._producer.produce(topic, value, key)
        except BufferError:
            time.sleep(_SLICE_SECONDS)

    def __enter__(self) -> Self:
        for change in self.customers:
            self.send(CUSTOMERS, change.key, change.value)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._producer.purge()

    def _run(self) -> None:
        while not self._stopping.wait(_SLICE_SECONDS):
            for number, rating in enumerate(islice(self._ratings, self._pace.due())):
                self.send(RATINGS, rating.key, _WRONG if self.spoil and number % 4 == 0 else rating.value)
            self._producer.poll(0)
