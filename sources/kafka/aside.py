"""What a partition has read and cannot send on yet: what waits, and in which order. No consumer, no clock, no log."""

from collections import deque
from collections.abc import Callable, Collection, Iterable

from messages.message import Message


class Aside:
    """Messages of one partition that cannot be decoded yet, by rising offset.

    By key a message waits, too, while one of its key does: their order is kept. Null keys have no order.

    Of those that an earlier run left only the offsets are known at first (``expect``), until they are read again
    (``pick``). Offsets need not be dense.

    Args:
        unready: Which of these messages, by index, cannot be decoded yet.
        max_messages: With so many it is full.
        max_bytes: With so many bytes of keys and values, too.
        by_key: Keep the order of each key.
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
        self._left: deque[int] = deque()
        self._messages: list[Message] = []
        self._keys: set[bytes] = set()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._messages) + len(self._left)

    @property
    def size(self) -> int:
        """Bytes of the keys and values that are here."""
        return self._bytes

    @property
    def full(self) -> bool:
        """No more should be read; what an earlier run left takes no room before it is."""
        return len(self._messages) >= self._max_messages or self._bytes >= self._max_bytes

    @property
    def offsets(self) -> tuple[int, ...]:
        """Rising."""
        return *map(_offset, self._messages), *self._left

    def done(self, following: int) -> int:
        """The offset below which nothing waits; ``following`` is that of the next new message."""
        return _offset(self._messages[0]) if self._messages else self.to_read(following)

    def to_read(self, following: int) -> int:
        """The offset that must be read next; ``following`` is that of the next new message."""
        return self._left[0] if self._left else following

    def sift(self, messages: list[Message]) -> list[Message]:
        """Set aside what must wait; the rest."""
        if not messages:
            return messages
        unready = self._unready(messages)
        if not unready and not self._keys:
            return messages
        return self._part(messages, unready, len(messages))

    def offer(self, at_most: int) -> list[Message]:
        """What need not wait any longer, ``at_most`` so many."""
        if not self._messages:
            return []
        messages = self._messages
        self._messages, self._keys, self._bytes = [], set(), 0
        return self._part(messages, self._unready(messages), at_most)

    def expect(self, offsets: Iterable[int]) -> None:
        """An earlier run set these aside, by rising offset: they are to be read again."""
        self._left.extend(offsets)

    def pick(self, messages: list[Message], following: int) -> tuple[list[Message], int]:
        """Of messages that are read again: those that were set aside, and those from ``following`` on, which are new.

        Returns:
            The messages; how many that were expected among them are not on the topic any longer.
        """
        picked, gone = [], 0
        for message in messages:
            offset = _offset(message)
            gone += self.forget(offset)
            expected = bool(self._left) and self._left[0] == offset
            if expected:
                self._left.popleft()
            if expected or offset >= following:
                picked.append(message)
        return picked, gone

    def forget(self, below: int) -> int:
        """Expect nothing below this offset any longer: how many that were."""
        before = len(self._left)
        while self._left and self._left[0] < below:
            self._left.popleft()
        return before - len(self._left)

    def clear(self) -> int:
        """Forget everything: how many messages that was."""
        count = len(self)
        self._left.clear()
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
