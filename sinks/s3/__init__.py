"""S3 as a Bytewax output: every record in exactly one object, through any crash.

Objects are written by multipart uploads: a part goes up in the background as soon as it is full, and the snapshot
keeps its tag. What is not uploaded yet is in the snapshot itself, compressed. An object becomes visible one snapshot
after the one that sealed it: by then that snapshot is durable, so that a crash neither shows an object whose records
are read again, nor loses one. After a crash sealed objects are completed, and open ones go on where they were.

What takes time is done beside the flow, in threads: one brings records into their final form, others send parts.

Objects are rolled by size, rows and age; age needs no new records, only an item now and then (``sources.tick``).
"""

from sinks.s3.errors import LostUpload, Refused
from sinks.s3.format import Format
from sinks.s3.layout import Layout
from sinks.s3.poison import Rejection
from sinks.s3.sink import Rolling, S3Sink

__all__ = ["Format", "Layout", "LostUpload", "Refused", "Rejection", "Rolling", "S3Sink"]
