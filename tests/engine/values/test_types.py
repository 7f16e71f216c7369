"""Type names, modifiers and the type table."""

from __future__ import annotations

import pytest

from skerry_engine.errors import NotSupportedError
from skerry_engine.values import oids, types
from skerry_engine.values.types import ALL_TYPES, format_type, type_by_name, type_info


@pytest.mark.parametrize(
    ("oid", "typmod", "shown"),
    [  # as PostgreSQL 15's format_type answers
        (oids.INT4, -1, "integer"),
        (oids.VARCHAR, 164, "character varying(160)"),
        (oids.VARCHAR, None, "character varying"),
        (oids.BPCHAR, -1, "bpchar"),
        (oids.BPCHAR, None, "character"),
        (oids.BPCHAR, 14, "character(10)"),
        (oids.NUMERIC, 655366, "numeric(10,2)"),
        (oids.NUMERIC, 198658, "numeric(3,-2)"),
        (oids.NUMERIC_ARRAY, 655366, "numeric(10,2)[]"),
        (oids.TIMESTAMP, 3, "timestamp(3) without time zone"),
        (oids.TIMESTAMPTZ, -1, "timestamp with time zone"),
        (oids.TIME, 3, "time(3) without time zone"),
        (oids.INTERVAL, 458751, "interval year to month"),
        (oids.INTERVAL, 470286339, "interval day to second(3)"),
        (oids.INTERVAL, 2147418114, "interval(2)"),
        (oids.CHAR, -1, '"char"'),
        (oids.CHAR_ARRAY, -1, '"char"[]'),
        (oids.RECORD_ARRAY, -1, "record[]"),
        (oids.ANY, -1, '"any"'),
        (0, None, "-"),
        (999999, None, "???"),
    ],
)
def test_format_type_prints_as_postgresql(oid: int, typmod: int | None, shown: str) -> None:
    assert format_type(oid, typmod) == shown


@pytest.mark.parametrize(
    ("name", "oid"),
    [
        ("int", oids.INT4),
        ("integer", oids.INT4),
        ("int8", oids.INT8),
        ("decimal", oids.NUMERIC),
        ("float", oids.FLOAT8),
        ("double precision", oids.FLOAT8),
        ("varchar", oids.VARCHAR),
        ("character varying", oids.VARCHAR),
        ("char", oids.BPCHAR),
        ('"char"', oids.CHAR),
        ("timestamp with time zone", oids.TIMESTAMPTZ),
        ("regclass", oids.REGCLASS),
        ("int[]", oids.INT4_ARRAY),
        ("integer[][]", oids.INT4_ARRAY),
        ("_text", oids.TEXT_ARRAY),
        ("no such type", None),
        ("serial", None),
    ],
)
def test_names_mean_types(name: str, oid: int | None) -> None:
    info = type_by_name(name)
    assert (info.oid if info is not None else None) == oid


@pytest.mark.parametrize("name", ["xml", "jsonpath", "_point", "tsvector[]"])
def test_unsupported_types_are_refused_by_name(name: str) -> None:
    with pytest.raises(NotSupportedError):
        type_by_name(name)


def test_modifiers_round_trip() -> None:
    for precision, scale in [(1, 0), (10, 2), (1000, 1000), (5, -3), (3, 7)]:
        assert types.numeric_modifier(types.numeric_typmod(precision, scale)) == (precision, scale)
    for fields in types.INTERVAL_RANGES.values():
        assert format_type(oids.INTERVAL, types.interval_typmod(fields)) == f"interval {fields}"


def test_the_table_is_consistent() -> None:
    names = [info.name for info in ALL_TYPES]
    assert len(set(names)) == len(names)
    for info in ALL_TYPES:
        if info.array_oid:
            array = type_info(info.array_oid)
            assert array.is_array and array.element_oid == info.oid
        if info.is_array:
            assert type_info(info.element_oid).array_oid == info.oid
