"""Parquet, written in parts: each part is a row group at its final place, and only its small footer is remembered.

A fresh writer whose file position has been moved to where the part will stand writes the row group; at the end the
footers' row groups are put together into one. pyarrow's public interface allows both.
"""

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec.structs import astuple

_MAGIC = b"PAR1"


class Parquet:
    """Records of one Struct type; its fields are the columns of ``schema``, in order."""

    extension = "parquet"
    content_type = "application/vnd.apache.parquet"

    def __init__(self, schema: pa.Schema, compression: str = "zstd") -> None:
        self._schema, self._compression = schema, compression
        # Of numbers a dictionary costs more time than it saves bytes.
        self._dictionaries = [field.name for field in schema if pa.types.is_string(field.type)]
        self._compressed = pa.ipc.IpcWriteOptions(compression="zstd")

    def block(self, records: Sequence[Any]) -> bytes:
        """An Arrow stream."""
        columns = zip(*map(astuple, records), strict=True)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self._schema, options=self._compressed) as writer:
            writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        return bytes(sink.getvalue())

    def assemble(self, blocks: Sequence[bytes], position: int) -> tuple[bytes, bytes]:
        """A row group, with the file's first bytes before the first; and its footer."""
        table = pa.concat_tables([pa.ipc.open_stream(block).read_all() for block in blocks]).combine_chunks()
        output = _Output()
        file = pa.PythonFile(output, mode="w")
        # This writes the magic number.
        writer = pq.ParquetWriter(file, self._schema, compression=self._compression, use_dictionary=self._dictionaries)
        if position:
            output.skip(file, position)
        writer.write_table(table, row_group_size=table.num_rows)
        writer.close()
        data = output.getvalue()
        footer = int.from_bytes(data[-8:-4], "little")
        return data[: -8 - footer], data[-8 - footer :]

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


class _Output(io.RawIOBase):
    """Keeps what is written from where the part begins."""

    def __init__(self) -> None:
        self._kept = io.BytesIO()
        self._skipping = False

    def skip(self, file: pa.NativeFile, position: int) -> None:
        """Move the file's position on, and forget what was written before."""
        self._skipping = True
        file.write(bytes(position - len(_MAGIC)))
        self._skipping = False
        self._kept = io.BytesIO()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data) if self._skipping else self._kept.write(data)

    def getvalue(self) -> bytes:
        """What was kept."""
        return self._kept.getvalue()
