"""The item of a stream: a batch of records of one key group."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

KEY_GROUPS = (
    "exk", "h7k0", "ag7b", "3dsu", "h5pb", "0i8zf", "d000", "azaa",
    "d7ic", "dn1r", "gth5", "8y89", "qx15", "hu1o", "egdt", "gten",
)  # fmt: skip
"""The stream keys of the key groups. Bytewax sends a key to worker ``hash(key) % workers``, with Rust's SipHash-1-3;
these are the first keys whose hash is their index modulo 720,720, the least common multiple of 1 to 16. So group
``i`` is on worker ``i % workers`` for up to 16 workers, and so is partition ``i`` of every input and output. Items stay
in their process from step to step."""

_INDEX = {key: index for index, key in enumerate(KEY_GROUPS)}


def group_index(key: str) -> int:
    """The index of a key group, which is also the partition of an output on the same worker."""
    return _INDEX[key]


class Batch(list[T]):
    """Records of one type, in order.

    Bytewax pickles items that it sends between processes. A batch of Structs is sent as MessagePack, in a tenth of a
    pickle's time a record.
    """

    def __reduce__(self) -> tuple[Callable[..., "Batch[T]"], tuple[Any, ...]]:
        if not self:
            return type(self), ()
        return _unpack, (type(self), type(self[0]), pack(self))


def pack(records: Iterable[object]) -> bytes:
    """Encode records as MessagePack."""
    return _encoder.encode(list(records))


def unpack(record_type: type[T], packed: bytes) -> list[T]:
    """Decode records of ``record_type`` that ``pack`` encoded."""
    records: list[T] = _decoder(record_type).decode(packed)  # type: ignore[arg-type]  # classes are hashable
    return records


def _unpack(batch_type: type[Batch[T]], record_type: type[T], packed: bytes) -> Batch[T]:
    return batch_type(unpack(record_type, packed))


_encoder = msgspec.msgpack.Encoder()


@cache
def _decoder(record_type: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(list[record_type])
