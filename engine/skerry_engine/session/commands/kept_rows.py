"""Rows kept for later, within a bound: the newest in memory, older ones in a temporary file.

Rows are read by number, from 0.  They are held in chunks of CHUNK_ROWS; when more than `memory_rows` are
kept, whole chunks go to the file, from which one at a time comes back.  The file has no name and vanishes
with the object.
"""

from __future__ import annotations

import pickle
import tempfile
import weakref
from typing import IO, Any

Row = tuple[object, ...]
CHUNK_ROWS = 512


class KeptRows:
    """An append-only list of rows that spills to disk."""

    def __init__(self, memory_rows: int) -> None:
        self._memory_chunks = max(1, memory_rows // CHUNK_ROWS)
        self._chunks: list[list[Row] | None] = []  # None: in the file
        self._places: list[tuple[int, int]] = []  # (offset, bytes) in the file, of the leading chunks
        self._file: IO[bytes] | None = None
        self._close_file: weakref.finalize[Any, Any] | None = None
        self._cached_number = -1
        self._cached: list[Row] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, rows: list[Row]) -> None:
        """Append rows."""
        position = 0
        while position < len(rows):
            last = self._chunks[-1] if self._chunks else None
            if last is None or len(last) == CHUNK_ROWS:
                last = []
                self._chunks.append(last)
            part = rows[position : position + CHUNK_ROWS - len(last)]
            last.extend(part)
            position += len(part)
        self._count += len(rows)
        while len(self._chunks) - len(self._places) > self._memory_chunks:
            self._spill(len(self._places))

    def read(self, start: int, limit: int) -> list[Row]:
        """Some rows from number `start` on: at most `limit`, up to the end of a chunk;
        [] past the last one."""
        if start >= self._count or limit <= 0:
            return []
        chunk = self._chunk(start // CHUNK_ROWS)
        offset = start % CHUNK_ROWS
        return chunk[offset : offset + limit]

    def read_back(self, stop: int, limit: int) -> list[Row]:
        """Some rows before number `stop`, last one first: at most `limit`, down to the start of a chunk."""
        if stop <= 0 or limit <= 0:
            return []
        number = (stop - 1) // CHUNK_ROWS
        end = stop - number * CHUNK_ROWS
        return self._chunk(number)[max(0, end - limit) : end][::-1]

    def close(self) -> None:
        """Let rows and file go."""
        self._chunks.clear()
        self._places.clear()
        self._cached = []
        self._cached_number = -1
        self._count = 0
        self._file = None
        if self._close_file is not None:
            self._close_file()

    def _chunk(self, number: int) -> list[Row]:
        chunk = self._chunks[number]
        if chunk is not None:
            return chunk
        if number != self._cached_number:
            offset, size = self._places[number]
            assert self._file is not None
            self._file.seek(offset)
            self._cached = pickle.loads(self._file.read(size))
            self._cached_number = number
        return self._cached

    def _spill(self, number: int) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the object
            self._close_file = weakref.finalize(self, self._file.close)
        data = pickle.dumps(self._chunks[number], pickle.HIGHEST_PROTOCOL)
        offset = self._file.seek(0, 2)
        self._file.write(data)
        self._places.append((offset, len(data)))
        self._chunks[number] = None
