"""COPY's fields to values and back, a column at a time.

Turning a batch of rows into columns costs one call, and a column of plain integers or text then costs one
more; only what is unusual (NULLs, signs, dates) is looked at value by value.  Columns that repeat a few
spellings, as dates and flags do, have each spelling read once.

The readers raise the DataError of some bad field; which one,
the caller finds out by reading again row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from skerry_engine import errors
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext, binary_decoder, binary_encoder, text_decoder, text_encoder
from skerry_engine.values.types import SqlType

Column = Sequence[Any]
ColumnConverter = Callable[[Column], Column]

_INTEGER_LIMITS = {oids.INT2: 1 << 15, oids.INT4: 1 << 31, oids.INT8: 1 << 63}
_TEXT_AS_IS = frozenset((oids.TEXT, oids.VARCHAR, oids.NAME, oids.JSON, oids.JSONB))
SAMPLE = 32
_VARCHAR_HEADER = 4
"""varchar(n) has the type modifier n + 4."""


def field_reader(type_: SqlType, io: IoContext, is_binary: bool) -> Callable[[Any], object]:
    """Reads one field that is not NULL."""
    return binary_decoder(type_, io) if is_binary else text_decoder(type_, io)


def column_writer(type_: SqlType, io: IoContext, is_binary: bool) -> ColumnConverter | None:
    """Writes the values of one column as fields; None: the values are the fields."""
    if is_binary:
        return with_nulls(_each(binary_encoder(type_, io)))
    if type_.oid in _TEXT_AS_IS:
        return None
    return with_nulls(_each(text_encoder(type_, io)))


def with_nulls(convert: ColumnConverter) -> ColumnConverter:
    """As `convert`, of columns in which there may be None for NULL."""

    def convert_column(column: Column) -> Column:
        if None not in column:
            return convert(column)
        made = iter(convert([field for field in column if field is not None]))
        return [None if field is None else next(made) for field in column]

    return convert_column


def _each(convert: Callable[[Any], Any]) -> ColumnConverter:
    return lambda column: list(map(convert, column))


def present_reader(type_: SqlType, io: IoContext, is_binary: bool) -> ColumnConverter:
    """Reads the fields of one column, of which none is NULL."""
    read = field_reader(type_, io, is_binary)
    if is_binary:
        return _each(read)
    limit = _INTEGER_LIMITS.get(type_.oid)
    if limit is not None:
        return _integer_reader(read, limit)
    if type_.oid == oids.TEXT:
        return _same_column  # the decoder has refused zero characters
    if type_.oid == oids.VARCHAR:
        return _varchar_reader(read, type_.typmod)
    return _repeating_reader(read)


def _same_column(column: Column) -> Column:
    return column


def _integer_reader(read: Callable[[Any], Any], limit: int) -> ColumnConverter:
    """Integers in bulk: int() takes more than PostgreSQL does,
    but not of what consists of digits and minus signs.  Where a sample is of few spellings, they are read once."""
    read_repeating = _repeating_reader(read)

    def read_column(column: Column) -> Column:
        if len(set(column[:SAMPLE])) * 4 <= len(column[:SAMPLE]):
            return read_repeating(column)
        digits = "".join(column).replace("-", "")
        if digits.isdigit() and digits.isascii():
            try:
                values = list(map(int, column))
            except ValueError:
                return list(map(read, column))
            if -limit <= min(values) and max(values) < limit:
                return values
        return list(map(read, column))

    return read_column


def _varchar_reader(read: Callable[[Any], Any], typmod: int) -> ColumnConverter:
    if typmod < _VARCHAR_HEADER:
        return _same_column
    limit = typmod - _VARCHAR_HEADER

    def read_column(column: Column) -> Column:
        if column and max(map(len, column)) > limit:
            return list(map(read, column))
        return column

    return read_column


def _repeating_reader(read: Callable[[Any], Any]) -> ColumnConverter:
    def read_column(column: Column) -> Column:
        spellings = set(column)
        if 2 * len(spellings) > len(column):
            return list(map(read, column))
        values = {spelling: read(spelling) for spelling in spellings}
        return [values[field] for field in column]

    return read_column


def with_context(error: errors.DatabaseError, context: str) -> errors.DatabaseError:
    """The error, with the place in the data where it happened added to its context."""
    error.context = context if error.context is None else f"{error.context}\n{context}"
    return error
