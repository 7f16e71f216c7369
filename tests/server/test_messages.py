"""Bytes of the server's messages, and rows in bulk."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skerry_engine import errors
from skerry_engine.session.steps import ResultColumn
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext
from skerry_engine.values.types import SqlType
from skerry_server.protocol import messages
from skerry_server.protocol.rows import RowEncoder, column_formats, describe_columns

COLUMNS = [
    ResultColumn("i", SqlType(oids.INT4)),
    ResultColumn("t", SqlType(oids.TEXT)),
    ResultColumn("b", SqlType(oids.BOOL)),
]


def test_errors_carry_all_fields_that_they_have(wire: Any) -> None:
    error = errors.UniqueViolation(
        'duplicate key value violates unique constraint "t_pkey"',
        detail="Key (a)=(1) already exists.",
        schema="public",
        table="t",
        constraint="t_pkey",
        column="a",
        datatype="int4",
        context="COPY t, line 1",
    )
    ((kind, body),) = wire.split(messages.error_response(error, "ERROR"))
    assert kind == "E"
    assert body.endswith(b"\0\0")
    assert wire.fields(body) == {
        "S": "ERROR",
        "V": "ERROR",
        "C": "23505",
        "M": 'duplicate key value violates unique constraint "t_pkey"',
        "D": "Key (a)=(1) already exists.",
        "W": "COPY t, line 1",
        "s": "public",
        "t": "t",
        "c": "a",
        "d": "int4",
        "n": "t_pkey",
    }


def test_an_error_s_text_can_always_be_sent(wire: Any) -> None:
    ((_, body),) = wire.split(messages.error_response(errors.DataError("zero \0 and \ud800"), "ERROR"))
    assert wire.fields(body)["M"] == "zero \ufffd and ?"


def test_describing_columns() -> None:
    column = ResultColumn("naïve", SqlType(oids.VARCHAR, 164), 16384, 2)
    assert describe_columns([column], [1]) == (
        b"T\0\0\0\x1f\0\x01na\xc3\xafve\0\0\0\x40\0\0\x02\0\0\x04\x13\xff\xff\0\0\0\xa4\0\x01"
    )


def test_notification() -> None:
    assert messages.notification_response(7, "c", "p") == b"A\0\0\0\x0c\0\0\0\x07c\0p\0"


rows = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.text(max_size=300),
        st.none() | st.booleans(),
    ),
    max_size=20,
)


def decode(data: bytes) -> list[list[bytes | None]]:
    found = []
    while data:
        kind, length, width = struct.unpack_from(">cIH", data)
        assert kind == b"D"
        position, fields = 7, []
        for _ in range(width):
            (size,) = struct.unpack_from(">i", data, position)
            position += 4
            fields.append(None if size < 0 else data[position : position + size])
            position += max(size, 0)
        assert position == length + 1
        found.append(fields)
        data = data[position:]
    return found


@given(rows)
def test_rows_in_text(rows: list[tuple[int | None, str | None, bool | None]]) -> None:
    encoder = RowEncoder(COLUMNS, [0, 0, 0], IoContext())
    expected = [
        [
            None if number is None else str(number).encode(),
            None if text is None else text.encode(),
            None if flag is None else (b"t" if flag else b"f"),
        ]
        for number, text, flag in rows
    ]
    assert decode(encoder.encode(list(rows))) == expected


@given(rows)
def test_rows_in_binary(rows: list[tuple[int | None, str | None, bool | None]]) -> None:
    encoder = RowEncoder(COLUMNS, [1, 1, 1], IoContext())
    expected = [
        [
            None if number is None else struct.pack(">i", number),
            None if text is None else text.encode(),
            None if flag is None else (b"\x01" if flag else b"\0"),
        ]
        for number, text, flag in rows
    ]
    assert decode(encoder.encode(list(rows))) == expected


@pytest.mark.parametrize(
    ("requested", "formats"), [([], [0, 0]), ([1], [1, 1]), ([0], [0, 0]), ([0, 1], [0, 1])]
)
def test_formats_per_column(requested: list[int], formats: list[int]) -> None:
    assert column_formats(requested, 2) == formats


def test_too_many_formats() -> None:
    with pytest.raises(errors.ProtocolViolation):
        column_formats([0, 1, 0], 2)
