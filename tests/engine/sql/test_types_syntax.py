"""Type names: spelling and meaning."""

from __future__ import annotations

import pytest

from skerry_engine.errors import DatabaseError, InvalidParameterValue, UndefinedObject
from skerry_engine.sql.bridge import parse_expression, type_name_of
from skerry_engine.sql.types_syntax import TypeName, resolve_type_name
from skerry_engine.values.types import SqlType

OIDS = {
    "int4": 23,
    "varchar": 1043,
    "bpchar": 1042,
    "numeric": 1700,
    "timestamptz": 1184,
    "interval": 1186,
    "float4": 700,
}
ARRAYS = {23: 1007, 1043: 1015}


def type_name(text: str) -> TypeName:
    return type_name_of(parse_expression(f"x::{text}").args["to"])


def meaning(text: str) -> SqlType:
    return resolve_type_name(
        type_name(text), lambda names: OIDS.get(names[-1]), lambda oid: ARRAYS.get(oid, 0)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("integer", SqlType(23)),
        ("int4[]", SqlType(1007)),
        ("int array[5]", SqlType(1007)),
        ("varchar(160)", SqlType(1043, 164)),
        ("character varying(3)[]", SqlType(1015, 7)),
        ("char", SqlType(1042, 5)),
        ("character(7)", SqlType(1042, 11)),
        ("numeric(10, 2)", SqlType(1700, ((10 << 16) | 2) + 4)),
        ("decimal(5)", SqlType(1700, (5 << 16) + 4)),
        ("timestamp(3) with time zone", SqlType(1184, 3)),
        ("interval day to second(2)", SqlType(1186, (7176 << 16) | 2)),
        ("interval(3)", SqlType(1186, (0x7FFF << 16) | 3)),
        ("float(24)", SqlType(700)),
    ],
)
def test_types_mean_what_postgres_means(text: str, expected: SqlType) -> None:
    assert meaning(text) == expected


def test_quoted_and_qualified_names_are_looked_up() -> None:
    assert type_name('"char"').names == ("char",)
    assert type_name('pg_catalog."char"').names == ("pg_catalog", "char")
    assert type_name("pg_catalog.int4").names == ("pg_catalog", "int4")


@pytest.mark.parametrize(
    ("text", "sqlstate", "message"),
    [
        ("varchar(0)", "22023", "length for type varchar must be at least 1"),
        ("varchar(99999999)", "22023", "length for type varchar cannot exceed 10485760"),
        ("numeric(2000)", "22023", "NUMERIC precision 2000 must be between 1 and 1000"),
        ("float(60)", "22023", "precision for type float must be less than 54 bits"),
        ("nosuch", "42704", 'type "nosuch" does not exist'),
        ("int4(3)", "42601", 'type modifier is not allowed for type "int4"'),
    ],
)
def test_wrong_types_are_refused_in_postgres_words(text: str, sqlstate: str, message: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        meaning(text)
    assert (caught.value.sqlstate, caught.value.message) == (sqlstate, message)


def test_errors_are_of_their_classes() -> None:
    assert issubclass(UndefinedObject, DatabaseError)
    assert issubclass(InvalidParameterValue, DatabaseError)
