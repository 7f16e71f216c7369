"""GQL's functions, operators and aggregates: what they give, and that it is the same whether types are known before."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from support.any_values import TYPED, unhurried
from support.graph_calls import CONTEXT, Typed, aggregate, dynamic, static

from skerry_engine import errors
from skerry_engine.functions import dynamic as dynamic_module
from skerry_engine.functions.casts import length_coercion
from skerry_engine.functions.graph_resolution import (
    AGGREGATES,
    ARITHMETIC,
    COMPARISONS,
    TARGETS,
    common_graph_type,
    list_type,
    parameter_type,
    resolve_graph_function,
    resolve_graph_operator,
)
from skerry_engine.functions.recipes import make_function, recipe_of
from skerry_engine.functions.registry import Function, functions_named
from skerry_engine.values import dynamic_keys, interval, oids
from skerry_engine.values.graphs import dynamic as as_any
from skerry_engine.values.graphs import edge_value, node_value, type_of
from skerry_engine.values.io import DEFAULT_IO, text_decoder
from skerry_engine.values.types import SqlType, type_info

ALIX = node_value(1, 2, 42, (("Person",), (("name", oids.TEXT, "Alix"), ("born", oids.DATE, -3652))))
GUS = node_value(1, 2, 43, (("Dog", "Person"), ()))
KNOWS = edge_value(1, 3, 42, (("KNOWS",), (("since", oids.INT8, 1999),)), (2, 42), (2, 43))
OTHER = edge_value(1, 3, 43, (("KNOWS",), ()), (2, 43), (2, 43))
PATH = (ALIX, KNOWS, GUS)

B, INT, F, N, S = oids.BOOL, oids.INT8, oids.FLOAT8, oids.NUMERIC, oids.TEXT
LIST, ANYS, ANY = oids.INT8_ARRAY, oids.ANYVALUE_ARRAY, oids.ANYVALUE


def read(type_name: str, text: str) -> Typed:
    oid = getattr(oids, type_name)
    return oid, text_decoder(SqlType(oid), DEFAULT_IO)(text)


def date(text: str) -> Typed:
    return read("DATE", text)


def duration(text: str) -> Typed:
    return read("INTERVAL", text)


def record(**fields: Any) -> Typed:
    return oids.GRAPHRECORD, tuple(fields.items())


CALLS: list[tuple[str, list[Typed], Typed]] = [
    ("char_length", [(S, "héy")], (INT, 3)),
    ("character_length", [(S, "")], (INT, 0)),
    ("byte_length", [(S, "hé")], (INT, 3)),
    ("octet_length", [(oids.BYTEA, b"abc")], (INT, 3)),
    ("upper", [(S, "aé")], (S, "AÉ")),
    ("lower", [(S, "AÉ")], (S, "aé")),
    ("left", [(S, "abc"), (INT, 2)], (S, "ab")),
    ("left", [(S, "abc"), (INT, 9)], (S, "abc")),
    ("right", [(S, "abc"), (INT, 2)], (S, "bc")),
    ("right", [(S, "abc"), (INT, 0)], (S, "")),
    ("trim", [(S, " a ")], (S, "a")),
    ("trim", [(S, "both"), (S, " a ")], (S, "a")),
    ("trim", [(S, "leading"), (S, "x"), (S, "xxax")], (S, "ax")),
    ("trim", [(S, "trailing"), (S, "x"), (S, "xaxx")], (S, "xa")),
    ("trim", [(LIST, (1, 2, 3)), (INT, 1)], (LIST, (1, 2))),
    ("btrim", [(S, "xyaxy"), (S, "xy")], (S, "a")),
    ("normalize", [(S, "e\u0301")], (S, "é")),
    ("normalize", [(S, "é"), (S, "NFD")], (S, "e\u0301")),
    ("replace", [(S, "aba"), (S, "a"), (S, "x")], (S, "xbx")),
    ("split", [(S, "a,b"), (S, ",")], (oids.TEXT_ARRAY, ("a", "b"))),
    ("reverse", [(S, "abc")], (S, "cba")),
    ("reverse", [(LIST, (1, 2))], (LIST, (2, 1))),
    ("starts with", [(S, "abc"), (S, "ab")], (B, True)),
    ("ends with", [(S, "abc"), (S, "bc")], (B, True)),
    ("contains", [(S, "abc"), (S, "x")], (B, False)),
    ("abs", [(INT, -3)], (INT, 3)),
    ("abs", [(F, -0.5)], (F, 0.5)),
    ("abs", [duration("-2 days")], duration("2 days")),
    ("mod", [(INT, 7), (INT, 3)], (INT, 1)),
    ("mod", [(N, Decimal("7.5")), (INT, 2)], (N, Decimal("1.5"))),
    ("floor", [(INT, 7)], (INT, 7)),
    ("floor", [(N, Decimal("7.5"))], (N, Decimal(7))),
    ("ceil", [(F, 7.2)], (F, 8.0)),
    ("ceiling", [(INT, -7)], (INT, -7)),
    ("sqrt", [(INT, 16)], (F, 4.0)),
    ("exp", [(INT, 0)], (F, 1.0)),
    ("ln", [(F, 1.0)], (F, 0.0)),
    ("log", [(INT, 2), (INT, 8)], (F, 3.0)),
    ("log10", [(F, 1000.0)], (F, 3.0)),
    ("power", [(INT, 2), (INT, 10)], (F, 1024.0)),
    ("power", [(F, 2.0), (INT, 3)], (F, 8.0)),
    ("sin", [(INT, 0)], (F, 0.0)),
    ("cot", [(F, 1.0)], (F, 0.6420926159343306)),
    ("degrees", [(F, 3.141592653589793)], (F, 180.0)),
    ("radians", [(INT, 180)], (F, 3.141592653589793)),
    ("tanh", [(INT, 0)], (F, 0.0)),
    ("size", [(LIST, (1, None))], (INT, 2)),
    ("size", [(ANYS, ())], (INT, 0)),
    ("cardinality", [(oids.NODE_ARRAY, (ALIX, GUS))], (INT, 2)),
    ("cardinality", [(oids.PATH, PATH)], (INT, 3)),
    ("cardinality", [record(a=1, b=2)], (INT, 2)),
    ("upper", [(S, "ß")], (S, "SS")),
    ("head", [(LIST, (1, 2))], (INT, 1)),
    ("head", [(LIST, ())], (INT, None)),
    ("head", [(oids.NODE_ARRAY, (ALIX, GUS))], (oids.NODE, ALIX)),
    ("last", [(ANYS, (1, "a"))], (ANY, "a")),
    ("tail", [(LIST, (1, 2, 3))], (LIST, (2, 3))),
    ("range", [(INT, 1), (INT, 3)], (LIST, (1, 2, 3))),
    ("range", [(INT, 5), (INT, 1), (INT, -2)], (LIST, (5, 3, 1))),
    ("range", [(INT, 2), (INT, 1)], (LIST, ())),
    ("elements", [(oids.PATH, PATH)], (ANYS, ((oids.NODE, ALIX), (oids.EDGE, KNOWS), (oids.NODE, GUS)))),
    ("nodes", [(oids.PATH, PATH)], (oids.NODE_ARRAY, (ALIX, GUS))),
    ("edges", [(oids.PATH, PATH)], (oids.EDGE_ARRAY, (KNOWS,))),
    ("path_length", [(oids.PATH, PATH)], (INT, 1)),
    ("element_id", [(oids.NODE, ALIX)], (ANY, 42)),
    ("labels", [(oids.NODE, GUS)], (oids.TEXT_ARRAY, ("Dog", "Person"))),
    ("properties", [(oids.EDGE, KNOWS)], record(since=1999)),
    ("properties", [(oids.NODE, ALIX)], record(name="Alix", born=(oids.DATE, -3652))),
    ("property_names", [(oids.NODE, ALIX)], (oids.TEXT_ARRAY, ("name", "born"))),
    ("property_names", [record(a=1, b=None)], (oids.TEXT_ARRAY, ("a", "b"))),
    ("property_by_name", [(oids.NODE, ALIX), (S, "name")], (ANY, "Alix")),
    ("property_by_name", [(oids.EDGE, KNOWS), (S, "nothing")], (ANY, None)),
    ("property_by_name", [record(a=(oids.DATE, 1)), (S, "a")], (ANY, (oids.DATE, 1))),
    ("all_different", [(oids.NODE, ALIX), (oids.NODE, GUS), (oids.EDGE, KNOWS)], (B, True)),
    ("all_different", [(oids.NODE, ALIX), (oids.NODE, GUS), (oids.NODE, ALIX)], (B, False)),
    ("same", [(oids.NODE, ALIX), (oids.NODE, ALIX)], (B, True)),
    ("same", [(oids.NODE, ALIX), (oids.EDGE, KNOWS)], (B, False)),
    ("is_source", [(oids.NODE, ALIX), (oids.EDGE, KNOWS)], (B, True)),
    ("is_destination", [(oids.NODE, ALIX), (oids.EDGE, KNOWS)], (B, False)),
    ("date", [(S, "2024-02-29")], date("2024-02-29")),
    ("date", [record(year=2024, month=2)], date("2024-02-01")),
    ("date", [record(year=2024, week=9, dayOfWeek=4)], date("2024-02-29")),
    ("date", [record(year=2020, week=53)], date("2020-12-28")),
    ("date", [record(year=2024, ordinalDay=60)], date("2024-02-29")),
    ("date", [record(year=2024, quarter=2, dayOfQuarter=91)], date("2024-06-30")),
    ("local_time", [record(hour=12, minute=30, millisecond=5)], read("TIME", "12:30:00.005")),
    ("zoned_time", [record(hour=12, timezone="+01:00")], read("TIMETZ", "12:00:00+01")),
    ("local_datetime", [record(year=2024, hour=12)], read("TIMESTAMP", "2024-01-01 12:00")),
    (
        "zoned_datetime",
        [record(year=2024, month=7, timezone="Europe/Berlin")],
        read("TIMESTAMPTZ", "2024-06-30 22:00+00"),
    ),
    ("zoned_datetime", [(S, "2024-07-01T00:00:00+02:00")], read("TIMESTAMPTZ", "2024-06-30 22:00+00")),
    ("date", [read("TIMESTAMP", "2024-01-01 12:00")], date("2024-01-01")),
    ("duration", [(S, "P1Y2M3DT4H")], duration("1 year 2 mons 3 days 04:00:00")),
    ("duration", [record(days=1, hours=36, seconds=1.5)], duration("1 day 36:00:01.5")),
    ("duration", [record(years=1, months=2, weeks=1)], duration("1 year 2 mons 7 days")),
    ("duration", [record(months=0.75)], duration("22 days 19:51:49.5")),
    ("duration", [record(years=0.5, days=1.5)], duration("6 mons 1 day 12:00")),
    ("duration", [(S, "P0.75M")], duration("22 days 19:51:49.5")),
    ("duration", [(S, "-P1DT-2H")], duration("-1 day 02:00")),
    ("duration", [(S, "P1Y2M3W4DT5H6M7,5S")], duration("14 mons 25 days 05:06:07.5")),
    ("duration", [(S, "1 day 2 hours")], duration("1 day 02:00")),
    *[
        ("date", [(S, text)], date(expected))
        for text, expected in (
            *(("2015-07-21", "2015-07-21"), ("20150721", "2015-07-21"), ("2015-07", "2015-07-01")),
            *(("201507", "2015-07-01"), ("2015-W30-2", "2015-07-21"), ("2015W302", "2015-07-21")),
            *(("2015-W30", "2015-07-20"), ("2015W30", "2015-07-20"), ("2015-202", "2015-07-21")),
            *(("2015202", "2015-07-21"), ("2015", "2015-01-01")),
        )
    ],
    *[
        ("local_time", [(S, text)], read("TIME", expected))
        for text, expected in (
            ("21", "21:00"),
            ("2140", "21:40"),
            ("214032.142", "21:40:32.142"),
            ("21:40:32", "21:40:32"),
        )
    ],
    *[
        ("zoned_time", [(S, text)], read("TIMETZ", expected))
        for text, expected in (
            *(("214032.142Z", "21:40:32.142+00"), ("2140-02", "21:40-02"), ("21:40-01:30", "21:40-01:30")),
            *(("214032-0100", "21:40:32-01"), ("22+01:30:15", "22:00+01:30:15")),
        )
    ],
    ("local_datetime", [(S, "2015-W30-2T214032.142")], read("TIMESTAMP", "2015-07-21 21:40:32.142")),
    ("local_datetime", [(S, "2015T21")], read("TIMESTAMP", "2015-01-01 21:00")),
    *[
        ("zoned_datetime", [(S, text)], read("TIMESTAMPTZ", "2015-07-21 20:40:32+00"))
        for text in (
            *("2015-07-21T21:40:32+0100", "2015202T214032+01", "2015-W30-2T20:40:32Z"),
            *("2015-07-21T21:40:32[Europe/London]", "2015-07-21T16:40:32-04[America/New_York]"),
        )
    ],
    ("%", [(F, 7.5), (INT, 2)], (F, 1.5)),
    ("mod", [(F, -7.5), (F, 2.0)], (F, -1.5)),
    ("-", [date("1984-10-11"), duration("12 years 5 mons 14 days 16:13:10")], date("1972-04-27")),
    ("duration_between", [date("2024-02-01"), date("2024-03-01")], duration("29 days")),
    (
        "duration_between",
        [date("2024-01-31"), date("2025-03-01"), (S, "year to month")],
        duration("1 year 1 mon"),
    ),
    (
        "duration_between",
        [date("2025-03-01"), date("2024-01-31"), (S, "YEAR TO MONTH")],
        duration("-1 year -1 mon"),
    ),
    (
        "duration_between",
        [read("TIMESTAMP", "2024-01-01 12:00"), read("TIMESTAMP", "2024-01-03 11:00")],
        duration("1 day 23:00:00"),
    ),
    (
        "duration_between",
        [read("TIMETZ", "12:00+02"), read("TIMETZ", "12:00+00")],
        duration("02:00:00"),
    ),
    ("session_user", [], (S, "alix")),
    ("current_timestamp", [], (oids.TIMESTAMPTZ, 800_000_000_000_000)),
    ("local_timestamp", [], (oids.TIMESTAMP, 800_000_000_000_000)),
    ("current_date", [], (oids.DATE, 9259)),
    ("date", [], (oids.DATE, 9259)),
    ("+", [(INT, 2), (INT, 3)], (INT, 5)),
    ("+", [(INT, 2), (F, 0.5)], (F, 2.5)),
    ("+", [(INT, 2), (N, Decimal("0.5"))], (N, Decimal("2.5"))),
    ("-", [(INT, 2)], (INT, -2)),
    ("/", [(INT, 7), (INT, 2)], (INT, 3)),
    ("%", [(INT, 7), (INT, 2)], (INT, 1)),
    ("+", [date("2024-01-31"), duration("1 mon")], date("2024-02-29")),
    ("+", [duration("36:00:00"), date("2024-01-01")], date("2024-01-02")),
    ("-", [date("2024-03-31"), duration("1 mon")], date("2024-02-29")),
    ("+", [read("TIMESTAMP", "2024-01-01 12:00"), duration("1 day")], read("TIMESTAMP", "2024-01-02 12:00")),
    ("*", [duration("1 day"), (INT, 3)], duration("3 days")),
    ("||", [(S, "a"), (S, "b")], (S, "ab")),
    ("||", [(LIST, (1,)), (LIST, (2,))], (LIST, (1, 2))),
    ("||", [(LIST, ()), (LIST, ())], (LIST, ())),
    ("||", [(oids.NODE_ARRAY, (ALIX,)), (oids.NODE_ARRAY, (GUS,))], (oids.NODE_ARRAY, (ALIX, GUS))),
    ("||", [(oids.PATH, PATH), (oids.PATH, (GUS, OTHER, GUS))], (oids.PATH, (*PATH, OTHER, GUS))),
    ("in", [(INT, 2), (LIST, (1, 2))], (B, True)),
    ("in", [(INT, 3), (LIST, (1, None))], (B, None)),
    ("in", [(INT, 1), (LIST, (1, None))], (B, True)),
    ("in", [(F, 1.0), (LIST, (1,))], (B, True)),
    ("in", [(S, "a"), (LIST, (1, 2))], (B, False)),
    ("in", [(oids.NODE, GUS), (oids.NODE_ARRAY, (ALIX, GUS))], (B, True)),
    ("in", [(LIST, (1,)), (ANYS, ((LIST, (1,)), 2))], (B, True)),
    ("=", [(oids.NODE, ALIX), (oids.NODE, node_value(1, 2, 42, ()))], (B, True)),
    ("<>", [(oids.EDGE, KNOWS), (oids.EDGE, OTHER)], (B, True)),
    ("=", [(oids.PATH, PATH), (oids.PATH, PATH)], (B, True)),
    ("=", [(oids.NODE, ALIX), (oids.EDGE, KNOWS)], (B, False)),
    ("=", [(INT, 2**53 + 1), (F, 2.0**53)], (B, False)),
    ("=", [(N, Decimal("0.1")), (F, 0.1)], (B, True)),
    ("<", [(INT, 1), (F, float("nan"))], (B, True)),
    ("=", [(INT, 1), (S, "1")], (B, False)),
    ("<>", [(B, True), (INT, 1)], (B, True)),
    ("=", [(LIST, (1, None)), (LIST, (1, 2))], (B, None)),
    ("=", [record(a=1), record(a=1)], (B, True)),
]
IDS = [f"{name}-{number}" for number, (name, _, _) in enumerate(CALLS)]


@pytest.mark.parametrize(("name", "args", "expected"), CALLS, ids=IDS)
def test_a_call_gives(name: str, args: list[Typed], expected: Typed):
    assert static(name, *args) == expected


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [c for c in CALLS if c[1]],
    ids=[i for i, c in zip(IDS, CALLS, strict=True) if c[1]],
)
def test_a_call_gives_the_same_when_types_are_known_only_when_it_runs(
    name: str, args: list[Typed], expected: Typed
):
    type_oid, value = dynamic(name, *args)
    assert as_any(type_oid, value) == as_any(*expected)


@pytest.mark.parametrize(("name", "args", "expected"), [c for c in CALLS if c[1] and c[0] not in ("in",)])
def test_null_among_the_arguments_gives_null(name: str, args: list[Typed], expected: Typed):
    for number in range(len(args)):
        with_null = [(oid, None) if at == number else (oid, value) for at, (oid, value) in enumerate(args)]
        assert static(name, *with_null)[1] is None
        assert dynamic(name, *with_null)[1] is None


def outcome(call: Any, *args: Any) -> tuple[str, Any]:
    """The result as an equality key with its type, or the class of what went wrong."""
    try:
        value = as_any(*call(*args))
    except (errors.UndefinedFunction, errors.AmbiguousFunction, errors.InvalidValueType):
        return "refused", None
    except errors.DatabaseError as error:
        return "error", error.sqlstate
    return "value", None if value is None else (type_of(value), dynamic_keys.any_key(value))


OPERAND_TYPES = sorted([*TYPED, LIST, oids.TEXT_ARRAY])


@pytest.mark.parametrize("symbol", sorted(COMPARISONS | ARITHMETIC | {"||"}))
@pytest.mark.parametrize("left", OPERAND_TYPES, ids=lambda oid: type_info(oid).name)
@given(some.data())
@unhurried(3)
def test_operators_agree_whether_types_are_known_or_not(symbol: str, left: int, data: some.DataObject):
    values = {
        **TYPED,
        LIST: some.tuples(some.none() | some.integers(0, 2)),
        oids.TEXT_ARRAY: some.just(("a",)),
    }
    first = (left, data.draw(values[left]))
    for right in OPERAND_TYPES:
        second = (right, data.draw(values[right]))
        assert outcome(static, symbol, first, second) == outcome(dynamic, symbol, first, second)


ONE_OF_EACH: dict[int, Any] = {
    B: True, INT: 3, F: 0.5, N: Decimal("1.5"), S: "a", oids.BYTEA: b"a", oids.DATE: 1, oids.INTERVAL: interval.pack(0, 1, 0),
    LIST: (1,), oids.NODE: ALIX, oids.EDGE: KNOWS, oids.PATH: PATH, oids.GRAPHRECORD: (("year", 2024),),
    oids.TIMESTAMP: 5, oids.TIMETZ: read("TIMETZ", "12:00+01")[1],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - AGGREGATES - {"random"}))
def test_functions_agree_whether_types_are_known_or_not(name: str):
    for count in (1, 2):
        for types in itertools.product(ONE_OF_EACH, repeat=count):
            args = [(type_oid, ONE_OF_EACH[type_oid]) for type_oid in types]
            known, unknown = outcome(static, name, *args), outcome(dynamic, name, *args)
            assert known == unknown, (name, types)


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - AGGREGATES))
def test_the_type_of_a_call_by_name_is_that_of_what_it_may_become(name: str):
    for count in (1, 2, 3):
        _, _, promised = resolve_graph_function(name, [ANY] * count)
        for types in itertools.product(ONE_OF_EACH, repeat=count) if count < 3 else ():
            try:
                function, _, result = resolve_graph_function(name, types)
            except errors.DatabaseError:
                continue
            assert isinstance(function, Function)
            assert promised in (ANY, result)


def test_every_name_leads_to_functions_that_exist_and_do_something():
    for name, targets in TARGETS.items():
        for target in targets:
            schema, _, bare = target.rpartition(".")
            found = functions_named(bare, schema or None)
            assert found, (name, target)
            assert any(function.is_implemented for function in found), (name, target)


def test_names_of_functions_are_not_in_sqls_way():
    with pytest.raises(errors.UndefinedFunction):
        resolve_graph_function("skerry.left", (S, INT))
    for own in ("list_size", "path_nodes", "collect_list", "labels", "properties"):
        assert functions_named(own) == ()
        assert functions_named(own, "skerry")


REFUSED = [
    ("nonsense", [(INT, 1)]),
    ("upper", [(INT, 1)]),
    ("char_length", [(LIST, (1,))]),
    ("abs", [(S, "a")]),
    ("path_length", [(LIST, (1,))]),
    ("labels", [record(a=1)]),
    ("+", [(INT, 1), (S, "a")]),
    ("||", [(S, "a"), (INT, 1)]),
    ("||", [(LIST, (1,)), (INT, 1)]),
    ("-", [(S, "a")]),
]


@pytest.mark.parametrize(("name", "args"), REFUSED)
def test_types_that_nothing_takes_are_refused_when_they_are_known(name: str, args: list[Typed]):
    with pytest.raises(errors.UndefinedFunction):
        static(name, *args)


@pytest.mark.parametrize(("name", "args"), REFUSED[1:])
def test_types_that_nothing_takes_are_errors_when_they_turn_up(name: str, args: list[Typed]):
    with pytest.raises(errors.InvalidValueType):
        dynamic(name, *args)


def test_inferred_types_fail_only_when_a_value_comes():
    function, types, result = resolve_graph_function("upper", (INT,), inferred=True)
    assert (types, result) == ((ANY,), S)
    assert isinstance(function, Function)
    symbol, types, result = resolve_graph_operator("+", INT, S, inferred=True)
    assert (symbol.name, types, result) == ("+", (ANY, ANY), ANY)


@pytest.mark.parametrize(
    ("name", "args", "sqlstate"),
    [
        ("<", [(INT, 1), (S, "a")], "22G04"),
        (">=", [(oids.NODE, ALIX), (oids.NODE, GUS)], "22G04"),
        ("left", [(S, "abc"), (INT, -1)], "22011"),
        ("trim", [(S, "both"), (S, "xy"), (S, "a")], "22027"),
        ("trim", [(LIST, (1,)), (INT, 2)], "22G0C"),
        ("||", [(oids.PATH, PATH), (oids.PATH, PATH)], "22G0Z"),
        ("+", [(INT, 2**63 - 1), (INT, 1)], "22003"),
        ("/", [(INT, 1), (INT, 0)], "22012"),
        ("log", [(INT, 2), (INT, 0)], "2201E"),
        ("range", [(INT, 1), (INT, 2), (INT, 0)], "22023"),
        ("range", [(INT, 1), (INT, 2**40)], "54000"),
        ("date", [record(month=2)], "22G06"),
        ("date", [record(year=2023, month=2, day=29)], "22G06"),
        ("date", [record(year=2024, week=53)], "22G06"),
        ("date", [record(year=2024, hour=1)], "22G05"),
        ("duration", [record(fortnights=1)], "22G07"),
        ("duration", [record(months=math.inf)], "22G06"),
        ("date", [(S, "2015-W54")], "22G06"),
        ("date", [(S, "2015-02-30")], "22G06"),
        ("date", [(S, "soon")], "22007"),
        ("%", [(F, 1.0), (F, 0.0)], "22012"),
        ("duration_between", [date("2024-01-01"), date("2024-01-02"), (S, "day to minute")], "22G06"),
        ("same", [(INT, 1), (oids.NODE, ALIX)], "22G03"),
    ],
)
def test_values_that_an_operation_can_do_nothing_with_are_errors(name: str, args: list[Typed], sqlstate: str):
    for call in (static, dynamic):
        with pytest.raises(errors.DatabaseError) as caught:
            call(name, *args)
        assert caught.value.sqlstate == sqlstate


def test_items_of_sqls_arrays_of_arrays_are_refused():
    with pytest.raises(errors.NotSupportedError):
        static("head", (LIST, ((1, 2), (3, 4))))


# --- types of alternatives and lists ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([INT, INT], INT),
        ([oids.INT4, INT], INT),
        ([INT, N], N),
        ([INT, F, N], F),
        ([INT, S], ANY),
        ([oids.UNKNOWN, S], S),
        ([oids.UNKNOWN, oids.UNKNOWN], oids.UNKNOWN),
        ([oids.NODE, oids.EDGE], ANY),
        ([oids.NODE, oids.UNKNOWN], oids.NODE),
        ([LIST, oids.TEXT_ARRAY], ANY),
    ],
)
def test_alternatives_have_a_common_type(types: list[int], expected: int):
    assert common_graph_type(types) == expected


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([INT, INT, oids.UNKNOWN], LIST),
        ([INT, F], ANYS),
        ([], ANYS),
        ([oids.UNKNOWN], ANYS),
        ([LIST], ANYS),
        ([oids.NODE, oids.NODE], oids.NODE_ARRAY),
        ([ANY], ANYS),
    ],
)
def test_a_list_is_an_array_of_its_items_one_type(types: list[int], expected: int):
    assert list_type(types) == expected


# --- casts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (duration("1 year 2 mons 10 days 02:30"), "P1Y2M10DT2H30M"),
        (duration("-00:00:01.5"), "PT-1.5S"),
        (read("TIMESTAMP", "2015-07-21 21:40:32.5"), "2015-07-21T21:40:32.5"),
        (read("TIMESTAMPTZ", "2015-07-21 21:40:32+02"), "2015-07-21T19:40:32Z"),
        (read("TIMETZ", "21:40:32-01:30"), "21:40:32-01:30"),
        (date("2015-07-21"), "2015-07-21"),
        (read("TIME", "21:40"), "21:40:00"),
    ],
)
def test_dates_times_and_durations_are_iso_8601_as_text_and_back(value: Typed, text: str):
    to_text = dynamic_module.cast_between(value[0], S)
    assert to_text(CONTEXT, value[1]) == text
    assert dynamic_module.cast_between(S, value[0])(CONTEXT, text) == value[1]


# --- parameters and narrow types ----------------------------------------------------------------------------


def test_parameters_are_what_values_are_in_gql():
    assert parameter_type(oids.INT4) == (INT, None)
    assert parameter_type(oids.INT4_ARRAY) == (LIST, None)
    assert parameter_type(oids.DATE) == (oids.DATE, None)
    assert parameter_type(oids.UNKNOWN) == (oids.UNKNOWN, None)
    for type_oid in (oids.JSON, oids.JSONB):
        result, function = parameter_type(type_oid)
        assert (result, function and function.return_type) == (ANY, ANY)
        assert function is not None and function.implementation is not None
        assert function.implementation('{"a": [1, 2.5]}') == (
            oids.GRAPHRECORD,
            (("a", (ANYS, (1, 2.5))),),
        )
    for type_oid in (oids.JSON_ARRAY, oids.JSONB_ARRAY):
        result, function = parameter_type(type_oid)
        assert result == ANYS
        assert function is not None and function.implementation is not None
        assert function.implementation(('{"a": 1}', None, "2", ("3",))) == (
            (oids.GRAPHRECORD, (("a", 1),)),
            None,
            2,
            (ANYS, (3,)),
        )


@pytest.mark.parametrize(
    ("type_oid", "modifier", "fits", "does_not"),
    [
        (INT, 8, [-128, 127], [-129, 128]),
        (INT, 16, [-32768, 32767], [-32769, 32768]),
        (INT, 64, [-(2**63), 2**63 - 1], []),
        (INT, 108, [0, 255], [-1, 256]),
        (INT, 163, [0, 2**63 - 1], [-1]),
        (F, 32, [0.5, math.inf], [1e39]),
        (F, 16, [0.5], [65520.0]),
        (oids.BYTEA, 6, [b"ab"], [b"abc"]),
    ],
)
def test_narrow_types_refuse_what_does_not_fit(
    type_oid: int, modifier: int, fits: list[Any], does_not: list[Any]
):
    function = length_coercion(type_oid)
    assert function is not None and function.implementation is not None
    for value in fits:
        assert function.implementation(value, modifier) == value
    for value in does_not:
        with pytest.raises(errors.DataError):
            function.implementation(value, modifier)


def test_narrow_floats_are_rounded_and_long_bytes_cut_by_casts():
    as_float, as_bytes = length_coercion(F), length_coercion(oids.BYTEA)
    assert as_float is not None and as_float.implementation is not None
    assert as_float.implementation(0.1, 32) == 0.10000000149011612
    assert as_bytes is not None and as_bytes.implementation is not None
    assert as_bytes.implementation(b"abc", 6, True) == b"ab"


# --- aggregates ---------------------------------------------------------------------------------------------

AGGREGATED: list[tuple[str, int, list[Any], Typed]] = [
    ("count", INT, [1, None, 2], (INT, 2)),
    ("sum", INT, [1, None, 2], (INT, 3)),
    ("sum", INT, [], (INT, None)),
    ("sum", F, [0.5, 0.25], (F, 0.75)),
    ("sum", N, [Decimal("0.1"), Decimal("0.2")], (N, Decimal("0.3"))),
    ("avg", INT, [1, 2], (N, Decimal("1.5000000000000000"))),
    ("avg", F, [1.0, 2.0], (F, 1.5)),
    ("avg", oids.INTERVAL, [interval.pack(0, 1, 0), interval.pack(0, 3, 0)], (oids.INTERVAL, interval.pack(0, 2, 0))),
    ("stddev_samp", F, [1.0, 3.0], (F, 1.4142135623730951)),
    ("stddev_pop", F, [1.0, 3.0], (F, 1.0)),
    ("collect_list", INT, [2, None, 1], (LIST, (2, 1))),
    ("collect_list", INT, [], (LIST, ())),
    ("collect_list", LIST, [(1,), (2,)], (ANYS, ((LIST, (1,)), (LIST, (2,))))),
    ("collect_list", oids.NODE, [ALIX, ALIX], (oids.NODE_ARRAY, (ALIX, ALIX))),
    ("min", B, [True, False], (B, False)),
    ("max", S, ["a", "b"], (S, "b")),
    ("max", oids.BYTEA, [b"a", b"b"], (oids.BYTEA, b"b")),
    ("min", LIST, [(2,), (1, 5)], (LIST, (1, 5))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "type_oid", "values", "expected"), AGGREGATED)
def test_an_aggregate_gives(name: str, type_oid: int, values: list[Any], expected: Typed):
    assert aggregate(name, [(value,) for value in values], type_oid) == expected


@pytest.mark.parametrize(("name", "type_oid", "values", "expected"), [a for a in AGGREGATED if a[2]])
def test_an_aggregate_gives_the_same_over_dynamic_types(
    name: str, type_oid: int, values: list[Any], expected: Typed
):
    result, value = aggregate(name, [(as_any(type_oid, value),) for value in values], ANY)
    if name == "collect_list":
        assert result == ANYS
        element = type_info(expected[0]).element_oid
        assert value == tuple([as_any(element, item) for item in expected[1]])
    else:
        assert as_any(result, value) == as_any(*expected)


def test_sums_of_mixed_numbers_are_of_the_widest():
    assert aggregate("sum", [(1,), (0.5,)], ANY) == (ANY, 1.5)
    assert aggregate("sum", [(1,), (Decimal("0.5"),)], ANY) == (ANY, Decimal("1.5"))
    with pytest.raises(errors.InvalidValueType):
        aggregate("sum", [(1,), ("a",)], ANY)
    with pytest.raises(errors.NumericValueOutOfRange):
        aggregate("sum", [(2**62,), (2**62,)], INT)


def test_least_and_greatest_are_found_among_all_types():
    rows = [(3,), ("a",), ((oids.DATE, 1),), (0.5,), (True,)]
    assert aggregate("min", rows, ANY) == (ANY, (oids.DATE, 1))
    assert aggregate("max", rows, ANY) == (ANY, 3)


def test_percentiles_take_their_fraction_as_an_argument():
    rows = [(value, Decimal("0.5")) for value in (4, 1, 3, 2)]
    assert aggregate("percentile_cont", rows, INT, N) == (F, 2.5)
    assert aggregate("percentile_disc", rows, INT, N) == (INT, 2)
    assert aggregate("percentile_cont", [(as_any(INT, value), 0.5) for value, _ in rows], ANY, F) == (
        ANY,
        2.5,
    )
    assert aggregate("percentile_disc", [(value, 1.0) for value in ("b", "a")], S, F) == (S, "b")
    with pytest.raises(errors.InvalidParameterValue):
        aggregate("percentile_cont", [(1.0, 0.5), (2.0, 0.6)], F, F)
    with pytest.raises(errors.NumericValueOutOfRange):
        aggregate("percentile_disc", [(1, 2.0)], INT, F)


# --- keeping ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("upper", (ANY,)),
        ("size", (LIST,)),
        ("left", (S, INT)),
        ("char_length", (S,)),
        ("head", (oids.NODE_ARRAY,)),
        ("abs", (ANY,)),
    ],
)
def test_functions_can_be_kept_and_made_again(name: str, types: tuple[int, ...]):
    function = resolve_graph_function(name, types)[0]
    assert make_function(recipe_of(function)) == function


@pytest.mark.parametrize(
    "types", [(ANY, ANY), (INT, F), (LIST, LIST), (INT, S), (oids.NODE, oids.NODE), (INT, INT)]
)
def test_operators_can_be_kept_and_made_again(types: tuple[int, int]):
    for symbol in ("=", "<>"):
        function = resolve_graph_operator(symbol, *types)[0]
        assert make_function(recipe_of(function)) == function


def test_casts_to_and_from_dynamic_types_can_be_kept_and_made_again():
    for function in (
        dynamic_module.to_any(oids.DATE),
        dynamic_module.from_any(oids.DATE),
        dynamic_module.list_conversion(oids.DATE_ARRAY, ANYS),
        dynamic_module.dynamic_function("+", 2),
    ):
        assert function is not None
        assert make_function(recipe_of(function)) == function
