"""COPY's data formats without I/O: bytes in any split to rows of fields, and rows of fields to bytes.

    decoder = copy_decoder(options, table, columns)         encoder = copy_encoder(options, columns)
    batch = decoder.feed(data) ... decoder.finish()         encoder.header(), .encode(rows) ..., .trailer()

A field is a str (text, CSV), bytes (binary) or None; turning fields into values is the caller's, by column,
with `values.io`.  A batch tells on which line each of its rows began, so that `copy_context` can name the
place of a bad value.

Most lines of most files hold no backslash and no quote: text without any is split in bulk, into columns at once;
only what has some is looked at line by line.  Every error is 22P04 (or 22021 for bytes that are no UTF-8) with
PostgreSQL's words and context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from skerry_engine.sql.statements import CopyOptions

Field = str | bytes | None

_SHOWN_CHARACTERS: Final = 100


@dataclass(frozen=True, slots=True)
class CopyBatch:
    """Rows as lists of fields, as wide as the column list, and the line number of each row (1-based).

    With `columns` the fields stand there, a list for each column, none of them NULL, and `rows` is empty.
    """

    rows: list[list[str | None]] | list[list[bytes | None]]
    lines: Sequence[int]
    columns: list[list[str]] | None = None


class CopyDecoder(Protocol):
    """Turns COPY FROM's bytes into rows."""

    def feed(self, data: bytes) -> CopyBatch:
        """The rows that `data` completes.  Raises BadCopyFileFormat or CharacterNotInRepertoire."""
        ...

    def finish(self) -> CopyBatch:
        """The rows that the end of data completes.  Raises the same."""
        ...


class CopyEncoder(Protocol):
    """Turns rows into COPY TO's bytes."""

    def header(self) -> bytes:
        """What comes before the first row, possibly nothing."""
        ...

    def encode(self, rows: Sequence[Sequence[Field]]) -> bytes:
        """Whole lines (or tuples) for `rows`; at least one row."""
        ...

    def trailer(self) -> bytes:
        """What comes after the last row, possibly nothing."""
        ...


def copy_decoder(options: CopyOptions, table: str, columns: Sequence[str]) -> CopyDecoder:
    """The decoder for a COPY FROM.  `table` and `columns` name things in messages."""
    from skerry_engine.session.copy_binary import BinaryDecoder
    from skerry_engine.session.copy_csv import CsvDecoder
    from skerry_engine.session.copy_text import TextDecoder

    if options.format == "binary":
        return BinaryDecoder(table, columns)
    if options.format == "csv":
        return CsvDecoder(options, table, columns)
    return TextDecoder(options, table, columns)


def copy_encoder(options: CopyOptions, columns: Sequence[str]) -> CopyEncoder:
    """The encoder for a COPY TO."""
    from skerry_engine.session.copy_binary import BinaryEncoder
    from skerry_engine.session.copy_csv import CsvEncoder
    from skerry_engine.session.copy_text import TextEncoder

    if options.format == "binary":
        return BinaryEncoder()
    if options.format == "csv":
        return CsvEncoder(options, columns)
    return TextEncoder(options, columns)


def copy_context(table: str, line: int, column: str | None = None, text: str | None = None) -> str:
    """Where an error happened: `COPY t, line 3, column a: "x"`; without a column, of the whole line."""
    if column is None:
        return f"COPY {table}, line {line}" + (f': "{clip(text)}"' if text is not None else "")
    if text is None:
        return f"COPY {table}, line {line}, column {column}: null input"
    return f'COPY {table}, line {line}, column {column}: "{clip(text)}"'


def clip(text: str) -> str:
    """A value as contexts show it: its first 100 characters."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
