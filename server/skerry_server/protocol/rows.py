"""Result rows to DataRow messages, in bulk: the hottest code of the server.

    D | length 4 | columns 2 | ( length 4 | value ) ...        length -1: NULL

A `RowEncoder` is made once per result shape (columns and formats) and kept by the connection; it turns a
batch of rows into one bytes object.  The types that most columns have are encoded in place, chosen by a
small code per column; for the rest a function of `values.io` is called.  There is one list of parts for the
whole batch and one join: nothing is copied twice, and no object is made per field beyond its bytes.

Graph values are JSON.  Clients that do not know of Skerry's types are told so: nodes, edges, paths and records are
announced as `json`, values of any type as `text`, and the binary format of both is their text.  Our own driver says
that it knows better by asking for typed JSON (setting skerry.typed_json).

What it does not do: know what a portal is, or split batches; the session bounds those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Final

from skerry_engine.errors import ProtocolViolation
from skerry_engine.session.steps import ResultColumn
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext, binary_encoder, text_encoder
from skerry_engine.values.types import SqlType, type_info
from skerry_server.protocol.messages import row_description, row_description_field

TEXT: Final = 0
BINARY: Final = 1

# How a column is encoded.  The first two are `str(value)` in UTF-8, and tested for together.
_DECIMAL_TEXT: Final = 0  # int -> its digits
_UTF8: Final = 1  # str, in text and binary alike
_BOOL_TEXT: Final = 2
_TEXT_FUNCTION: Final = 3
_INT4_BINARY: Final = 4
_INT8_BINARY: Final = 5
_INT2_BINARY: Final = 6
_FLOAT8_BINARY: Final = 7
_FLOAT4_BINARY: Final = 8
_BOOL_BINARY: Final = 9
_BYTES: Final = 10  # bytea, uuid in binary: as they are
_BINARY_FUNCTION: Final = 11

_TEXT_CODES: Final[dict[int, int]] = {
    oids.INT2: _DECIMAL_TEXT,
    oids.INT4: _DECIMAL_TEXT,
    oids.INT8: _DECIMAL_TEXT,
    oids.OID: _DECIMAL_TEXT,
    oids.TEXT: _UTF8,
    oids.VARCHAR: _UTF8,
    oids.NAME: _UTF8,
    oids.UNKNOWN: _UTF8,
    oids.BOOL: _BOOL_TEXT,
}

_BINARY_CODES: Final[dict[int, int]] = {
    oids.INT2: _INT2_BINARY,
    oids.INT4: _INT4_BINARY,
    oids.INT8: _INT8_BINARY,
    oids.FLOAT4: _FLOAT4_BINARY,
    oids.FLOAT8: _FLOAT8_BINARY,
    oids.TEXT: _UTF8,
    oids.VARCHAR: _UTF8,
    oids.NAME: _UTF8,
    oids.UNKNOWN: _UTF8,
    oids.BOOL: _BOOL_BINARY,
    oids.BYTEA: _BYTES,
    oids.UUID: _BYTES,
}

_PLAIN: Final[dict[int, int]] = {
    oids.NODE: oids.JSON,
    oids.EDGE: oids.JSON,
    oids.PATH: oids.JSON,
    oids.GRAPHRECORD: oids.JSON,
    oids.ANYVALUE: oids.TEXT,
    oids.NODE_ARRAY: oids.JSON_ARRAY,
    oids.EDGE_ARRAY: oids.JSON_ARRAY,
    oids.PATH_ARRAY: oids.JSON_ARRAY,
    oids.GRAPHRECORD_ARRAY: oids.JSON_ARRAY,
    oids.ANYVALUE_ARRAY: oids.TEXT_ARRAY,
}
"""What clients that know PostgreSQL's types only are told of ours."""

_HEAD: Final = Struct(">cIH").pack
_LENGTH: Final = Struct(">I").pack
_ARRAY: Final = Struct(">iiI").pack  # dimensions, whether there are NULLs, the elements' type
_DIMENSION: Final = Struct(">ii").pack  # length, lower bound
_INT2: Final = Struct(">Ih").pack
_INT4: Final = Struct(">Ii").pack
_INT8: Final = Struct(">Iq").pack
_FLOAT4: Final = Struct(">If").pack
_FLOAT8: Final = Struct(">Id").pack

_NULL: Final = b"\xff\xff\xff\xff"
_TRUE_TEXT: Final = b"\0\0\0\x01t"
_FALSE_TEXT: Final = b"\0\0\0\x01f"
_TRUE_BINARY: Final = b"\0\0\0\x01\x01"
_FALSE_BINARY: Final = b"\0\0\0\x01\0"

# Length fields of short values, made once.
_SHORT: Final = 256
_LENGTHS: Final[list[bytes]] = [_LENGTH(length) for length in range(_SHORT)]


def _no_text(_value: object) -> str:
    raise AssertionError("this column is not encoded by a function")


def _no_binary(_value: object) -> bytes:
    raise AssertionError("this column is not encoded by a function")


class RowEncoder:
    """Encodes the rows of one result shape."""

    def __init__(self, columns: Sequence[ResultColumn], formats: Sequence[int], io: IoContext) -> None:
        """`formats` has one code per column (see `column_formats`)."""
        self._codes: list[int] = []
        self._to_text: list[Callable[[object], str]] = []
        self._to_binary: list[Callable[[object], bytes]] = []
        for column, column_format in zip(columns, formats, strict=True):
            if column_format == TEXT:
                self._add_text(column, io)
            else:
                self._add_binary(column, io)

    def _add_text(self, column: ResultColumn, io: IoContext) -> None:
        code = _TEXT_CODES.get(column.type.oid, _TEXT_FUNCTION)
        self._codes.append(code)
        self._to_text.append(text_encoder(column.type, io) if code == _TEXT_FUNCTION else _no_text)
        self._to_binary.append(_no_binary)

    def _add_binary(self, column: ResultColumn, io: IoContext) -> None:
        code = _BINARY_CODES.get(column.type.oid, _BINARY_FUNCTION)
        self._codes.append(code)
        self._to_text.append(_no_text)
        if column.type.oid in _PLAIN and not io.typed_json:
            self._to_binary.append(_plain_binary(column.type, io))
        else:
            self._to_binary.append(
                binary_encoder(column.type, io) if code == _BINARY_FUNCTION else _no_binary
            )

    def encode(self, rows: list[tuple[object, ...]]) -> bytes:
        """DataRow messages for `rows`."""
        parts: list[bytes] = []
        codes = self._codes
        width = len(codes)
        for row in rows:
            head = len(parts)
            parts.append(_NULL)  # the place of the header, whose length is not known yet
            size = 6 + 4 * width
            for index in range(width):
                value = row[index]
                if value is None:
                    parts.append(_NULL)
                    continue
                code = codes[index]
                if code <= _UTF8:
                    data = str(value).encode()
                elif code == _TEXT_FUNCTION:
                    data = self._to_text[index](value).encode()
                else:
                    part = self._encode_other(code, index, value)
                    size += len(part) - 4
                    parts.append(part)
                    continue
                length = len(data)
                parts.append(_LENGTHS[length] if length < _SHORT else _LENGTH(length))
                parts.append(data)
                size += length
            parts[head] = _HEAD(b"D", size, width)
        return b"".join(parts)

    def _encode_other(self, code: int, index: int, value: object) -> bytes:
        """The value with its length before it."""
        if code == _BOOL_TEXT:
            return _TRUE_TEXT if value else _FALSE_TEXT
        if code == _INT4_BINARY:
            return _INT4(4, value)
        if code == _INT8_BINARY:
            return _INT8(8, value)
        if code == _INT2_BINARY:
            return _INT2(2, value)
        if code == _FLOAT8_BINARY:
            return _FLOAT8(8, value)
        if code == _FLOAT4_BINARY:
            return _FLOAT4(4, value)
        if code == _BOOL_BINARY:
            return _TRUE_BINARY if value else _FALSE_BINARY
        data = self._binary(code, index, value)
        return _LENGTH(len(data)) + data

    def _binary(self, code: int, index: int, value: object) -> bytes:
        if code == _BYTES:
            assert isinstance(value, bytes)
            return value
        return self._to_binary[index](value)


def _plain_binary(sql_type: SqlType, io: IoContext) -> Callable[[object], bytes]:
    """The binary form of a type of ours for clients that are told of another: its text, or an array of such."""
    element_oid = type_info(sql_type.oid).element_oid
    if not element_oid:
        to_text = text_encoder(sql_type, io)
        return lambda value: to_text(value).encode()
    element_text = text_encoder(SqlType(element_oid), io)
    told_oid = _PLAIN[element_oid]

    def array(value: object) -> bytes:
        assert isinstance(value, tuple)
        if not value:
            return _ARRAY(0, 0, told_oid)
        parts = [_ARRAY(1, int(None in value), told_oid), _DIMENSION(len(value), 1)]
        for each in value:
            if each is None:
                parts.append(_NULL)
            else:
                data = element_text(each).encode()
                parts.append(_LENGTH(len(data)) + data)
        return b"".join(parts)

    return array


def announced_type(oid: int, is_typed: bool) -> int:
    """The type that a client is told for a type of ours."""
    return oid if is_typed else _PLAIN.get(oid, oid)


def column_formats(requested: Sequence[int], columns: int) -> list[int]:
    """One format per column, from what Bind requested: nothing (all text), one for all, or one each."""
    if not requested:
        return [TEXT] * columns
    if len(requested) == 1:
        return [requested[0]] * columns
    if len(requested) != columns:
        raise ProtocolViolation(
            f"bind message has {len(requested)} result formats but query has {columns} columns"
        )
    return list(requested)


def describe_columns(columns: Sequence[ResultColumn], formats: Sequence[int], is_typed: bool = True) -> bytes:
    """The RowDescription message; `formats` has one code per column, `is_typed`: the client knows our own types."""
    pairs = zip(columns, formats, strict=True)
    return row_description([_field(column, code, is_typed) for column, code in pairs])


def _field(column: ResultColumn, code: int, is_typed: bool) -> bytes:
    oid = announced_type(column.type.oid, is_typed)
    return row_description_field(
        column.name,
        column.table_oid,
        column.attribute_number,
        oid,
        type_info(oid).length,
        column.type.typmod,
        code,
    )
