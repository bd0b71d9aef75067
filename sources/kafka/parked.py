"""The parked messages of a partition: read, and not decodable yet. Pure: no consumer, no clock, no log."""

from collections import deque
from collections.abc import Callable, Collection, Iterable

from messages.message import Message


class Parked:
    """Messages of one partition that cannot be decoded yet, by rising offset.

    With ``by_key`` a message is parked, too, while an earlier message of its key is: the order of the key is kept.
    Null keys have no order.

    Of the messages that an earlier run parked only the offsets are known (``expect``), until they are read again
    (``pick``). Offsets need not be dense.

    Args:
        unready: the indexes of the messages that cannot be decoded yet.
        max_messages: the number of messages that makes it full.
        max_bytes: the bytes of keys and values that make it full.
        by_key: keep the order of each key.
    """

    def __init__(
        self,
        unready: Callable[[list[Message]], Collection[int]],
        max_messages: int,
        max_bytes: int,
        *,
        by_key: bool,
    ) -> None:
        self._unready, self._by_key = unready, by_key
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._expected: deque[int] = deque()
        self._messages: list[Message] = []
        self._keys: set[bytes] = set()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._messages) + len(self._expected)

    @property
    def size(self) -> int:
        """Bytes of the keys and values in memory."""
        return self._bytes

    @property
    def full(self) -> bool:
        """Whether reading must stop. Expected messages take no room before they are read again."""
        return len(self._messages) >= self._max_messages or self._bytes >= self._max_bytes

    @property
    def offsets(self) -> tuple[int, ...]:
        """The offsets of all parked messages, rising."""
        return *map(_offset, self._messages), *self._expected

    def done(self, following: int) -> int:
        """The offset below which no message is parked; ``following`` is that of the next new message."""
        return _offset(self._messages[0]) if self._messages else self.to_read(following)

    def to_read(self, following: int) -> int:
        """The offset to read next; ``following`` is that of the next new message."""
        return self._expected[0] if self._expected else following

    def sift(self, messages: list[Message]) -> list[Message]:
        """Park the messages that must wait, and return the others."""
        if not messages:
            return messages
        unready = self._unready(messages)
        if not unready and not self._keys:
            return messages
        return self._part(messages, unready, len(messages))

    def release(self, at_most: int) -> list[Message]:
        """Return parked messages that need not wait any longer, up to ``at_most``."""
        if not self._messages:
            return []
        messages = self._messages
        self._messages, self._keys, self._bytes = [], set(), 0
        return self._part(messages, self._unready(messages), at_most)

    def expect(self, offsets: Iterable[int]) -> None:
        """Note the offsets, rising, of messages that an earlier run parked: they must be read again."""
        self._expected.extend(offsets)

    def pick(self, messages: list[Message], following: int) -> tuple[list[Message], int]:
        """Choose among messages that are read again: the expected ones, and new ones from ``following`` on.

        Returns:
            The messages; how many expected ones among them are no longer on the topic.
        """
        picked, gone = [], 0
        for message in messages:
            offset = _offset(message)
            gone += self.forget(offset)
            is_expected = bool(self._expected) and self._expected[0] == offset
            if is_expected:
                self._expected.popleft()
            if is_expected or offset >= following:
                picked.append(message)
        return picked, gone

    def forget(self, below: int) -> int:
        """Expect no message below this offset any longer, and return how many were expected."""
        before = len(self._expected)
        while self._expected and self._expected[0] < below:
            self._expected.popleft()
        return before - len(self._expected)

    def clear(self) -> int:
        """Drop everything, and return the number of messages."""
        count = len(self)
        self._expected.clear()
        self._messages, self._keys, self._bytes = [], set(), 0
        return count

    def _part(self, messages: list[Message], unready: Collection[int], at_most: int) -> list[Message]:
        waiting = frozenset(unready)
        passing: list[Message] = []
        for index, message in enumerate(messages):
            key = message.key()
            if index not in waiting and key not in self._keys and len(passing) < at_most:
                passing.append(message)
                continue
            self._messages.append(message)
            self._bytes += len(key or b"") + len(message.value() or b"")
            if self._by_key and key is not None:
                self._keys.add(key)
        return passing


def _offset(message: Message) -> int:
    return message.offset() or 0
