"""COPY's text format: a line for each row, fields between delimiters, backslash escapes, \\N for NULL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from skerry_engine.errors import BadCopyFileFormat, CharacterNotInRepertoire
from skerry_engine.session.copy_format import CopyBatch, Field, copy_context
from skerry_engine.session.copy_lines import END_MARKER, LineDecoder
from skerry_engine.sql.statements import CopyOptions

_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|[\s\S])")
_READ_ESCAPES: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_WRITTEN_ESCAPES: Final = {
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}


class TextDecoder(LineDecoder):
    """Reads the text format."""

    def __init__(self, options: CopyOptions, table: str, columns: Sequence[str]) -> None:
        super().__init__(options, table, columns, "\\N", "\t")
        self._held = ""  # the part of a row before an escaped line end
        self._held_line = 0

    def check_line_ends(self, text: str) -> None:
        if self._end_of_line == "\n" and "\r" in text:
            raise self._stray(text, "\r", "carriage return", '"\\r"')
        if self._end_of_line == "\r" and "\n" in text:
            raise self._stray(text, "\n", "newline", '"\\n"')
        if self._end_of_line == "\r\n" and text.count("\n") != text.count("\r\n"):
            raise self._stray(text, "\n", "newline", '"\\n"')

    def _stray(self, text: str, character: str, name: str, escape: str) -> BadCopyFileFormat:
        line = self.line + text.count(self._end_of_line, 0, text.index(character)) + 1
        return BadCopyFileFormat(
            f"literal {name} found in data",
            hint=f"Use {escape} to represent {name}.",
            context=copy_context(self.table, line),
        )

    def header_fields(self, line: str) -> list[str | None]:
        return self._row(line)

    def decode_clean(self, text: str) -> CopyBatch | None:
        """Without a backslash there are no escapes, no end marker and no NULLs: lines are cut into fields all at once.

        A line end goes to the front of the field behind it.  If such fields stand where lines are to begin, and
        nowhere else, every line is as wide as it is to be.
        """
        width = len(self.columns)
        if not width or self.null != "\\N" or self._held or "\\" in text:
            return None
        mark = self._end_of_line
        count = text.count(mark) + 1
        fields = text.replace(mark, self.delimiter + mark).split(self.delimiter)
        begins = "".join(fields[::width])
        if len(fields) != width * count or begins.count(mark) != count - 1:
            return None
        first = self.line + 1
        self.line += count
        columns = [begins.split(mark), *[fields[place::width] for place in range(1, width)]]
        return CopyBatch([], range(first, first + count), columns)

    def decode_lines(self, lines: list[str]) -> CopyBatch:
        if END_MARKER in lines:
            lines = lines[: lines.index(END_MARKER)]
            self.ended = True
        first = self.line + 1
        self.line += len(lines)
        numbers: Sequence[int] = range(first, first + len(lines))
        if self._held or any(line.endswith("\\") for line in lines):
            lines, numbers = self._join_escaped(lines, first)
        delimiter = self.delimiter
        null = self.null
        rows: list[list[str | None]] = []
        for line in lines:
            if "\\" in line or not self.columns:
                rows.append(self._row(line))
            elif null == "\\N":
                rows.append(line.split(delimiter))  # type: ignore[arg-type]
            else:
                rows.append([None if field == null else field for field in line.split(delimiter)])
        self.check_widths(rows, numbers, lines)
        return CopyBatch(rows, numbers)

    def last_rows(self) -> CopyBatch:
        if not self._held:
            return CopyBatch([], range(0))
        line = self._held[:-1]
        self._held = ""
        rows = [self._row(line)]
        self.check_widths(rows, [self._held_line], [line])
        return CopyBatch(rows, [self._held_line])

    def _join_escaped(self, lines: list[str], first: int) -> tuple[list[str], list[int]]:
        """Lines whose end is escaped go on in the next one; such a row has the number of its first line."""
        joined: list[str] = []
        numbers: list[int] = []
        for number, line in enumerate(lines, first):
            start = number
            if self._held:
                line = self._held + line
                start = self._held_line
            trailing = len(line) - len(line.rstrip("\\"))
            if trailing % 2:
                self._held = line + self._end_of_line
                self._held_line = start
                continue
            self._held = ""
            joined.append(line)
            numbers.append(start)
        return joined, numbers

    def _row(self, line: str) -> list[str | None]:
        """The fields of a line with backslashes in it."""
        if not self.columns and not line:
            return []
        if "\\" + self.delimiter in line:
            fields = self._split_escaped(line)
        else:
            fields = line.split(self.delimiter)
        null = self.null
        return [
            None if field == null else self._unescape(field) if "\\" in field else field for field in fields
        ]

    def _split_escaped(self, line: str) -> list[str]:
        """Split at delimiters that are not escaped themselves."""
        fields: list[str] = []
        held = ""
        for part in line.split(self.delimiter):
            part = held + part
            if (len(part) - len(part.rstrip("\\"))) % 2:
                held = part + self.delimiter
                continue
            held = ""
            fields.append(part)
        if held:
            fields.append(held[: -len(self.delimiter)])
        return fields

    def _unescape(self, field: str) -> str:
        data = _ESCAPE.sub(_unescaped, field.encode())
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise CharacterNotInRepertoire(
                f'invalid byte sequence for encoding "UTF8": 0x{data[error.start]:02x}',
                context=copy_context(self.table, self.line),
            ) from None
        if "\0" in text:
            raise CharacterNotInRepertoire(
                'invalid byte sequence for encoding "UTF8": 0x00', context=copy_context(self.table, self.line)
            )
        return text


class UnevenDecoder(TextDecoder):
    """Reads lines of any number of fields: whoever asks for them knows how many there are to be."""

    def decode_clean(self, text: str) -> CopyBatch | None:
        return None

    def check_widths(self, rows: list[list[str | None]], lines: Sequence[int], texts: list[str]) -> None:
        """All are right."""


def _unescaped(found: re.Match[bytes]) -> bytes:
    escape = found[1]
    first = escape[:1]
    if first == b"x" and len(escape) > 1:
        return bytes([int(escape[1:], 16)])
    if first in b"01234567":
        return bytes([int(escape, 8) & 255])
    return _READ_ESCAPES.get(escape, escape)


class TextEncoder:
    """Writes the text format."""

    def __init__(self, options: CopyOptions, columns: Sequence[str]) -> None:
        self.delimiter: str = options.delimiter if options.delimiter is not None else "\t"
        self.null: str = options.null if options.null is not None else "\\N"
        self._columns = tuple(columns)
        self._has_header = options.header
        self._special = re.compile(r"[\\\x08\f\n\r\t\v" + re.escape(self.delimiter) + "]")
        self._escapes = {**_WRITTEN_ESCAPES}
        self._escapes.setdefault(self.delimiter, "\\" + self.delimiter)

    def header(self) -> bytes:
        if not self._has_header:
            return b""
        return (self.delimiter.join(self._escape(name) for name in self._columns) + "\n").encode()

    def encode(self, rows: Sequence[Sequence[Field]]) -> bytes:
        if not rows or not rows[0]:
            return b"\n" * len(rows)
        columns = [self._column(column) for column in zip(*rows, strict=True)]
        lines = map(self.delimiter.join, zip(*columns, strict=True))
        return ("\n".join(lines) + "\n").encode()

    def trailer(self) -> bytes:
        return b""

    def _column(self, fields: Sequence[Field]) -> list[str]:
        """A column's fields as they stand in the file: one search tells whether any needs escaping."""
        texts = [field for field in fields if isinstance(field, str)]
        is_clean = self._special.search("\0".join(texts)) is None
        if is_clean and len(texts) == len(fields):
            return texts
        null = self.null
        if is_clean:
            return [field if isinstance(field, str) else null for field in fields]
        return [self._escape(field) if isinstance(field, str) else null for field in fields]

    def _escape(self, field: str) -> str:
        escapes = self._escapes
        return self._special.sub(lambda found: escapes[found[0]], field)
