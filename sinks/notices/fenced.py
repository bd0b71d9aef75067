"""A writer to Kafka that is alone: the next one of the same name ends it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from ..background import back_off
from ..errors import SinkError

log = logging.getLogger(__name__)

_FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
_TRIES = 5
"""Of a transaction. Kafka is then away for a long time, or takes none of it: a message is too large, for example."""
_OPEN_SECONDS, _CLOSE_SECONDS = 30.0, 5.0
_GATHER_SECONDS = 0.01
_CALL_SECONDS = 0.5
"""The longest that a call of librdkafka's waits, so that ``close`` is noticed."""
_TRANSACTION_SECONDS = 600
"""The longest that Kafka may be away in the middle of a transaction. The next writer does not wait for it to end."""


class WriterError(SinkError):
    """The writer cannot write, or no longer."""


class _Waiting(NamedTuple):
    key: str
    value: bytes
    written: "Future[None]"


class FencedWriter:
    """Writes messages to ``topic`` in transactions of a producer that has the topic's name.

    Kafka takes nothing more from an earlier producer of that name, be it one of a process that was killed and whose
    last requests are still under way, or of a process that lives. So what the topic holds once this one is open is all
    that others have written, and a message that is written proves that no later writer is open.

    Messages of several threads share a transaction: one takes about 20 ms.
    """

    def __init__(self, topic: str, config: dict[str, Any]) -> None:
        """End the writers before this one.

        Args:
            topic: Its name is the ``transactional.id`` as well.
            config: librdkafka's properties.

        Raises:
            WriterError: the brokers refuse, or do not answer within 30 s.
        """
        self._topic = topic
        self._producer = Producer(
            {
                **config,
                "transactional.id": topic,
                "transaction.timeout.ms": _TRANSACTION_SECONDS * 1000,
                "message.timeout.ms": _TRANSACTION_SECONDS * 1000,
                "linger.ms": 0,
            }
        )
        self._open()
        self._changed = threading.Condition()
        self._waiting = deque[_Waiting]()
        self._failure: WriterError | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="fenced-writer", daemon=True)
        self._thread.start()

    def write(self, key: str, value: bytes) -> "Future[None]":
        """Write a message; the future is done when it is safe, and raises if it never will be. Any thread may write.

        While Kafka is away the future waits, for ten minutes at most.
        """
        written: Future[None] = Future()
        with self._changed:
            if self._failure is None:
                self._waiting.append(_Waiting(key, value, written))
                self._changed.notify()
                return written
        written.set_exception(self._failure)
        return written

    def close(self) -> None:
        """End, after 5 s at most for what is still on its way."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(_CLOSE_SECONDS)

    def _open(self) -> None:
        deadline = time.monotonic() + _OPEN_SECONDS
        while True:
            try:
                self._producer.init_transactions(_CALL_SECONDS)
            except KafkaException as error:
                if error.args[0].retriable() and time.monotonic() < deadline:
                    continue
                raise WriterError(f"topic {self._topic}: no transaction can be begun: {error.args[0].str()}") from error
            return

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._transact(batch)
            except (KafkaException, BufferError) as error:
                self._fail(error, batch)
                return
            for one in batch:
                one.written.set_result(None)

    def _next(self) -> list[_Waiting]:
        """Wait for messages; none once closed."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait(1.0)
                self._producer.poll(0)  # serves callbacks, such as that for a token
        time.sleep(_GATHER_SECONDS)  # what several threads write at once goes together
        with self._changed:
            batch = list(self._waiting)
            self._waiting.clear()
        return batch

    def _transact(self, batch: list[_Waiting]) -> None:
        for attempt in count(1):
            try:
                self._producer.begin_transaction()
                for one in batch:
                    self._producer.produce(self._topic, one.value, one.key)
                self._complete(self._producer.commit_transaction)
            except KafkaException as error:
                if attempt == _TRIES or not error.args[0].txn_requires_abort():
                    raise
                log.warning("%s: a transaction is tried again: %s", self._topic, error.args[0].str())
                self._complete(self._producer.abort_transaction)
                time.sleep(back_off(attempt))
            else:
                return

    @staticmethod
    def _complete(call: Callable[[float], None]) -> None:
        while True:
            try:
                call(_CALL_SECONDS)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
            else:
                return

    def _fail(self, error: KafkaException | BufferError, batch: list[_Waiting]) -> None:
        reason = error.args[0]
        is_fenced = isinstance(reason, KafkaError) and reason.code() in _FENCED
        why = "another process has opened it since, and this one ends" if is_fenced else str(reason)
        with self._changed:
            self._failure = WriterError(f"topic {self._topic}: {why}")
            batch += self._waiting
            self._waiting.clear()
        for one in batch:
            one.written.set_exception(self._failure)
