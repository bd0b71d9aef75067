"""An enriched rating, as it is read from its topic: in JSON or in Avro."""

import msgspec

from records.enriched import EnrichedRating
from records.enriched_avro import fields_of

_decode = msgspec.json.Decoder(EnrichedRating).decode


def read(value: bytes) -> EnrichedRating:
    """Read an enriched rating in the form of its first byte.

    Raises:
        Exception: the value is no enriched rating; of which class depends on what it holds.
    """
    if value.startswith(b"{"):
        return _decode(value)
    return msgspec.convert(fields_of(value), EnrichedRating)
