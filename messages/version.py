"""The order of two changes of a row.

A change is dropped only if it is proved to be a repetition: its place in the same server's log is lower than that of
the known change, and it is not later by the database's clock. Every other change that comes later in its partition
wins: after a failover or in a restored database logs count from the start again, and clocks are set back. Two
partitions have no common order. There, if places and clocks of one log disagree, the change with the later record
timestamp wins, and with equal timestamps the change of the higher partition.

A version without a position is an int, which takes 32 bytes. With a position it is bytes:

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
    if not 0 <= timestamp <= _LATEST:  # missing, or microseconds read as milliseconds
        timestamp = 0 if timestamp < 0 else _LATEST
    arrived = timestamp << _PARTITION_BITS | (message.partition() or 0) & _PARTITION
    return arrived if position is None else arrived.to_bytes(_ARRIVED_BYTES, "big") + position


def is_stale(known: Version, new: Version) -> bool:
    """Whether a change of version ``new`` must not replace the known one."""
    known_at, new_at = _position(known), _position(new)
    if known_at and new_at and is_same_log(known_at, new_at):
        if new_at[PLACE] <= known_at[PLACE] and new_at[CLOCK] <= known_at[CLOCK]:
            return new_at[PLACE] < known_at[PLACE]
        if new_at[PLACE] >= known_at[PLACE] and new_at[CLOCK] >= known_at[CLOCK]:
            return False
    known_arrived, new_arrived = _arrived(known), _arrived(new)
    return (known_arrived ^ new_arrived) & _PARTITION != 0 and new_arrived < known_arrived


def advance(known: Version, new: Version) -> Version:
    """The version after a change: that of the change. A change without a position keeps the known position."""
    if isinstance(new, int) and isinstance(known, bytes):
        return new.to_bytes(_ARRIVED_BYTES, "big") + known[_ARRIVED_BYTES:]
    return new


def _arrived(version: Version) -> int:
    return version if isinstance(version, int) else int.from_bytes(version[:_ARRIVED_BYTES], "big")


def _position(version: Version) -> bytes | None:
    return None if isinstance(version, int) else version[_ARRIVED_BYTES:]
