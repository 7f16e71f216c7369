"""Rows as COPY has them: lines of its text and CSV formats, from Python's values and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from skerry.abc import Row
from skerry.adapting import adapted
from skerry.text_values import reader_of
from skerry.values_out import texts_and_types
from skerry_engine import errors

TEXT = "text"
CSV = "csv"
BINARY = "binary"

_FORMAT = re.compile(r"\b(?:STDIN|STDOUT)\b.*?\b(csv|binary)\b", re.IGNORECASE | re.DOTALL)
_PLAIN_CSV = re.compile(r"[^\",\r\n]+\Z")
_ESCAPES = str.maketrans(
    {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
)
_ESCAPED = re.compile(r"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
_UNESCAPED = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}


def format_of(statement: str) -> str:
    """The format that a COPY statement asks for: 'text', 'csv' or 'binary'."""
    match = _FORMAT.search(statement)
    return TEXT if match is None else match[1].lower()


def line_of(values: Sequence[object], format_: str) -> bytes:
    """A row as a line.  Raises NotSupportedError for the binary format, and for values that no type stands for."""
    _, texts = texts_and_types("", adapted(values))
    if format_ == TEXT:
        return (
            "\t".join(["\\N" if text is None else text.translate(_ESCAPES) for text in texts]) + "\n"
        ).encode()
    if format_ == CSV:
        return (",".join(["" if text is None else _csv_field(text) for text in texts]) + "\n").encode()
    raise errors.NotSupportedError("rows can't be written in COPY's binary format: write bytes, or use text")


def _csv_field(text: str) -> str:
    if _PLAIN_CSV.match(text) and text != "\\.":
        return text
    return '"' + text.replace('"', '""') + '"'


def row_reader(types: Sequence[int] | None) -> Callable[[bytes], Row]:
    """The function that makes a row of a line of the text format.  Without the columns' types all values are str."""
    readers = None if types is None else [reader_of(oid) for oid in types]

    def read(line: bytes) -> Row:
        fields = line.decode().removesuffix("\n").split("\t")
        texts = [None if field == "\\N" else _unescape(field) for field in fields]
        if readers is None:
            return tuple(texts)
        if len(readers) != len(texts):
            raise errors.InterfaceError(f"the rows have {len(texts)} columns, not {len(readers)}")
        return tuple(
            [None if text is None else read(text) for read, text in zip(readers, texts, strict=True)]
        )

    return read


def _unescape(field: str) -> str:
    return _ESCAPED.sub(_meant, field) if "\\" in field else field


def _meant(match: re.Match[str]) -> str:
    what = match[1]
    if what[0] in "01234567":
        return chr(int(what, 8) & 0xFF)
    if what[0] == "x" and len(what) > 1:
        return chr(int(what[1:], 16))
    return _UNESCAPED.get(what, what)
