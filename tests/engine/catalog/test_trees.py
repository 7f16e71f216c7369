"""Objects as JSON trees: exact both ways, closed to what is not on the whitelist, strict about what is read."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from dataclasses import MISSING, dataclass, fields
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.catalog_world import INT, integer
from support.damage import spoiled

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import labels as lb
from skerry_engine.algebra import paths as pt
from skerry_engine.algebra import queries as q
from skerry_engine.catalog import codec
from skerry_engine.catalog import graphs as gr
from skerry_engine.catalog import objects as ob
from skerry_engine.catalog.bootstrap import all_system_tables
from skerry_engine.catalog.trees import Field, dump, encode_tree, kinds, load
from skerry_engine.functions import casts
from skerry_engine.functions.json_building import json_object_of
from skerry_engine.functions.recipes import Recipe, make_function, recipe_of
from skerry_engine.functions.registry import (
    AggregateFunction,
    AnyFunction,
    Function,
    all_functions,
    scalar_function,
)
from skerry_engine.functions.resolve import with_array
from skerry_engine.values import oids
from skerry_engine.values.types import ALL_TYPES, SqlType

FORMAT_PAGE = Path(__file__).parents[3] / "docs" / "file-format.md"


def again(value: Any) -> Any:
    """The object after its tree was written and read."""
    return load(dump(encode_tree(value)).encode())


# --- values -------------------------------------------------------------------------------------------------

VALUES = [
    None, True, False, 0, 1, -1, 2**31, 2**63 - 1, -(2**63 - 1), -(2**63), 2**63, 10**5000, -(10**5000),
    0.0, -0.0, 1.0, 1e16, 1e-320, 0.1, float("inf"), float("-inf"), float("nan"),
    "", "a", 'q"\\', "é\u2028😀", "\x00\x1f", "\ud800", "@", b"", b"\x00\xff", "true", "1.0",
    Decimal(0), Decimal("-0"), Decimal("1.0"), Decimal("1.00"), Decimal("1E+100"), Decimal("NaN"), Decimal("sNaN"),
    Decimal("Infinity"), Decimal("-Infinity"), Decimal("9" * 5000 + ".5"),
    (), (1,), (1, None, (2.0, "x")), ((), ((),)), (b"1", Decimal("1")), (True, 1, 1.0),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_value_comes_back_exactly(value: Any) -> None:
    found = again(ex.Const(INT, value))
    assert type(found.value) is type(value)
    assert _shown(found.value) == _shown(value)


def _shown(value: Any) -> str:
    return hex(value) if type(value) is int else repr(value)


@pytest.mark.parametrize("value", [[], {}, {1}, 1j, (1, [2]), Recipe, bytearray(b"x")], ids=repr)
def test_what_is_no_stored_value_is_refused_when_it_is_written(value: object) -> None:
    with pytest.raises(errors.NotSupportedError):
        encode_tree(ex.Const(INT, value))


def test_a_class_that_is_not_on_the_whitelist_is_refused_when_it_is_written() -> None:
    for odd in (ex.Param(INT, 0), ex.Expr(INT), q.Query(()), all_system_tables()[0]):
        with pytest.raises(errors.NotSupportedError):
            encode_tree(odd)


def test_a_system_column_comes_back() -> None:
    column = ex.SystemColumn(INT, 3, "tableoid")
    assert again(column) == column


def test_deep_trees_need_no_stack_of_ours() -> None:
    expr: ex.Expr = integer(1)
    for _ in range(400):
        expr = ex.Not(INT, expr)
    tree = encode_tree(expr)
    assert encode_tree(again(expr)) == tree
    for _ in range(5000):
        expr = ex.Not(INT, expr)
    tree = encode_tree(expr)
    with pytest.raises(errors.StatementTooComplex):
        dump(tree)


# --- the whitelist ------------------------------------------------------------------------------------------

NEVER_STORED = {
    ex.Expr: "a base",
    ex.Param: "a literal lifted from a statement, or a client's parameter: definitions have neither",
    q.Relation: "a base",
    q.Query: "a base",
    q.RowTemplate: "literals lifted from a long VALUES list: definitions keep them as rows",
    lb.LabelFormula: "a base",
    pt.PathPart: "a base",
    q.Bindings: "rows of a statement's earlier parts",
    q.Insert: "views change nothing",
    q.Update: "views change nothing",
    q.Delete: "views change nothing",
    q.Target: "views change nothing",
    q.OnConflict: "views change nothing",
    q.NewElement: "views change nothing",
    q.ElementChange: "views change nothing",
    q.GraphInsert: "views change nothing",
    q.GraphChange: "views change nothing",
    q.GraphDelete: "views change nothing",
    q.GraphMerge: "views change nothing",
    q.Program: "views change nothing",
    ob.Relation: "a base",
    ob.SystemTable: "this version's own",
}


def test_every_class_of_the_algebra_and_the_catalog_is_on_the_whitelist_or_has_a_reason() -> None:
    listed = {kind.cls for kind in kinds()}
    assert {codec.Whole, codec.Delta} <= listed
    for module in (ex, lb, pt, q, ob, gr):
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ == module.__name__:
                assert (cls in listed) is not (cls in NEVER_STORED), cls


def test_every_field_is_written_but_versions() -> None:
    for kind in kinds():
        left_out = {each.name for each in fields(kind.cls)} - {field.name for field in kind.fields}
        assert left_out <= {"version"}, kind.name


def test_the_fields_are_those_of_the_format() -> None:
    """A change here changes the format: see `trees` for what is allowed."""
    text = FORMAT_PAGE.read_text(encoding="utf-8").partition("<!-- layout: catalog -->\n")[2]
    told = re.sub(r"\n {8}", " ", text).strip("\n").splitlines()
    assert told == [
        f"    {kind.name}: {', '.join(_told(field) for field in kind.fields)}".rstrip() for kind in kinds()
    ]


def _told(field: Field) -> str:
    """A field as the page on the format tells of it."""
    if field.default is MISSING:
        return field.name
    return f"{field.name} = {json.dumps(encode_tree(field.default))}"


# --- what is read -------------------------------------------------------------------------------------------


def read(text: str) -> object:
    return load(text.encode())


def test_a_field_that_is_missing_has_its_default() -> None:
    assert read('{"@":"Role","oid":7,"name":"r"}') == ob.Role(7, "r")


@pytest.mark.parametrize(
    "text",
    [
        '{"@":"Role","oid":7,"name":"r","age":3}',
        '{"@":"Rôle","oid":7,"name":"r"}',
        '{"@":"function","oid":999999,"name":"from_the_future","arg_types":[],"return_type":23}',
        '{"@":"function","oid":177,"name":"renamed","arg_types":[23,23],"return_type":23}',
        '{"@":"function","oid":177,"name":"int4pl","arg_types":[23,23],"return_type":23,"form":"curried"}',
    ],
)
def test_what_only_a_newer_version_can_have_written_is_an_incompatible_format(text: str) -> None:
    with pytest.raises(errors.IncompatibleFormat):
        read(text)


def test_an_unknown_function_is_named() -> None:
    with pytest.raises(errors.IncompatibleFormat, match="no function from_the_future with OID 999999"):
        read('{"@":"function","oid":999999,"name":"from_the_future","arg_types":[],"return_type":23}')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        '{"@":7}',
        '{"@":"Role","oid":7}',
        '{"@":"Role","oid":"7","name":"r"}',
        '{"@":"Role","oid":true,"name":"r"}',
        '{"@":"Role","oid":7.0,"name":"r"}',
        '{"@":"Role","oid":7,"name":"r","superuser":1}',
        '{"@":"Role","oid":7,"name":null}',
        '{"@":"Schema","oid":7,"name":"s","acl":"x"}',
        '{"@":"Schema","oid":7,"name":"s","acl":[1]}',
        '{"@":"SqlType","oid":NaN}',
        '{"@":"bytes","text":"0"}',
        '{"@":"decimal","text":"1,5"}',
        '{"@":"int","text":"0x"}',
        '{"@":"expr.Not","type":{"@":"SqlType","oid":16},"arg":{"@":"SqlType","oid":16}}',
        '{"@":"expr.Not","type":{"@":"SqlType","oid":16},"arg":null}',
        '{"@":"expr.Const","type":{"@":"SqlType","oid":16},"value":{"@":"Role","oid":7,"name":"r"}}',
        '{"@":"expr.Const","type":{"@":"SqlType","oid":16},"value":1e999}',
        '{"@":"function","oid":177,"name":"int4pl","arg_types":[23,23,23],"return_type":23}',
        '{"@":"function","oid":2108,"name":"sum","arg_types":[23],"return_type":20,"form":"variadic"}',
        '{"@":"function","oid":0,"name":"text_io","arg_types":[],"return_type":25,"form":"text"}',
        '{"@":"function","oid":0,"name":"x","arg_types":[114],"return_type":114,"form":"object"}',
        "[" * 100_000,
        '{"@":' * 100_000,
    ],
)
def test_what_nobody_wrote_is_damage(text: str) -> None:
    with pytest.raises(errors.DatabaseDamaged):
        read(text)


def test_bytes_that_are_not_utf8_are_damage() -> None:
    with pytest.raises(errors.DatabaseDamaged):
        load(b'{"@":"Role","oid":7,"name":"\xff"}')


# --- functions ----------------------------------------------------------------------------------------------


def test_every_function_that_can_be_called_comes_back_by_its_oid() -> None:
    all_system_tables()
    functions = [f for f in all_functions() if f.is_implemented and not _is_polymorphic(f)]
    assert len(functions) > 1300
    for function in functions:
        found = again(_calling(function)).function
        assert (found.oid, found.arg_types, found.return_type) == (
            function.oid, function.arg_types, function.return_type,
        )  # fmt: skip
        if isinstance(function, Function) and function.factory is None:
            assert found is function


def _is_polymorphic(function: AnyFunction) -> bool:
    return function.factory is not None


def _calling(function: AnyFunction) -> Any:
    """An expression that holds the function."""
    if isinstance(function, AggregateFunction):
        return ex.Aggregate(INT, function, ())
    return ex.Call(INT, function, ())


def test_every_cast_comes_back_as_the_binder_finds_it() -> None:
    types = [info.oid for info in ALL_TYPES if not info.is_pseudo]
    forms: set[tuple[str, str]] = set()
    for source in types:
        for target in types:
            try:
                coercion = casts.find_coercion(source, target, "e")
            except errors.NotSupportedError:
                continue
            if coercion is None or coercion.function is None:
                continue
            function = coercion.function
            found = again(ex.Cast(SqlType(target), integer(1), function, True)).function
            assert found == function
            forms.add((coercion.kind, function.form))
    assert forms == {("function", ""), ("io", casts.TEXT_FORM), ("array", casts.ELEMENTS_FORM)}


def test_casts_that_apply_a_modifier_to_elements_come_back() -> None:
    for array in (1015, 1231, 1115, 1014):
        function = casts.length_coercion(array)
        assert function is not None and function.form == casts.ELEMENTS_FORM
        found = again(ex.Cast(SqlType(array), integer(1), function, True)).function
        assert found == function
    varchars = casts.length_coercion(1015)
    assert varchars is not None and varchars.implementation is not None
    copy = make_function(recipe_of(varchars))
    assert isinstance(copy, Function) and copy.implementation is not None
    assert copy.implementation(("abc", None, ("d",)), 6, True) == ("ab", None, ("d",))


def test_functions_made_of_others_do_the_same_when_made_again() -> None:
    concat = next(f for f in all_functions() if f.name == "concat_ws")
    assert isinstance(concat, Function)
    spread = again(ex.Call(INT, with_array(concat, (25, 1009), 25), ())).function
    assert spread == with_array(concat, (25, 1009), 25)
    assert spread != with_array(concat, (25, 1015), 25)
    objects = again(ex.Call(INT, json_object_of(("a", 'b"')), ())).function
    assert objects.implementation("1", "[]") == '{"a":1,"b\\"":[]}'
    padding = again(ex.Call(INT, casts.BLANK_PADDING, ())).function
    assert padding is casts.BLANK_PADDING


def test_a_function_that_nobody_could_find_again_is_refused_when_it_is_written() -> None:
    registered = scalar_function(177)
    for odd in (
        Function(0, "mine", (23,), 23, lambda x: x),
        Function(177, "mine", (23,), 23, lambda x: x),
        Function(oids.INT4, "mine", (23,), 23, lambda x: x, form="curried"),
        AggregateFunction(177, registered.name, (23, 23), 23),
    ):
        with pytest.raises(errors.NotSupportedError, match="can't be kept"):
            encode_tree(_calling(odd))


# --- damage -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seeds:
    """Which spoiled trees one test looks at."""

    first: int
    count: int = 400


@pytest.mark.parametrize(
    "seeds", [_Seeds(first) for first in range(0, 2400, 400)], ids=lambda s: str(s.first)
)
def test_spoiled_expressions_are_refused_or_read_as_something_that_can_be_written(seeds: _Seeds) -> None:
    refused = 0
    trees = [json.loads(dump(encode_tree(expr))) for expr in _samples()]
    for seed in range(seeds.first, seeds.first + seeds.count):
        random = Random(seed)
        text = json.dumps(spoiled(random.choice(trees), random))
        try:
            found = load(text.encode())
        except (errors.DatabaseDamaged, errors.IncompatibleFormat):
            refused += 1
            continue
        if found.__class__ in {kind.cls for kind in kinds()}:
            dump(encode_tree(found))
    assert refused > seeds.count // 4


def _samples() -> list[ex.Expr]:
    array = SqlType(1007)
    concat = next(f for f in all_functions() if f.name == "concat_ws")
    length = next(f for f in all_functions() if f.name == "array_length")
    coercion = casts.find_coercion(1007, 1009, "e")
    assert isinstance(concat, Function) and isinstance(length, Function) and coercion is not None
    one = ex.Call(INT, scalar_function(177), (ex.Column(INT, 0, 0, "a"), integer(1)), "+")
    return [
        one,
        ex.Case(INT, ((one, one), (integer(2), one)), None, one, 3),
        ex.Cast(SqlType(1009), ex.ArrayOf(array, (one, one)), coercion.function, True),
        ex.Call(SqlType(25), with_array(concat, (25, 1009), 25), (ex.Const(SqlType(25), ","),)),
        ex.Subscript(INT, ex.ArrayOf(array, (one,)), ((None, one), (one, one)), True),
        ex.Call(SqlType(114), json_object_of(("a", "b")), (one, one)),
    ]


def test_a_coercion_that_was_looked_up_early_gets_what_is_defined_later() -> None:
    """A process that asks before the system catalogs, which define regclass's functions, are there."""
    code = (
        "from skerry_engine.functions import casts\n"
        "from skerry_engine.values import oids\n"
        "before = casts.find_coercion(oids.TEXT, oids.REGCLASS, 'e').function.implementation\n"
        "from skerry_engine.engine import Engine\n"
        "Engine.open()\n"
        "after = casts.find_coercion(oids.TEXT, oids.REGCLASS, 'e').function.implementation\n"
        "print(before is None, after is None)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.split() == ["True", "False"]
