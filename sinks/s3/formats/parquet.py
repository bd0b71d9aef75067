"""Parquet, written in parts: each part is a row group at its final place, and only its small footer is remembered.

A new writer writes each row group, with its file position moved to the place of the part. At the end the row groups
of all footers are put into one footer. pyarrow's public interface allows both.
"""

import io
from collections.abc import Sequence
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec.structs import astuple

from .format import ColumnsError

_MAGIC = b"PAR1"
_FOOTER_BYTES = 8
"""After the footer: its length, and the magic number again."""
_END_BYTES = 8
"""The end of an Arrow stream: https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format."""
_WRITE_BYTES = 4 << 20

_NO_TIME = -1
"""Kafka's timestamp of a record that has none."""
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
"""Of the years 1 to 9999."""
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class Parquet:
    """Records of one Struct type; its fields are the columns of ``schema``, in order.

    A timestamp that is -1 or beyond the years 1 to 9999 is written as null: DuckDB fails at a file with a timestamp
    that its own type does not reach, and pyarrow fails to make a Python value of one beyond the year 9999.
    """

    extension = "parquet"
    content_type = "application/vnd.apache.parquet"

    def __init__(self, schema: pa.Schema, compression: str = "zstd") -> None:
        self._schema, self._compression = schema, compression
        self.spec = ("parquet", schema.serialize().to_pybytes(), compression)
        # For numbers a dictionary costs more time than it saves bytes.
        self._dictionaries = [field.name for field in schema if pa.types.is_string(field.type)]
        # LZ4 takes a third of the time of Zstandard. Starting Arrow's own threads takes longer than the work.
        self._quick = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        self._alone = pa.ipc.IpcReadOptions(use_threads=False)
        empty = self._stream([])
        self._begin, self._end = empty[:-_END_BYTES], empty[-_END_BYTES:]

    @classmethod
    def restore(cls, schema: bytes, compression: str) -> "Parquet":
        """The format of such a ``spec``."""
        return cls(pa.ipc.read_schema(pa.py_buffer(schema)), compression)

    def block(self, records: Sequence[Any]) -> bytes:
        """Encode the middle of an Arrow stream, without schema and end: blocks in a row are one stream."""
        values = list(chain.from_iterable(map(astuple, records)))
        width = len(self._schema)
        if len(values) != width * len(records):
            raise ColumnsError(f"the records have not the {width} columns {', '.join(self._schema.names)}")
        arrays = [_array(values[at::width], column.type) for at, column in enumerate(self._schema)]
        stream = self._stream([pa.record_batch(arrays, schema=self._schema)])
        return stream[len(self._begin) : -_END_BYTES]

    def assemble(self, blocks: Sequence[bytes], position: int) -> tuple[bytes, bytes]:
        """Make a row group, the first one after the file's first bytes, and its footer."""
        # Few calls of pyarrow: each waits for the interpreter, which the flow has.
        table = pa.ipc.open_stream(b"".join([self._begin, *blocks, self._end]), options=self._alone).read_all()
        output = _Output()
        file = pa.BufferedOutputStream(pa.PythonFile(output, mode="w"), _WRITE_BYTES)
        # This writes the magic number.
        writer = pq.ParquetWriter(file, self._schema, compression=self._compression, use_dictionary=self._dictionaries)
        if position:
            output.skip(file, position - len(_MAGIC))
        writer.write_table(table, row_group_size=table.num_rows)
        writer.close()
        file.flush()
        data = output.getvalue()
        end = len(data) - _FOOTER_BYTES - int.from_bytes(data[-_FOOTER_BYTES:-4], "little")
        return data[:end], data[end:]

    def close(self, memos: Sequence[bytes]) -> bytes:
        """The footer of all row groups."""
        if not memos:
            raise ValueError("a Parquet file needs a row group")
        footer, *others = (pq.read_metadata(io.BytesIO(_MAGIC + memo)) for memo in memos)
        for other in others:
            footer.append_row_groups(other)
        whole = io.BytesIO()
        footer.write_metadata_file(pa.PythonFile(whole, mode="w"))
        return whole.getvalue()[len(_MAGIC) :]

    def _stream(self, batches: Sequence[pa.RecordBatch]) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self._schema, options=self._quick) as writer:
            for batch in batches:
                writer.write_batch(batch)
        return bytes(sink.getvalue())


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    array = pa.array(values, kind)
    if not pa.types.is_timestamp(kind):
        return array
    unit = _UNITS[kind.unit]
    first = max(_FIRST_SECOND * unit, -(1 << 63))
    last = min((_LAST_SECOND + 1) * unit - 1, (1 << 63) - 1)
    numbers = array.cast(pa.int64())
    bounds = pc.min_max(numbers).as_py()
    if bounds["min"] is None or (bounds["min"] >= 0 and bounds["max"] <= last):
        return array  # as nearly always
    strange = pc.or_(pc.equal(numbers, _NO_TIME), pc.or_(pc.less(numbers, first), pc.greater(numbers, last)))
    return pc.if_else(strange, pa.scalar(None, kind), array)


class _Output(io.RawIOBase):
    """Keeps the bytes that are written to it."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._skipping = False

    def skip(self, file: pa.NativeFile, count: int) -> None:
        """Move the position of ``file``, which writes here, forward by ``count`` bytes, and keep none of them."""
        self._skipping = True
        zeros = memoryview(bytes(_WRITE_BYTES))
        while count:
            count -= file.write(zeros[:count])
        file.flush()
        self._skipping = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if not self._skipping:
            self._kept.append(bytes(data))
        return len(data)

    def getvalue(self) -> bytes:
        """All bytes that were kept."""
        return b"".join(self._kept)
