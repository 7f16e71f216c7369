"""COPY, as rows or as bytes: what `Cursor.copy` gives.

    with cursor.copy("COPY t (a, b) FROM STDIN") as copy:          with cursor.copy("COPY t TO STDOUT") as copy:
        copy.write_rows([(1, "x"), (2, None)])                         copy.read_into(file)

The statement succeeds when its block ends well; an exception in the block makes it fail.  Rows are written in the text
or CSV format that the statement asks for; the binary one takes and gives bytes.

Generated from aio/copying.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING

from skerry.abc import Outcome, Row
from skerry.backend import CopyChannel
from skerry.copy_rows import BINARY, TEXT, format_of, line_of, row_reader
from skerry_engine import errors

if TYPE_CHECKING:
    from skerry.dbapi import Cursor

CHUNK_BYTES = 65536


class Copy:
    """A COPY FROM STDIN or TO STDOUT under way; made by `Cursor.copy`."""

    def __init__(self, cursor: Cursor, operation: str) -> None:
        self._cursor = cursor
        self._operation = operation
        self._format = format_of(operation)
        self._channel: CopyChannel | None = None
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._types: Sequence[int] | None = None

    def __enter__(self) -> Copy:
        cursor = self._cursor
        connection = cursor.connection
        cursor._forget()
        with connection._lock:
            backend = connection._usable_backend()
            begin = connection._needed_begin(backend, self._operation)
            if begin is not None:
                backend.execute(begin)
            self._channel = backend.copy(self._operation)
            connection._claim = "a COPY"
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the statement; an exception makes it fail instead."""
        channel, connection = self._open_channel(), self._cursor.connection
        self._channel = None
        connection._claim = None
        with connection._lock:
            if exception_type is not None:
                channel.finish(f"{exception_type.__name__} in the client")
                return
            if self._pending:
                channel.write(b"".join(self._pending))
            while channel.direction == "out" and channel.read():
                pass  # what nobody has asked for
            outcome = channel.finish()
        self._pending = []
        self._cursor._show(Outcome(None, [], outcome.tag, outcome.row_count))

    def _open_channel(self) -> CopyChannel:
        if self._channel is None:
            raise errors.InterfaceError("COPY happens inside its `with` block")
        return self._channel

    def _channel_for(self, direction: str) -> CopyChannel:
        channel = self._open_channel()
        if channel.direction != direction:
            what = "FROM STDIN is written to" if channel.direction == "in" else "TO STDOUT is read from"
            raise errors.ProgrammingError(f"COPY {what}")
        return channel

    # --- in ---------------------------------------------

    def write(self, data: bytes | str) -> None:
        """A piece of data in the statement's format, cut anywhere."""
        channel = self._channel_for("in")
        piece = data.encode() if isinstance(data, str) else bytes(data)
        self._pending.append(piece)
        self._pending_bytes += len(piece)
        if self._pending_bytes >= CHUNK_BYTES:
            whole = b"".join(self._pending)
            self._pending, self._pending_bytes = [], 0
            for start in range(0, len(whole), CHUNK_BYTES):
                channel.write(whole[start : start + CHUNK_BYTES])

    def write_row(self, row: Sequence[object]) -> None:
        """One row of values."""
        self.write(line_of(row, self._format))

    def write_rows(self, rows: Iterable[Sequence[object]]) -> None:
        """Rows of values."""
        for row in rows:
            self.write(line_of(row, self._format))

    def write_from(self, file: IO[bytes] | IO[str]) -> None:
        """All that a file has, in the statement's format."""
        while data := file.read(CHUNK_BYTES):
            self.write(data)

    # --- out --------------------------------------------

    def read(self) -> bytes:
        """The next piece of data, of text and CSV a row; empty when there are no more."""
        channel = self._channel_for("out")
        if not self._pending:
            self._pending = (channel.read())[::-1]
        return self._pending.pop() if self._pending else b""

    def read_into(self, file: IO[bytes]) -> None:
        """Write all that comes to a file."""
        while data := self.read():
            file.write(data)

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read():
            yield data

    def set_types(self, types: Sequence[int]) -> None:
        """The OIDs of the columns' types (those of `Cursor.description`), for `rows`."""
        self._types = list(types)

    def rows(self) -> Iterator[Row]:
        """The rows: of str, unless `set_types` told better."""
        if self._format != TEXT:
            hint = "bytes" if self._format == BINARY else "the csv module"
            raise errors.NotSupportedError(
                f"rows are read from COPY's text format; of {self._format} use {hint}"
            )
        read = row_reader(self._types)
        while line := self.read():
            yield read(line)
