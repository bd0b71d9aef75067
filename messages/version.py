"""Which of two changes of a row is the newer one.

A change is dropped only if it is proved to be a repetition: if it stands at a lower place of the same server's log than
the change that is known, and is not later by the database's clock. Everything else that comes later in its partition
wins: after a failover or in a restored database logs count anew, and clocks are set back. Between two partitions there
is no later; where places and clocks of one log do not agree on it, the change with the later record timestamp wins, and
of the same timestamp that of the higher partition.

A version is an int where no position is told, which takes 32 bytes, or else bytes:

    arrived  8 bytes  timestamp of the Kafka record (6 bytes, ms since 1970), partition (2)
    position          in the form of ``messages/log_position.py``
"""

from messages.log_position import CLOCK, PLACE, is_same_log
from messages.message import Message

Version = int | bytes

_PARTITION_BITS = 16
_PARTITION = (1 << _PARTITION_BITS) - 1
_LATEST = (1 << 47) - 1
_ARRIVED_BYTES = 8


def version(message: Message, position: bytes | None) -> Version:
    """The version of the change that a message carries."""
    timestamp = message.timestamp()[1]
    if not 0 <= timestamp <= _LATEST:  # none, or microseconds taken for milliseconds
        timestamp = 0 if timestamp < 0 else _LATEST
    arrived = timestamp << _PARTITION_BITS | (message.partition() or 0) & _PARTITION
    return arrived if position is None else arrived.to_bytes(_ARRIVED_BYTES, "big") + position


def is_stale(known: Version, new: Version) -> bool:
    """Whether a change must not replace the one that is known."""
    known_at, new_at = _position(known), _position(new)
    if known_at and new_at and is_same_log(known_at, new_at):
        if new_at[PLACE] <= known_at[PLACE] and new_at[CLOCK] <= known_at[CLOCK]:
            return new_at[PLACE] < known_at[PLACE]
        if new_at[PLACE] >= known_at[PLACE] and new_at[CLOCK] >= known_at[CLOCK]:
            return False
    known_arrived, new_arrived = _arrived(known), _arrived(new)
    return (known_arrived ^ new_arrived) & _PARTITION != 0 and new_arrived < known_arrived


def advance(known: Version, new: Version) -> Version:
    """The version that is known after a change: its own. One without a position leaves the position that is known."""
    if isinstance(new, int) and isinstance(known, bytes):
        return new.to_bytes(_ARRIVED_BYTES, "big") + known[_ARRIVED_BYTES:]
    return new


def _arrived(version: Version) -> int:
    return version if isinstance(version, int) else int.from_bytes(version[:_ARRIVED_BYTES], "big")


def _position(version: Version) -> bytes | None:
    return None if isinstance(version, int) else version[_ARRIVED_BYTES:]
