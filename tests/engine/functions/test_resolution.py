"""Overloads are chosen as PostgreSQL chooses them, and failures are worded as it words them."""

from __future__ import annotations

import pytest

from skerry_engine.errors import AmbiguousFunction, DatatypeMismatch, NotSupportedError, UndefinedFunction
from skerry_engine.functions.casts import find_coercion
from skerry_engine.functions.resolve import coercion_target, common_type, resolve_function, resolve_operator
from skerry_engine.values import oids
from skerry_engine.values.types import type_by_name


def oid_of(name: str) -> int:
    if name == "unknown":
        return oids.UNKNOWN
    info = type_by_name(name)
    assert info is not None
    return info.oid


@pytest.mark.parametrize(
    ("name", "left", "right", "operands", "result"),
    [
        ("+", "int4", "unknown", "int4 int4", "int4"),
        ("+", "int2", "numeric", "numeric numeric", "numeric"),
        ("=", "text", "unknown", "text text", "bool"),
        ("=", "varchar", "text", "text text", "bool"),
        ("=", "unknown", "unknown", "text text", "bool"),
        ("||", "text", "int4", "text int4", "text"),
        ("-", "date", "unknown", "date date", "int4"),
        ("+", "date", "interval", "date interval", "timestamp"),
        ("->", "jsonb", "unknown", "jsonb text", "jsonb"),
        ("||", "int4[]", "int4", "int4[] int4", "int4[]"),
        ("||", "int4[]", "numeric", "numeric[] numeric", "numeric[]"),
        ("~", "name", "unknown", "name text", "bool"),
    ],
)
def test_operator_is_chosen_by_operand_types(
    name: str, left: str, right: str, operands: str, result: str
) -> None:
    _operator, types, result_type = resolve_operator(name, oid_of(left), oid_of(right))
    assert types == tuple(oid_of(item) for item in operands.split())
    assert result_type == oid_of(result)


def test_missing_operator_is_named_with_its_types() -> None:
    with pytest.raises(UndefinedFunction) as caught:
        resolve_operator("=", oids.INT4, oids.TEXT, position=8)
    assert caught.value.message == "operator does not exist: integer = text"
    assert caught.value.hint is not None and caught.value.hint.startswith("No operator matches")
    assert caught.value.position == 8


def test_two_unknown_literals_make_an_operator_ambiguous() -> None:
    with pytest.raises(AmbiguousFunction, match=r"operator is not unique: unknown \+ unknown"):
        resolve_operator("+", oids.UNKNOWN, oids.UNKNOWN)


@pytest.mark.parametrize(
    ("name", "given", "arguments", "result"),
    [
        ("round", "numeric unknown", "numeric int4", "numeric"),
        ("max", "varchar", "text", "text"),
        ("substr", "unknown int4", "text int4", "text"),
        ("concat", "int4 unknown", "int4 text", "text"),
        ("array_append", "int4[] unknown", "int4[] int4", "int4[]"),
        ("array_agg", "int4[]", "int4[]", "int4[]"),
        ("unnest", "text[]", "text[]", "text"),
        ("jsonb_set", "jsonb unknown unknown", "jsonb text[] jsonb", "jsonb"),
        ("generate_series", "int4 int8", "int8 int8", "int8"),
    ],
)
def test_function_is_chosen_by_argument_types(name: str, given: str, arguments: str, result: str) -> None:
    types = [oid_of(item) for item in given.split()]
    _function, declared, result_type = resolve_function(name, types)
    assert declared == tuple(oid_of(item) for item in arguments.split())
    assert result_type == oid_of(result)


def test_missing_function_is_named_with_its_types() -> None:
    with pytest.raises(UndefinedFunction, match=r"function foo\(integer, unknown\) does not exist"):
        resolve_function("foo", [oids.INT4, oids.UNKNOWN])


def test_polymorphic_function_needs_a_known_type() -> None:
    with pytest.raises(DatatypeMismatch, match="could not determine polymorphic type"):
        resolve_function("to_json", [oids.UNKNOWN])


def test_function_without_implementation_is_refused_by_name() -> None:
    with pytest.raises(NotSupportedError, match=r"function pg_read_file\(text\) is not supported"):
        resolve_function("pg_read_file", [oids.TEXT])


def test_function_with_a_types_name_is_a_cast_for_a_literal() -> None:
    assert coercion_target("date", [oids.UNKNOWN]) == oids.DATE
    assert coercion_target("date", [oids.TIMESTAMP]) is None
    assert coercion_target("text", [oids.INT4]) == oids.TEXT
    assert coercion_target("lower", [oids.UNKNOWN]) is None


def test_named_arguments_pick_the_function() -> None:
    function, declared, result = resolve_function("make_interval", [oids.INT4], arg_names=["days"])
    assert (function.name, result) == ("make_interval", oids.INTERVAL)
    assert len(declared) == 7


def test_common_type_prefers_what_the_others_coerce_to() -> None:
    assert common_type([oids.INT4, oids.NUMERIC, oids.UNKNOWN]) == oids.NUMERIC
    assert common_type([oids.UNKNOWN, oids.UNKNOWN]) == oids.TEXT
    with pytest.raises(DatatypeMismatch, match="CASE types integer and text cannot be matched"):
        common_type([oids.INT4, oids.TEXT], "CASE")


def test_casts_are_as_willing_as_postgresqls() -> None:
    assert find_coercion(oids.INT8, oids.INT4, "i") is None
    assert find_coercion(oids.INT8, oids.INT4, "a") is not None
    assert find_coercion(oids.INT4, oids.TEXT, "i") is None
    assert find_coercion(oids.INT4, oids.TEXT, "a") is not None
    assert find_coercion(oids.TEXT, oids.INT4, "a") is None
    assert find_coercion(oids.TEXT, oids.INT4, "e") is not None
    assert find_coercion(oids.DATE, oids.INT4, "e") is None
