"""COPY's binary format.

    header    11 bytes signature, 4 bytes flags (bit 16: OIDs, refused), 4 bytes length of an extension
    (skipped) row       2 bytes number of fields, then for each 4 bytes length (-1 NULL) and the bytes
    trailer   2 bytes -1
All numbers are big-endian.  Data may be cut anywhere.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from skerry_engine.errors import BadCopyFileFormat
from skerry_engine.session.copy_format import CopyBatch, Field, copy_context

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
_HEADER_BYTES: Final = len(_SIGNATURE) + 8
_CRITICAL_FLAGS: Final = 0xFFFF0000
_OID_FLAG: Final = 1 << 16
_COUNT = struct.Struct(">h")
_LENGTH = struct.Struct(">i")
_FLAGS_AND_EXTENSION = struct.Struct(">Ii")


class BinaryDecoder:
    """Reads the binary format; fields are bytes."""

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        self.table: str = table
        self.columns: tuple[str, ...] = tuple(columns)
        self.line: int = 0
        self.ended: bool = False
        self._buffer: bytes = b""
        self._has_header: bool = False

    def feed(self, data: bytes) -> CopyBatch:
        if self.ended:
            if data:
                raise self._error("received copy data after EOF marker")
            return CopyBatch([], range(0))
        self._buffer += data
        position = 0
        if not self._has_header:
            position = self._read_header()
            if position == 0:
                return CopyBatch([], range(0))
        rows: list[list[bytes | None]] = []
        first = self.line + 1
        while not self.is_over():
            end = self._read_row(position, rows)
            if end < 0:
                break
            position = end
        self._buffer = self._buffer[position:]
        if self._buffer and self.is_over():
            raise self._error("received copy data after EOF marker")
        return CopyBatch(rows, range(first, first + len(rows)))

    def finish(self) -> CopyBatch:
        if not self._has_header:
            raise self._error("COPY file signature not recognized")
        if not self.ended and self._buffer:
            raise self._error("unexpected EOF in COPY data")
        return CopyBatch([], range(0))

    def is_over(self) -> bool:
        """Whether the trailer was read."""
        return self.ended

    def _error(self, message: str) -> BadCopyFileFormat:
        return BadCopyFileFormat(message, context=copy_context(self.table, self.line + 1))

    def _read_header(self) -> int:
        """The offset of the first row, 0 while the header is incomplete."""
        buffer = self._buffer
        if not _SIGNATURE.startswith(buffer[: len(_SIGNATURE)]):
            raise self._error("COPY file signature not recognized")
        if len(buffer) < _HEADER_BYTES:
            return 0
        flags, extension = _FLAGS_AND_EXTENSION.unpack_from(buffer, len(_SIGNATURE))
        if flags & _OID_FLAG:
            raise self._error("invalid COPY file header (WITH OIDS)")
        if flags & _CRITICAL_FLAGS:
            raise self._error("unrecognized critical flags in COPY file header")
        if extension < 0:
            raise self._error("invalid COPY file header (missing length)")
        if len(buffer) < _HEADER_BYTES + extension:
            return 0
        self._has_header = True
        return _HEADER_BYTES + int(extension)

    def _read_row(self, position: int, rows: list[list[bytes | None]]) -> int:
        """Read one row; the offset behind it, or -1 while it is incomplete."""
        buffer = self._buffer
        if position + 2 > len(buffer):
            return -1
        count = _COUNT.unpack_from(buffer, position)[0]
        position += 2
        if count == -1:
            self.ended = True
            return position
        if count != len(self.columns):
            raise self._error(f"row field count is {count}, expected {len(self.columns)}")
        row: list[bytes | None] = []
        for _ in range(count):
            if position + 4 > len(buffer):
                return -1
            length = _LENGTH.unpack_from(buffer, position)[0]
            position += 4
            if length == -1:
                row.append(None)
                continue
            if length < 0:
                raise self._error("invalid field size")
            if position + length > len(buffer):
                return -1
            row.append(buffer[position : position + length])
            position += length
        rows.append(row)
        self.line += 1
        return position


class BinaryEncoder:
    """Writes the binary format from fields that are bytes."""

    def header(self) -> bytes:
        return _SIGNATURE + bytes(8)

    def encode(self, rows: Sequence[Sequence[Field]]) -> bytes:
        parts: list[bytes] = []
        for row in rows:
            parts.append(_COUNT.pack(len(row)))
            for field in row:
                if field is None:
                    parts.append(b"\xff\xff\xff\xff")
                    continue
                assert isinstance(field, bytes)
                parts.append(_LENGTH.pack(len(field)))
                parts.append(field)
        return b"".join(parts)

    def trailer(self) -> bytes:
        return b"\xff\xff"
