"""Decides when a post may begin: no I/O and no clock of its own."""

from math import inf

_DENIED_SECONDS, _LONGEST_DENIED_SECONDS = 30.0, 300.0


class Gate:
    """The posts under way, and the pauses that the way out asks for: a pause holds all posts back.

    After a pause one post goes alone. Each post that is accepted lets one more go at once, so neither an overloaded way
    out nor one that denies us is tried by all threads again.

    ``now`` is in seconds of a clock that only runs forward.
    """

    def __init__(self, at_once: int) -> None:
        self._most = self._at_once = at_once
        self._under_way = 0
        self._until = -inf
        self._denials = 0

    def enter(self, now: float) -> float:
        """Begin a post, and return 0; or the seconds until it may be asked again, infinite until a post has left."""
        if now < self._until:
            return self._until - now
        if self._under_way >= self._at_once:
            return inf
        self._under_way += 1
        return 0.0

    def leave(self) -> None:
        """End a post, whatever came of it."""
        self._under_way -= 1

    def accept(self) -> None:
        """A post was accepted."""
        self._at_once = min(self._at_once + 1, self._most)
        self._denials = 0

    def pause(self, now: float, seconds: float) -> None:
        """Let no post begin for some seconds."""
        self._until = max(self._until, now + seconds)
        self._at_once = 1

    def deny(self, now: float) -> float:
        """Pause after a denial, each time for longer; return the seconds. Posts that were under way count as one."""
        if now >= self._until or not self._denials:
            self._denials += 1
        seconds = min(_DENIED_SECONDS * 2.0 ** min(self._denials - 1, 10), _LONGEST_DENIED_SECONDS)
        self.pause(now, seconds)
        return seconds
