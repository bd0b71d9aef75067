"""S3 as a Bytewax output: every record in exactly one object, through any crash.

Objects are written by multipart uploads. A part goes up in the background as soon as it is full, and the snapshot
keeps its tag; records that are in no uploaded part are in the snapshot itself, compressed. An object becomes visible
one snapshot after the one that sealed it. By then that snapshot is durable, so a crash neither shows an object whose
records are read again, nor loses one. After a crash sealed objects are completed, and open ones are continued.

Slow work is done in threads beside the flow: one brings records into their final form, others send parts.

Objects are rolled by size, rows and age. Age needs no new records, only an item now and then (``sources.tick``).
"""

from ..errors import Refused
from .errors import LostUpload
from .formats.format import Format
from .layout import Layout
from .poison import Rejection
from .sink import Rolling, S3Sink

__all__ = ["Format", "Layout", "LostUpload", "Refused", "Rejection", "Rolling", "S3Sink"]
