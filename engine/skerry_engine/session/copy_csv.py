"""COPY's CSV format: quotes may open and close anywhere in a field and hold delimiters and line ends."""

from __future__ import annotations

import re
from collections.abc import Sequence

from skerry_engine.errors import BadCopyFileFormat
from skerry_engine.session.copy_format import CopyBatch, Field, copy_context
from skerry_engine.session.copy_lines import END_MARKER, LineDecoder
from skerry_engine.sql.statements import CopyOptions


class CsvDecoder(LineDecoder):
    """Reads CSV."""

    def __init__(self, options: CopyOptions, table: str, columns: Sequence[str]) -> None:
        super().__init__(options, table, columns, "", ",")
        self.quote: str = '"' if options.quote is None else options.quote
        self.escape: str = self.quote if options.escape is None else options.escape
        self._not_null: frozenset[int] = _positions(options.force_not_null, columns)
        self._null_quoted: frozenset[int] = _positions(options.force_null, columns)
        quote, escape, delimiter = re.escape(self.quote), re.escape(self.escape), re.escape(self.delimiter)
        if self.escape == self.quote:
            body = f"[^{quote}]|{quote}{quote}"
        else:
            body = f"[^{quote}{escape}]|{escape}[{quote}{escape}]|{escape}(?![{quote}{escape}])"
        self._quoted_field = re.compile(f"{quote}((?:{body})*+){quote}(?={delimiter}|\\Z)")
        self._escaped_pair = re.compile(f"{escape}([{quote}{escape}])")
        self._escape_and_next = re.compile(f"{escape}[\\s\\S]")
        self._held: list[str] = []  # the lines of a row whose quote is still open
        self._held_line = 0
        self._is_open = False

    def check_line_ends(self, text: str) -> None:
        """Line ends inside quotes are data, so only rows without quotes can be checked: see `_simple_row`."""

    def header_fields(self, line: str) -> list[str | None]:
        return self._row(line, self.line) if self.quote in line else self._simple_row(line, self.line)

    def decode_lines(self, lines: list[str]) -> CopyBatch:
        rows: list[list[str | None]] = []
        numbers: list[int] = []
        quote = self.quote
        for line in lines:
            if self.ended:
                break
            self.line += 1
            if self._held:
                if not self._hold(line):
                    rows.append(self._row(self._release(), self._held_line))
                    numbers.append(self._held_line)
            elif quote not in line:
                if line == END_MARKER:
                    self.ended = True
                    self.line -= 1
                    break
                rows.append(self._simple_row(line, self.line))
                numbers.append(self.line)
            else:
                self._held_line = self.line
                if not self._hold(line):
                    rows.append(self._row(self._release(), self.line))
                    numbers.append(self.line)
        width = len(self.columns)
        for number, row in zip(numbers, rows, strict=True):
            if len(row) != width:
                raise self.width_error(len(row), number, self.delimiter.join(field or "" for field in row))
        return CopyBatch(rows, numbers)

    def last_rows(self) -> CopyBatch:
        if self._held:
            raise BadCopyFileFormat(
                "unterminated CSV quoted field",
                context=copy_context(self.table, self._held_line, None, self._release()),
            )
        return CopyBatch([], range(0))

    def _hold(self, line: str) -> bool:
        """Add a line to the row at hand; whether a quote is open at its end."""
        self._held.append(line)
        if self.escape != self.quote:
            line = self._escape_and_next.sub("", line)
        if line.count(self.quote) % 2:
            self._is_open = not self._is_open
        return self._is_open

    def _release(self) -> str:
        record = self._end_of_line.join(self._held)
        self._held = []
        self._is_open = False
        return record

    def _simple_row(self, line: str, number: int) -> list[str | None]:
        """A row without quotes."""
        if "\r" in line or "\n" in line:
            name = "carriage return" if "\r" in line else "newline"
            raise BadCopyFileFormat(
                f"unquoted {name} found in data",
                hint=f"Use quoted CSV field to represent {name}.",
                context=copy_context(self.table, number, None, line),
            )
        if not self.columns and not line:
            return []
        null = self.null
        fields: list[str | None] = [None if field == null else field for field in line.split(self.delimiter)]
        return self._keep_not_null(fields) if self._not_null else fields

    def _keep_not_null(self, fields: list[str | None]) -> list[str | None]:
        return [
            self.null if field is None and place in self._not_null else field
            for place, field in enumerate(fields)
        ]

    def _row(self, record: str, number: int) -> list[str | None]:
        """A row with quotes in it."""
        fields: list[str | None] = []
        position = 0
        while True:
            found = self._quoted_field.match(record, position)
            if found is not None:
                text = found[1]
                if self.escape in text:
                    text = self._escaped_pair.sub(r"\1", text)
                is_quoted = True
                position = found.end()
            else:
                text, is_quoted, position = self._mixed_field(record, position, number)
            fields.append(self._value(text, is_quoted, len(fields)))
            if position >= len(record):
                return fields
            position += 1  # the delimiter

    def _value(self, text: str, is_quoted: bool, place: int) -> str | None:
        if text != self.null:
            return text
        if is_quoted:
            return None if place in self._null_quoted else text
        return text if place in self._not_null else None

    def _mixed_field(self, record: str, position: int, number: int) -> tuple[str, bool, int]:
        """A field in which quotes open and close anywhere: its text, whether it had quotes,
        and where it ends."""
        parts: list[str] = []
        is_quoted = False
        inside = False
        while position < len(record):
            character = record[position]
            if not inside:
                if character == self.delimiter:
                    break
                if character == self.quote:
                    inside = is_quoted = True
                else:
                    parts.append(character)
            elif character == self.escape and record[position + 1 : position + 2] in (
                self.quote,
                self.escape,
            ):
                position += 1
                parts.append(record[position])
            elif character == self.quote:
                inside = False
            else:
                parts.append(character)
            position += 1
        if inside:
            raise BadCopyFileFormat(
                "unterminated CSV quoted field", context=copy_context(self.table, number, None, record)
            )
        return "".join(parts), is_quoted, position


def _positions(names: tuple[str, ...], columns: Sequence[str]) -> frozenset[int]:
    if names == ("*",):
        return frozenset(range(len(columns)))
    return frozenset(place for place, column in enumerate(columns) if column in names)


class CsvEncoder:
    """Writes CSV."""

    def __init__(self, options: CopyOptions, columns: Sequence[str]) -> None:
        self.delimiter: str = options.delimiter if options.delimiter is not None else ","
        self.null: str = options.null if options.null is not None else ""
        self.quote: str = '"' if options.quote is None else options.quote
        self.escape: str = self.quote if options.escape is None else options.escape
        self._columns = tuple(columns)
        self._has_header = options.header
        self._always: frozenset[int] = _positions(options.force_quote, columns)
        special = re.escape(self.delimiter + self.quote) + "\n\r"
        self._special = re.compile(f"[{special}]")
        self._needs_escape = re.compile(f"[{re.escape(self.quote + self.escape)}]")

    def header(self) -> bytes:
        if not self._has_header:
            return b""
        return (self.delimiter.join(self._field(name, False) for name in self._columns) + "\n").encode()

    def encode(self, rows: Sequence[Sequence[Field]]) -> bytes:
        if not rows or not rows[0]:
            return b"\n" * len(rows)
        columns = [self._column(place, column) for place, column in enumerate(zip(*rows, strict=True))]
        lines = map(self.delimiter.join, zip(*columns, strict=True))
        return ("\n".join(lines) + "\n").encode()

    def trailer(self) -> bytes:
        return b""

    def _column(self, place: int, fields: Sequence[Field]) -> list[str]:
        null = self.null
        if place in self._always:
            return [self._quoted(field) if isinstance(field, str) else null for field in fields]
        texts = [field for field in fields if isinstance(field, str)]
        is_clean = self._special.search("\0".join(texts)) is None and null not in texts
        if is_clean and len(self._columns) > 1:
            return texts if len(texts) == len(fields) else [f if isinstance(f, str) else null for f in fields]
        return [self._field(field, True) if isinstance(field, str) else null for field in fields]

    def _field(self, text: str, mind_null: bool) -> str:
        if self._special.search(text) is not None or (mind_null and text == self.null):
            return self._quoted(text)
        if text == END_MARKER and len(self._columns) == 1:
            return self._quoted(text)
        return text

    def _quoted(self, text: str) -> str:
        escape = self.escape
        return self.quote + self._needs_escape.sub(lambda found: escape + found[0], text) + self.quote
