"""Nodes, edges, paths, records and lists of anything: the same Python values embedded and over the network."""

from __future__ import annotations

import copy
import datetime
import pickle
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from support.any_values import ANY, EDGES, NODES, PATHS, unhurried
from support.elements import TYPED, RowsThatTell

import skerry
from skerry.embedded_values import GraphValues
from skerry.text_values import reader_of
from skerry_engine.values import oids
from skerry_engine.values.graphs import edge_value, node_value
from skerry_engine.values.io import text_encoder
from skerry_engine.values.types import SqlType

ALIX = skerry.Node(1, ["Person"], {"name": "Alix", "born": datetime.date(1990, 1, 1)})
GUS = skerry.Node(2, ["Person", "Dog"], {})
KNOWS = skerry.Edge(1, ["KNOWS"], {"since": 1999}, 1, 2)
BORDERS = skerry.Edge(2, ["BORDERS"], {"km": 5}, 2, 1, is_directed=False)


# --- the classes --------------------------------------------------------------------------------------------


def test_an_element_is_its_id_whatever_it_holds() -> None:
    later = skerry.Node(1, ["Person", "Poet"], {"name": "Alex"})
    assert later == ALIX
    assert hash(later) == hash(ALIX)
    assert ALIX != GUS
    assert KNOWS != ALIX
    assert {ALIX: 1}[later] == 1
    assert skerry.Edge(1, [], {}, 5, 6) == KNOWS


def test_properties_are_at_hand() -> None:
    assert ALIX["name"] == "Alix"
    assert ALIX.get("age") is None
    assert ALIX.get("age", 7) == 7
    assert dict(ALIX.properties) == {"name": "Alix", "born": datetime.date(1990, 1, 1)}
    assert GUS.labels == {"Dog", "Person"}
    with pytest.raises(KeyError):
        ALIX["age"]


@pytest.mark.parametrize("value", [ALIX, KNOWS, skerry.Path([ALIX], [])])
def test_values_can_not_be_changed(value: Any) -> None:
    for name in ("id", "nodes", "anything"):
        with pytest.raises(AttributeError):
            setattr(value, name, 3)
    with pytest.raises(AttributeError):
        del value.labels
    with pytest.raises(TypeError):
        ALIX.properties["name"] = "x"  # type: ignore[index]


def test_a_path_walks_from_node_to_node() -> None:
    path = skerry.Path([ALIX, GUS], [KNOWS])
    assert len(path) == 1
    assert list(path) == [ALIX, KNOWS, GUS]
    assert (path.start, path.end) == (ALIX, GUS)
    assert path == skerry.Path([ALIX, GUS], [KNOWS])
    assert path != skerry.Path([GUS, ALIX], [KNOWS])
    assert hash(path) == hash(skerry.Path([ALIX, GUS], [KNOWS]))
    assert bool(skerry.Path([ALIX], []))
    with pytest.raises(ValueError, match="one node more"):
        skerry.Path([ALIX], [KNOWS])


def test_values_show_what_they_are() -> None:
    assert repr(ALIX) == "<Node 1 (:Person {name: 'Alix', born: datetime.date(1990, 1, 1)})>"
    assert repr(GUS) == "<Node 2 (:Dog&Person)>"
    assert repr(skerry.Node(3, [], {})) == "<Node 3 ()>"
    assert repr(KNOWS) == "<Edge 1 (1)-[:KNOWS {since: 1999}]->(2)>"
    assert repr(skerry.Path([GUS, ALIX, GUS], [KNOWS, KNOWS])) == "<Path (2)<-[:KNOWS]-(1)-[:KNOWS]->(2)>"
    assert repr(BORDERS) == "<Edge 2 (2)~[:BORDERS {km: 5}]~(1)>"
    assert repr(skerry.Path([GUS, ALIX, GUS], [BORDERS, KNOWS])) == "<Path (2)~[:BORDERS]~(1)-[:KNOWS]->(2)>"


@pytest.mark.parametrize("value", [ALIX, KNOWS, BORDERS, skerry.Path([ALIX, GUS], [KNOWS])])
def test_values_can_be_copied_and_pickled(value: Any) -> None:
    for made in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert made == value
        assert repr(made) == repr(value)


# --- both ways of getting them ------------------------------------------------------------------------------


def _same(first: object, second: object) -> bool:
    """Equality in which NaN equals itself, types count, and elements are compared by all they hold."""
    if type(first) is not type(second):
        return False
    if isinstance(first, skerry.Node | skerry.Edge):
        return repr(first) == repr(second)
    if isinstance(first, skerry.Path):
        return repr(list(first)) == repr(list(second))  # type: ignore[call-overload]
    if isinstance(first, list):
        return len(first) == len(second) and all(map(_same, first, second))  # type: ignore[arg-type]
    if isinstance(first, dict):
        return list(first) == list(second) and all(_same(first[name], second[name]) for name in first)  # type: ignore[call-overload, index]
    return first == second or first != first


def _both(type_oid: int, value: Any) -> tuple[object, object]:
    embedded = GraphValues(RowsThatTell()).converter(type_oid)(value)
    over_the_wire = reader_of(type_oid)(text_encoder(SqlType(type_oid), TYPED)(value))
    return embedded, over_the_wire


@pytest.mark.parametrize(
    ("type_oid", "strategy"),
    [(oids.ANYVALUE, ANY), (oids.NODE, NODES), (oids.EDGE, EDGES), (oids.PATH, PATHS)],
)
@given(some.data())
@unhurried()
def test_embedded_and_network_values_are_the_same(
    type_oid: int, strategy: some.SearchStrategy[Any], data: some.DataObject
) -> None:
    value = data.draw(strategy)
    embedded, over_the_wire = _both(type_oid, value)
    assert _same(embedded, over_the_wire)
    embedded, over_the_wire = _both(type_oid + 1, (value, None, data.draw(strategy)))
    assert _same(embedded, over_the_wire)


def test_elements_come_with_all_they_hold() -> None:
    properties = (
        ("name", oids.TEXT, "Alix"),
        ("born", oids.DATE, -3652),
        ("price", oids.NUMERIC, Decimal("9.90")),
        ("$date", oids.INT8_ARRAY, (1, None)),
    )
    node = node_value(1, 2, 42, (("Person",), properties))
    edge = edge_value(1, 3, 7, (("KNOWS",), ()), (2, 42), (2, 43))
    for found in _both(oids.NODE, node):
        assert isinstance(found, skerry.Node)
        assert (found.id, found.labels) == (42, {"Person"})
        assert dict(found.properties) == {
            "name": "Alix",
            "born": datetime.date(1990, 1, 1),
            "price": Decimal("9.90"),
            "$date": [1, None],
        }
    for found in _both(oids.EDGE, edge):
        assert isinstance(found, skerry.Edge)
        assert (found.id, found.source, found.target, found.is_directed) == (7, 42, 43, True)
    undirected = edge_value(1, 3, 8, (("KNOWS",), (), False), (2, 42), (2, 43))
    for found in _both(oids.EDGE, undirected):
        assert isinstance(found, skerry.Edge)
        assert (found.id, found.source, found.target, found.is_directed) == (8, 42, 43, False)


# --- results and parameters ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'1'::skerry.anyvalue", 1),
        ("'1.0'::skerry.anyvalue", 1.0),
        ("""'"a"'::skerry.anyvalue""", "a"),
        ("""'{"$date": "1990-01-01"}'::skerry.anyvalue""", datetime.date(1990, 1, 1)),
        ("""'{"$numeric": "1.50"}'::skerry.anyvalue""", Decimal("1.50")),
        ("""'[1, "a", {"b": [null]}]'::skerry.anyvalue""", [1, "a", {"b": [None]}]),
        (
            """'{"b": 1, "a": {"$interval": "1 mon"}}'::skerry.graphrecord""",
            {"b": 1, "a": skerry.Interval(1, 0, 0)},
        ),
        ("ARRAY['1'::skerry.anyvalue, NULL, '[2]'::skerry.anyvalue]", [1, None, [2]]),
        ("date '1990-01-01'::skerry.anyvalue", datetime.date(1990, 1, 1)),
        ("1.5::skerry.anyvalue", Decimal("1.5")),
        ("'x'::text::skerry.anyvalue", "x"),
        ("'5'::skerry.anyvalue::int", 5),
        ("'5'::skerry.anyvalue::text", "5"),
        ("""'["a"]'::skerry.anyvalue::jsonb""", ["a"]),
        ("""'{"a": 1}'::jsonb::skerry.graphrecord""", {"a": 1}),
    ],
)
def test_results(connection: skerry.Connection, expression: str, expected: object) -> None:
    row = connection.execute(f"SELECT {expression}").fetchone()
    assert row is not None
    assert _same(row[0], expected)


@pytest.mark.parametrize(
    ("value", "type_name"),
    [
        ([1, "a", None], "skerry.anyvalue[]"),
        ([[1, 2], [3]], "skerry.anyvalue[]"),
        ([1, [2]], "skerry.anyvalue[]"),
        ([True, 1], "skerry.anyvalue[]"),
        ([1.5, datetime.date(1990, 1, 1)], "skerry.anyvalue[]"),
        ([{"a": datetime.date(1990, 1, 1)}, None], "skerry.graphrecord[]"),
        ([{"a": 1}, {"a": Decimal("1.5")}], "skerry.graphrecord[]"),
        ([{"a": 1}, 2], "skerry.anyvalue[]"),
        (
            {"at": datetime.datetime(1990, 1, 1, tzinfo=datetime.UTC), "by": [b"\x00", None]},
            "skerry.graphrecord",
        ),
        (
            {"n": float("inf"), "d": datetime.timedelta(days=1), "t": datetime.time(1, 2)},
            "skerry.graphrecord",
        ),
        (
            {"id": uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "m": skerry.Interval(1, 2, 3)},
            "skerry.graphrecord",
        ),
        ({"$date": Decimal(1), "nested": {"$x": 'é"\\'}}, "skerry.graphrecord"),
        ({"a": {"$date": b""}}, "skerry.graphrecord"),
    ],
)
def test_parameters_keep_value_and_type(connection: skerry.Connection, value: object, type_name: str) -> None:
    row = connection.execute("SELECT %s, pg_typeof(%s)::text", (value, value)).fetchone()
    assert row is not None
    assert row[1] == type_name
    assert _same(row[0], value)


@pytest.mark.parametrize(
    "value", [{"a": object()}, [1, object()], {"a": [datetime.date(1990, 1, 1), object()]}, [ALIX]]
)
def test_objects_that_no_type_stands_for_are_refused(connection: skerry.Connection, value: object) -> None:
    with pytest.raises(skerry.NotSupportedError):
        connection.execute("SELECT %s", (value,))


def test_programs_that_know_nothing_of_skerry_get_plain_json(connection: skerry.Connection) -> None:
    row = connection.execute("""SELECT '{"a": {"$date": "1990-01-01"}}'::skerry.anyvalue::text""").fetchone()
    assert row == ('{"a": "1990-01-01"}',)


def test_tables_keep_dynamically_typed_values(connection: skerry.Connection) -> None:
    connection.execute("CREATE TABLE t (k int PRIMARY KEY, v skerry.anyvalue, r skerry.graphrecord[])")
    record = {"at": datetime.date(1990, 1, 1)}
    connection.execute("INSERT INTO t VALUES (1, %s::int, %s)", (5, [record]))
    connection.execute("INSERT INTO t VALUES (2, %s::skerry.anyvalue, NULL)", ('["x", 1.5]',))
    rows = connection.execute("SELECT v, r FROM t ORDER BY v DESC").fetchall()
    assert rows == [(5, [record]), (["x", 1.5], None)]
