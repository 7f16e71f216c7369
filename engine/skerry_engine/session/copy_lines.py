"""What text and CSV decoding share: cutting bytes into lines, the header line, widths, the end marker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from skerry_engine.errors import BadCopyFileFormat, CharacterNotInRepertoire
from skerry_engine.session.copy_format import CopyBatch, copy_context
from skerry_engine.sql.statements import CopyOptions

END_MARKER: Final = "\\."


class LineDecoder:
    """Base of the two line formats.

    The kind of line end is that of the first line: LF, CR LF or CR.  Incomplete lines wait in `_pending`.
    """

    def __init__(
        self, options: CopyOptions, table: str, columns: Sequence[str], null: str, delimiter: str
    ) -> None:
        self.table: str = table
        self.columns: tuple[str, ...] = tuple(columns)
        self.null: str = options.null if options.null is not None else null
        self.delimiter: str = options.delimiter if options.delimiter is not None else delimiter
        self.line: int = 0  # of the last line seen
        self.ended: bool = False
        self._header: bool = options.header
        self._header_match: bool = options.header_match
        self._pending: bytes = b""
        self._end_of_line: str = ""

    def feed(self, data: bytes) -> CopyBatch:
        """The rows that `data` completes."""
        if self.ended:
            return CopyBatch([], range(0))
        buffer = self._pending + data if self._pending else data
        if not self._end_of_line and not self._find_end_of_line(buffer, at_end=False):
            self._pending = buffer
            return CopyBatch([], range(0))
        mark = self._end_of_line.encode()
        cut = buffer.rfind(mark)
        if cut < 0:
            self._pending = buffer
            return CopyBatch([], range(0))
        self._pending = buffer[cut + len(mark) :]
        return self._decode(buffer[:cut])

    def finish(self) -> CopyBatch:
        """The last row, if the data did not end with a line end."""
        rest = self._pending
        self._pending = b""
        if self.ended:
            return CopyBatch([], range(0))
        if not rest:
            return self.last_rows()
        self._find_end_of_line(rest, at_end=True)
        mark = self._end_of_line.encode()
        if mark and rest.endswith(mark):
            rest = rest[: -len(mark)]
        batch = self._decode(rest)
        last = self.last_rows()
        return CopyBatch([*batch.rows, *last.rows], [*batch.lines, *last.lines]) if last.rows else batch

    # --- for the formats --------------------------------------------------------------------------

    def decode_clean(self, text: str) -> CopyBatch | None:
        """The rows of complete lines by column, where that can be told from the text as a whole."""
        return None

    def decode_lines(self, lines: list[str]) -> CopyBatch:
        """The rows of complete lines."""
        raise NotImplementedError

    def last_rows(self) -> CopyBatch:
        """What the end of data completes."""
        return CopyBatch([], range(0))

    def check_line_ends(self, text: str) -> None:
        """Refuse line ends of another kind than the first line's."""
        raise NotImplementedError

    def header_fields(self, line: str) -> list[str | None]:
        """The fields of the header line."""
        raise NotImplementedError

    # --- inside -----------------------------------------------------------------------------------

    def _find_end_of_line(self, buffer: bytes, at_end: bool) -> bool:
        """Settle the kind of line end by the first one; False when more data is needed to tell."""
        newline = buffer.find(b"\n")
        carriage = buffer.find(b"\r")
        if carriage >= 0 and (newline < 0 or carriage < newline):
            if carriage + 1 == len(buffer) and not at_end:
                return False
            self._end_of_line = "\r\n" if buffer[carriage + 1 : carriage + 2] == b"\n" else "\r"
        elif newline >= 0:
            self._end_of_line = "\n"
        return bool(self._end_of_line)

    def _decode(self, data: bytes) -> CopyBatch:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            shown = " ".join(f"0x{byte:02x}" for byte in data[error.start : error.start + 1])
            line = self.line + data.count(b"\n", 0, error.start) + 1
            raise CharacterNotInRepertoire(
                f'invalid byte sequence for encoding "UTF8": {shown}', context=copy_context(self.table, line)
            ) from None
        if "\0" in text:
            line = self.line + text.count("\n", 0, text.index("\0")) + 1
            raise CharacterNotInRepertoire(
                'invalid byte sequence for encoding "UTF8": 0x00', context=copy_context(self.table, line)
            )
        self.check_line_ends(text)
        if not self._header and self._end_of_line:
            batch = self.decode_clean(text)
            if batch is not None:
                return batch
        lines = text.split(self._end_of_line) if self._end_of_line else [text]
        if self._header:
            self._header = False
            self.line += 1
            self._check_header(lines.pop(0))
        return self.decode_lines(lines)

    def _check_header(self, line: str) -> None:
        """HEADER MATCH: the header line must name the columns in their order."""
        if not self._header_match:
            return
        fields = self.header_fields(line)
        context = copy_context(self.table, self.line, None, line)
        if len(fields) != len(self.columns):
            raise BadCopyFileFormat(
                f"wrong number of fields in header line: got {len(fields)}, expected {len(self.columns)}",
                context=context,
            )
        for number, (field, column) in enumerate(zip(fields, self.columns, strict=True), 1):
            if field is None:
                raise BadCopyFileFormat(
                    f'column name mismatch in header line field {number}: got null value ("{self.null}"), '
                    f'expected "{column}"',
                    context=context,
                )
            if field != column:
                raise BadCopyFileFormat(
                    f'column name mismatch in header line field {number}: got "{field}", expected "{column}"',
                    context=context,
                )

    def width_error(self, fields: int, line: int, text: str) -> BadCopyFileFormat:
        """The error for a row of too few or too many fields."""
        context = copy_context(self.table, line, None, text)
        if fields < len(self.columns):
            return BadCopyFileFormat(f'missing data for column "{self.columns[fields]}"', context=context)
        return BadCopyFileFormat("extra data after last expected column", context=context)

    def check_widths(self, rows: list[list[str | None]], lines: Sequence[int], texts: list[str]) -> None:
        """Refuse rows of another width than the column list's."""
        width = len(self.columns)
        for index, row in enumerate(rows):
            if len(row) != width:
                raise self.width_error(len(row), lines[index], texts[index])
