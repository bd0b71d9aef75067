"""What can be seen of a flow from outside: how far its outputs are, and what its processes say of themselves."""

import itertools
import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException

from confluent_kafka import KafkaException

from servers.topics import Reader

_PROBE_SECONDS = 1.0


class Sight:
    """Looks at a flow whose ratings arrive steadily. All times are epoch seconds.

    A path leads from a partition of the ratings to one of the enriched ratings. Each is expected to have ratings in
    every second.

    Args:
        bootstrap: of the brokers.
        topic: the enriched ratings.
        partitions: of the ratings, and of the enriched ratings.
    """

    def __init__(self, bootstrap: str, topic: str, partitions: tuple[int, int]) -> None:
        # It finds the leaders again soon after the broker was away.
        often = {"reconnect_backoff_max_ms": 500, "topic_metadata_refresh_interval_ms": 2000}
        self._reader = Reader(bootstrap, topic, **often)
        self._newest = dict.fromkeys(itertools.product(*map(range, partitions)), 0.0)
        self._arriving = 0.0
        self._ready = dict[int, float]()
        """Since when a process says that it is ready, by its port."""
        self.ready_while_still = 0.0
        """The most seconds for which a process said that it was ready while nothing came out on some path."""

    def newest(self) -> float:
        """The time of the newest rating that is out on every path."""
        return min(self._newest.values())

    def read(self) -> None:
        """Read the enriched ratings that are new."""
        try:
            messages = self._reader.poll(0.2)
        except KafkaException:  # the broker is away
            return
        for message in messages:
            record = json.loads(message.value() or b"")
            path = record["source_partition"], message.partition() or 0
            self._newest[path] = max(self._newest[path], record["rating_ts"] / 1000)

    def ask(self, ports: Sequence[int]) -> None:
        """Ask the health pages at these ports whether the processes are ready."""
        for port in ports:
            asked, is_ready = time.time(), _is_ready(port)
            if is_ready:
                since = self._ready.setdefault(port, asked)
                self.ready_while_still = max(self.ready_while_still, asked - max(since, self.newest(), self._arriving))
            else:
                self._ready.pop(port, None)

    @contextmanager
    def nothing_arrives(self) -> Iterator[None]:
        """In this context no rating can be written: a process that is ready may write nothing."""
        self._arriving = math.inf
        try:
            yield
        finally:
            self._arriving = time.time()

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
