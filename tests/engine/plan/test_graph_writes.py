"""Graph writes below every language: what INSERT, SET, REMOVE, DELETE and MERGE do, alone and beside each other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from support.graph_algebra import (
    INT8,
    AlgebraGraph,
    Running,
    call,
    column,
    constant,
    joined,
    param,
    same,
    select,
    values,
    where,
)

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

LEVELS = ("read committed", "repeatable read", "serializable")
ANY = SqlType(oids.ANYVALUE)
TEXT = oids.TEXT


@pytest.fixture
def graph() -> AlgebraGraph:
    return AlgebraGraph()


def people(graph: AlgebraGraph, *names: str, **properties: Any) -> None:
    """Nodes with the label Person, numbered `n` from 0."""
    rows = tuple((name, number) for number, name in enumerate(names))
    node = graph.new_node(1, ["Person"], name=column(5, 0, TEXT), n=column(5, 1), **properties)
    graph.run(graph.insert([node], values(5, *rows)))


def named(graph: AlgebraGraph, range_id: int, name: str) -> q.Relation:
    return where(graph.nodes(range_id), same(graph.property(range_id, "name", TEXT), constant(name)))


def connect(
    graph: AlgebraGraph, one: str, other: str, session_name: str = "main", **properties: Any
) -> q.GraphInsert:
    edge = graph.new_edge(3, graph.node(1), graph.node(2), ["KNOWS"], **properties)
    return graph.insert([edge], joined(named(graph, 1, one), named(graph, 2, other)))


def shown(graph: AlgebraGraph, table_oid: int | None = None) -> list[tuple[frozenset[str], dict[str, Any]]]:
    """(labels, properties) of all nodes, or of a table's rows, by row id."""
    oid = graph.nodes_oid if table_oid is None else table_oid
    session = graph.database.session().session
    session.need_transaction()
    registry = session.statement_catalog().storage(oid).shapes
    assert registry is not None
    scan = graph.nodes(1) if oid == graph.nodes_oid else graph.edges(1)
    rows = graph.run(select(scan, ex.RowId(INT8, 1), ex.WholeRow(SqlType(oids.RECORD), 1)))
    found = []
    for _, row in sorted(rows):
        shape = registry.by_id(row[0])
        assert len(row) == registry.first_position + len(shape.names)
        found.append((shape.labels, {name: row[place] for name, place in shape.positions.items()}))
    return found


def edge_ends(graph: AlgebraGraph) -> list[tuple[int, int]]:
    rows = graph.run(select(graph.edges(1), column(1, 1), column(1, 2)))
    return sorted(rows)  # type: ignore[arg-type]


# --- INSERT ----------------------------------------


def test_a_property_that_is_null_is_absent(graph: AlgebraGraph) -> None:
    node = graph.new_node(1, ["A"], x=column(5, 0), y=column(5, 1))
    graph.run(graph.insert([node], values(5, (1, 2), (3, 4))))
    graph.run(graph.insert([graph.new_node(1, ["A"], x=param(0), y=param(1))]), None, 7)
    graph.run(graph.insert([graph.new_node(1, ["A"], x=None)]))
    a = frozenset({"A"})
    assert shown(graph) == [(a, {"x": 1, "y": 2}), (a, {"x": 3, "y": 4}), (a, {"y": 7}), (a, {})]


def test_what_is_only_planned_and_what_is_null_has_no_type(graph: AlgebraGraph) -> None:
    """Readers would have to reckon with values of that type otherwise."""
    session = graph.database.session().session
    session.need_transaction()
    registry = session.statement_catalog().storage(graph.nodes_oid).shapes
    assert registry is not None
    graph.plan(graph.insert([graph.new_node(1, ["A"], x=param(0, oids.TEXT))]))
    assert registry.shapes() == ()
    graph.gql("INSERT (:A {x: NULL, y: 1})-[:R {x: NULL}]->(:A {x: NULL})")
    graph.run(graph.insert([graph.new_node(1, ["A"], x=param(0, oids.TEXT))]), None)
    graph.gql("INSERT (:A {x: 5})")
    assert registry.property_types("x") == {oids.INT8}


def test_values_of_unknown_type_are_stored_as_what_they_are(graph: AlgebraGraph) -> None:
    node = graph.new_node(1, [], v=ex.Param(ANY, 0))
    for value in (1, "a", 1.5, True, (oids.DATE, 9131), (oids.INT8_ARRAY, (1, 2)), None):
        graph.run(graph.insert([node]), value)
    expected = [{"v": 1}, {"v": "a"}, {"v": 1.5}, {"v": True}, {"v": 9131}, {"v": (1, 2)}, {}]
    assert [properties for _, properties in shown(graph)] == expected
    dynamic = ex.Property(ANY, 1, graph.nodes_oid, "v")
    read = [value for _, value in sorted(graph.run(select(graph.nodes(1), ex.RowId(INT8, 1), dynamic)))]
    assert read == [1, "a", 1.5, True, (oids.DATE, 9131), (oids.INT8_ARRAY, (1, 2)), None]


@pytest.mark.parametrize(
    "value",
    [
        (oids.NODE, (1, 2, 3, (1,))),
        (oids.ANYVALUE_ARRAY, (1, (oids.PATH, ()))),
        (oids.GRAPHRECORD, (("a", (oids.EDGE, ())),)),
    ],
)
def test_a_property_holds_no_element(graph: AlgebraGraph, value: Any) -> None:
    with pytest.raises(errors.DatatypeMismatch):
        graph.run(graph.insert([graph.new_node(1, [], v=ex.Param(ANY, 0))]), value)
    with pytest.raises(errors.DatatypeMismatch):
        graph.run(graph.insert([graph.new_node(2, [], v=graph.node(1))], graph.nodes(1)))


def test_a_pattern_is_inserted_per_row_with_its_edges_between_its_own_nodes(graph: AlgebraGraph) -> None:
    people(graph, "hub")
    elements = [
        graph.new_node(1, ["A"], x=column(5, 0)),
        graph.new_edge(2, graph.node(1), graph.node(9), ["IN"], w=column(5, 0)),
        graph.new_node(3, ["B"]),
        graph.new_edge(4, graph.node(3), graph.node(1), ["OF"]),
        graph.new_edge(6, graph.node(1), graph.node(1), ["SELF"]),
    ]
    # The pattern's nodes come before the edges that need them, as a binder orders them.
    elements = [elements[0], elements[2], elements[1], elements[3], elements[4]]
    source = joined(values(5, (10,), (20,), (30,)), named(graph, 9, "hub"))
    rows = graph.run(
        graph.insert(elements, source, ex.RowId(INT8, 1), ex.RowId(INT8, 3), graph.edge(4), column(5, 0))
    )
    assert graph.count == 3 and len(rows) == 3
    for a, b, of, x in rows:
        assert of[5] == b and of[7] == a
        assert (a, 1) in edge_ends(graph) and (b, a) in edge_ends(graph) and (a, a) in edge_ends(graph)
        assert x in (10, 20, 30)
    assert len(edge_ends(graph)) == 9


def test_what_a_statement_inserts_it_does_not_see(graph: AlgebraGraph) -> None:
    people(graph, "a", "b")
    graph.run(graph.insert([graph.new_node(2, ["Copy"])], graph.nodes(1)))
    assert len(shown(graph)) == 4


def test_many_rows_are_inserted_in_batches(graph: AlgebraGraph) -> None:
    source = graph_series(graph, 5000)
    elements = [
        graph.new_node(1, ["A"], x=column(5, 0)),
        graph.new_edge(2, graph.node(1), graph.node(1), ["L"]),
    ]
    rows = graph.run(graph.insert(elements, source, ex.RowId(INT8, 1), column(5, 0)))
    assert len(rows) == 5000 and len({row_id for row_id, _ in rows}) == 5000
    read = dict(graph.run(select(graph.nodes(1), ex.RowId(INT8, 1), graph.property(1, "x"))))
    assert read == dict(rows)


def graph_series(graph: AlgebraGraph, count: int) -> q.FunctionScan:
    from skerry_engine.functions.resolve import resolve_function

    function, _, result = resolve_function("generate_series", [oids.INT8, oids.INT8])
    made = ex.Call(SqlType(result), function, (constant(1), constant(count)))  # type: ignore[arg-type]
    return q.FunctionScan(5, (made,), (1,))


def test_an_edge_at_a_node_that_is_null_is_an_error(graph: AlgebraGraph) -> None:
    people(graph, "a")
    missing = q.Join("left", named(graph, 1, "a"), named(graph, 2, "nobody"), None)
    with pytest.raises(errors.NullValueNotAllowed, match="ends is null"):
        graph.run(graph.insert([graph.new_edge(3, graph.node(1), graph.node(2))], missing))
    assert edge_ends(graph) == []


def test_a_record_of_properties(graph: AlgebraGraph) -> None:
    record = ex.Param(SqlType(oids.GRAPHRECORD), 0)
    node = q.NewElement(
        graph.target(graph.nodes_oid, 1), graph.node(1).type, ("A",), (("x", constant(1)),), record
    )
    graph.run(graph.insert([node]), (("y", "why"), ("x", 2), ("z", None)))
    graph.run(graph.insert([node]), None)
    a = frozenset({"A"})
    assert shown(graph) == [(a, {"x": 2, "y": "why"}), (a, {"x": 1})]


# --- SET and REMOVE ----------------------------------------


def change(graph: AlgebraGraph, **options: Any) -> q.GraphChange:
    return graph.set(graph.nodes(1), [graph.change(graph.node(1), **options)])


def test_set_and_remove_move_a_row_to_another_shape(graph: AlgebraGraph) -> None:
    people(graph, "a", "b")
    graph.run(change(graph, properties={"n": call("+", graph.property(1, "n"), constant(10)), "x": "new"}))
    person = frozenset({"Person"})
    assert shown(graph) == [
        (person, {"name": "a", "n": 10, "x": "new"}),
        (person, {"name": "b", "n": 11, "x": "new"}),
    ]
    graph.run(change(graph, properties={"n": None, "nothing": None}, labels_added=("Old",)))
    assert shown(graph)[0] == (person | {"Old"}, {"name": "a", "x": "new"})
    graph.run(change(graph, labels_removed=("Person", "Missing")))
    assert shown(graph)[1] == (frozenset({"Old"}), {"name": "b", "x": "new"})
    graph.run(change(graph, properties={"only": True}, replaces=True))
    assert shown(graph)[1] == (frozenset({"Old"}), {"only": True})


def test_a_property_may_change_its_type(graph: AlgebraGraph) -> None:
    people(graph, "a")
    graph.run(change(graph, properties={"n": "text"}))
    assert shown(graph) == [(frozenset({"Person"}), {"name": "a", "n": "text"})]


def test_set_of_an_edge_keeps_its_ends(graph: AlgebraGraph) -> None:
    people(graph, "a", "b")
    graph.run(connect(graph, "a", "b", since=1999))
    before = edge_ends(graph)
    changed = graph.change(
        graph.edge(4), graph.edges_oid, properties={"since": 2000, "w": 1.5}, labels_added=("OLD",)
    )
    graph.run(graph.set(graph.edges(4), [changed]))
    assert edge_ends(graph) == before
    assert shown(graph, graph.edges_oid) == [(frozenset({"KNOWS", "OLD"}), {"since": 2000, "w": 1.5})]


def test_all_items_are_computed_from_the_state_before(graph: AlgebraGraph) -> None:
    people(graph, "a", "b")
    both = joined(named(graph, 1, "a"), named(graph, 2, "b"))
    swap = [
        graph.change(graph.node(1), properties={"n": graph.property(2, "n")}),
        graph.change(graph.node(2), properties={"n": graph.property(1, "n")}),
    ]
    graph.run(graph.set(both, swap))
    assert [properties["n"] for _, properties in shown(graph)] == [1, 0]


def test_one_element_may_be_bound_often_if_it_is_given_one_value(graph: AlgebraGraph) -> None:
    people(graph, "a", "b", "c")
    pairs = joined(named(graph, 1, "a"), graph.nodes(2))
    graph.run(graph.set(pairs, [graph.change(graph.node(1), properties={"n": 7})]))
    assert graph.count == -1 or graph.count >= 0
    assert [properties["n"] for _, properties in shown(graph)] == [7, 1, 2]
    with pytest.raises(errors.MultipleAssignments) as caught:
        graph.run(graph.set(pairs, [graph.change(graph.node(1), properties={"n": graph.property(2, "n")})]))
    assert caught.value.gqlstatus == "22G0M"
    twice = [graph.change(graph.node(n), properties={"n": n}) for n in (1, 2)]
    with pytest.raises(errors.MultipleAssignments):
        graph.run(graph.set(pairs, twice))
    assert [properties["n"] for _, properties in shown(graph)] == [7, 1, 2]


def test_several_items_about_one_element_add_up(graph: AlgebraGraph) -> None:
    people(graph, "a")
    items = [
        graph.change(graph.node(1), properties={"x": 1}),
        graph.change(graph.node(1), properties={"y": 2}, labels_added=("L",)),
        graph.change(graph.node(1), labels_removed=("Person",)),
    ]
    graph.run(graph.set(graph.nodes(1), items))
    assert shown(graph) == [(frozenset({"L"}), {"name": "a", "n": 0, "x": 1, "y": 2})]


def test_what_is_null_is_not_changed(graph: AlgebraGraph) -> None:
    people(graph, "a")
    missing = q.Join("left", named(graph, 1, "a"), named(graph, 2, "nobody"), None)
    graph.run(graph.set(missing, [graph.change(graph.node(2), properties={"x": 1})]))
    graph.run(graph.delete(missing, [graph.node(2)]))
    assert shown(graph) == [(frozenset({"Person"}), {"name": "a", "n": 0})]


def test_a_record_replaces_or_adds(graph: AlgebraGraph) -> None:
    people(graph, "a")
    record = ex.Param(SqlType(oids.GRAPHRECORD), 0)
    graph.run(change(graph, record=record), (("x", 1), ("n", None)))
    assert shown(graph) == [(frozenset({"Person"}), {"name": "a", "x": 1})]
    graph.run(change(graph, record=record, replaces=True), (("y", 2),))
    assert shown(graph) == [(frozenset({"Person"}), {"y": 2})]
    cross = joined(graph.nodes(1), values(5, (1,), (2,)))
    graph.run(graph.set(cross, [graph.change(graph.node(1), record=record)]), (("y", 3),))
    assert shown(graph) == [(frozenset({"Person"}), {"y": 3})]


# --- DELETE ----------------------------------------


def test_deleting_what_is_bound_often_deletes_it_once(graph: AlgebraGraph) -> None:
    people(graph, "a", "b")
    pairs = joined(graph.nodes(1), graph.nodes(2))
    rows = graph.run(graph.delete(pairs, [graph.node(1), graph.node(2)], False, graph.property(1, "n")))
    assert len(rows) == 4 and shown(graph) == []


def test_edges_may_go_with_their_nodes_in_any_order(graph: AlgebraGraph) -> None:
    people(graph, "a", "b")
    graph.run(connect(graph, "a", "b"))
    source = where(joined(graph.nodes(1), graph.edges(2)), same(ex.RowId(INT8, 1), column(2, 1)))
    graph.run(graph.delete(source, [graph.node(1), graph.edge(2)]))
    assert edge_ends(graph) == [] and len(shown(graph)) == 1


def test_detach_takes_loops_and_edges_both_ways(graph: AlgebraGraph) -> None:
    people(graph, "a", "b")
    for one, other in (("a", "b"), ("b", "a"), ("a", "a"), ("b", "b")):
        graph.run(connect(graph, one, other))
    graph.run(graph.delete(named(graph, 1, "a"), [graph.node(1)], True))
    assert edge_ends(graph) == [(2, 2)]


def test_without_detach_the_error_counts_edges(graph: AlgebraGraph) -> None:
    people(graph, "a", "b")
    for one, other in (("a", "b"), ("b", "a"), ("a", "a")):
        graph.run(connect(graph, one, other))
    with pytest.raises(errors.EdgesStillExist, match="3 edges"):
        graph.run(graph.delete(named(graph, 1, "a"), [graph.node(1)]))
    assert len(edge_ends(graph)) == 3 and len(shown(graph)) == 2


def test_lists_and_paths_of_elements_are_deleted(graph: AlgebraGraph) -> None:
    people(graph, "a", "b", "c")
    graph.run(connect(graph, "a", "b"))
    source = where(
        joined(graph.nodes(1), graph.edges(3), graph.nodes(2)),
        same(ex.RowId(INT8, 1), column(3, 1)),
        same(ex.RowId(INT8, 2), column(3, 2)),
    )
    path = ex.PathValue(SqlType(oids.PATH), (graph.node(1), graph.edge(3), graph.node(2)))
    graph.run(graph.delete(source, [path]))
    assert len(shown(graph)) == 1 and edge_ends(graph) == []
    listed = ex.ArrayOf(SqlType(oids.NODE_ARRAY), (graph.node(1),))
    graph.run(graph.delete(graph.nodes(1), [listed]))
    assert shown(graph) == []


# --- MERGE ----------------------------------------


def merge(
    graph: AlgebraGraph,
    source: q.Relation,
    name: ex.Expr,
    on_create: Sequence[q.ElementChange] = (),
    on_match: Sequence[q.ElementChange] = (),
    outputs: tuple[ex.Expr, ...] = (),
) -> q.GraphMerge:
    """MERGE (m:Thing {name: ...}), range 20 with m as its column."""
    match = select(
        where(graph.nodes(21), graph.labelled(21, "Thing"), same(graph.property(21, "name", TEXT), name)),
        graph.node(21),
    )
    columns = tuple(q.OutputColumn(f"o{n}", each.type) for n, each in enumerate(outputs))
    made = graph.new_node(22, ["Thing"], name=name)
    return q.GraphMerge(
        columns, graph.oid, source, 20, match, (made,), (0,), (), tuple(on_create), tuple(on_match), outputs
    )


def merged(position: int = 0, type_oid: int = oids.NODE) -> ex.Column:
    return column(20, position, type_oid)


def test_merge_makes_what_it_does_not_find_and_finds_what_it_made(graph: AlgebraGraph) -> None:
    source = values(5, ("a",), ("b",), ("a",), ("a",))
    rows = graph.run(merge(graph, source, column(5, 0, TEXT), outputs=(merged(), column(5, 0, TEXT))))
    ids = [row[0][2] for row in rows]
    assert ids == [1, 2, 1, 1] and len(shown(graph)) == 2
    assert graph.run(merge(graph, source, column(5, 0, TEXT), outputs=(merged(),)))[0][0][2] == 1
    assert len(shown(graph)) == 2


def test_on_create_and_on_match_see_the_input_and_are_seen_by_the_next_row(graph: AlgebraGraph) -> None:
    count = ex.ValueProperty(INT8, merged(), "count")
    source = values(5, ("a",), ("a",), ("b",), ("a",))
    statement = merge(
        graph,
        source,
        column(5, 0, TEXT),
        [graph.change(merged(), properties={"count": 1, "new": True})],
        [graph.change(merged(), properties={"count": call("+", count, constant(1)), "new": None})],
        (column(5, 0, TEXT), count),
    )
    assert graph.run(statement) == [("a", 1), ("a", 2), ("b", 1), ("a", 3)]
    assert [properties for _, properties in shown(graph)] == [
        {"name": "a", "count": 3},
        {"name": "b", "count": 1, "new": True},
    ]


def test_merge_of_a_null_is_an_error(graph: AlgebraGraph) -> None:
    with pytest.raises(errors.NullValueNotAllowed, match="name"):
        graph.run(merge(graph, q.OneRow(), param(0, TEXT)), None)


def merge_edge(graph: AlgebraGraph, one: str, other: str) -> q.GraphMerge:
    """MATCH (a), (b) MERGE (a)-[:R]->(b)"""
    source = joined(named(graph, 1, one), named(graph, 2, other))
    match = select(
        where(
            graph.edges(21),
            graph.labelled(21, "R", True),
            same(column(21, 1), ex.RowId(INT8, 1)),
            same(column(21, 2), ex.RowId(INT8, 2)),
        ),
        graph.node(1),
        graph.edge(21),
        graph.node(2),
    )
    made = graph.new_edge(22, graph.node(1), graph.node(2), ["R"])
    outputs = (merged(1, oids.EDGE),)
    return q.GraphMerge(
        (q.OutputColumn("e", outputs[0].type),),
        graph.oid,
        source,
        20,
        match,
        (made,),
        (1,),
        ((0, graph.node(1)), (2, graph.node(2))),
        (),
        (),
        outputs,
    )


def test_merge_of_an_edge_between_nodes_that_are_there(graph: AlgebraGraph) -> None:
    people(graph, "a", "b")
    first = graph.run(merge_edge(graph, "a", "b"))
    assert graph.run(merge_edge(graph, "a", "b")) == first
    assert edge_ends(graph) == [(1, 2)]
    graph.run(merge_edge(graph, "b", "a"))
    assert edge_ends(graph) == [(1, 2), (2, 1)]


def test_merge_of_a_whole_pattern(graph: AlgebraGraph) -> None:
    match = select(
        where(
            joined(graph.nodes(31), graph.edges(32), graph.nodes(33)),
            graph.labelled(31, "A"),
            graph.labelled(33, "B"),
            graph.labelled(32, "R", True),
            same(ex.RowId(INT8, 31), column(32, 1)),
            same(ex.RowId(INT8, 33), column(32, 2)),
        ),
        graph.node(31),
        graph.edge(32),
        graph.node(33),
    )
    elements = (
        graph.new_node(41, ["A"], x=param(0)),
        graph.new_node(43, ["B"]),
        graph.new_edge(42, graph.node(41), graph.node(43), ["R"], w=2),
    )
    outputs = (merged(0), merged(1, oids.EDGE), merged(2))
    statement = q.GraphMerge(
        tuple(q.OutputColumn(f"o{n}", each.type) for n, each in enumerate(outputs)),
        graph.oid,
        q.OneRow(),
        20,
        match,
        elements,
        (0, 2, 1),
        (),
        (),
        (),
        outputs,
    )
    rows = graph.run(statement, 5)
    a, e, b = rows[0]
    assert (e[5], e[7]) == (a[2], b[2]) and len(e) == 8
    assert graph.run(statement, 5) == rows
    assert len(shown(graph)) == 2 and len(edge_ends(graph)) == 1


# --- programs ----------------------------------------


def test_each_stage_sees_what_those_before_have_written(graph: AlgebraGraph) -> None:
    people(graph, "a")
    n = column(7, 0, oids.NODE)
    age = ex.ValueProperty(INT8, n, "n")
    program = graph.program(
        graph.set(graph.nodes(1), [graph.change(graph.node(1), properties={"n": 5})], graph.node(1)),
        graph.set(q.Bindings(7, 0, 1), [graph.change(n, properties={"n": call("+", age, constant(1))})], n),
        graph.insert(
            [graph.new_node(9, ["Copy"], n=ex.ValueProperty(INT8, column(8, 0, oids.NODE), "n"))],
            q.Bindings(8, 1, 1),
            column(8, 0, oids.NODE),
        ),
        select(
            joined(q.Bindings(10, 2, 1), graph.nodes(11)),
            ex.ValueProperty(INT8, column(10, 0, oids.NODE), "n"),
            graph.property(11, "n"),
        ),
    )
    assert sorted(graph.run(program)) == [(6, 6), (6, 6)]


def test_deleting_in_two_stages_and_changing_what_is_gone(graph: AlgebraGraph) -> None:
    people(graph, "a", "b")
    n = column(7, 0, oids.NODE)
    delete = graph.delete(named(graph, 1, "a"), [graph.node(1)], False, graph.node(1))
    graph.run(graph.program(delete, graph.delete(q.Bindings(7, 0, 1), [n])))
    assert [properties["name"] for _, properties in shown(graph)] == ["b"]
    people(graph, "a")
    with pytest.raises(errors.DatabaseError):
        graph.run(
            graph.program(delete, graph.set(q.Bindings(7, 0, 1), [graph.change(n, properties={"n": 1})]))
        )
    with pytest.raises(errors.EndpointDeleted):
        graph.run(graph.program(delete, graph.insert([graph.new_edge(9, n, n)], q.Bindings(7, 0, 1))))
    assert len(shown(graph)) == 2


def test_a_node_may_lose_its_edges_in_a_later_stage_than_itself(graph: AlgebraGraph) -> None:
    people(graph, "a", "b")
    graph.run(connect(graph, "a", "b"))
    source = where(joined(graph.nodes(1), graph.edges(2)), same(ex.RowId(INT8, 1), column(2, 1)))
    program = graph.program(
        graph.delete(source, [graph.node(1)], False, graph.edge(2)),
        graph.delete(q.Bindings(7, 0, 1), [column(7, 0, oids.EDGE)]),
    )
    graph.run(program)
    assert edge_ends(graph) == [] and len(shown(graph)) == 1


def test_a_program_that_fails_leaves_nothing(graph: AlgebraGraph) -> None:
    people(graph, "a")
    zero = call("/", constant(1), ex.ValueProperty(INT8, column(7, 0, oids.NODE), "n"))
    program = graph.program(
        graph.insert([graph.new_node(2, ["New"])], graph.nodes(1), graph.node(1)),
        graph.set(q.Bindings(7, 0, 1), [graph.change(column(7, 0, oids.NODE), properties={"x": zero})]),
    )
    graph.sql("begin")
    with pytest.raises(errors.DivisionByZero):
        graph.run(program)
    graph.sql("rollback")
    assert len(shown(graph)) == 1


# --- read-only, savepoints ----------------------------------------


def every_write(graph: AlgebraGraph) -> list[q.Query]:
    n = graph.node(1)
    return [
        graph.insert([graph.new_node(1, ["A"])]),
        graph.insert(
            [graph.new_edge(3, graph.node(1), graph.node(2))], joined(graph.nodes(1), graph.nodes(2))
        ),
        graph.set(graph.nodes(1), [graph.change(n, properties={"n": 100})]),
        graph.set(graph.nodes(1), [graph.change(n, properties={"new": 1})]),
        graph.set(graph.nodes(1), [graph.change(n, properties={"n": None})]),
        graph.set(graph.nodes(1), [graph.change(n, labels_added=("L",))]),
        graph.set(graph.nodes(1), [graph.change(n, labels_removed=("Person",))]),
        graph.delete(graph.edges(1), [graph.edge(1)]),
        graph.delete(graph.nodes(1), [n], True),
        merge(graph, q.OneRow(), constant("x")),
        merge(graph, q.OneRow(), constant("thing"), on_match=[graph.change(merged(), properties={"n": 5})]),
    ]


def everything(graph: AlgebraGraph) -> list[Any]:
    return [shown(graph), shown(graph, graph.edges_oid), edge_ends(graph)]


@pytest.mark.parametrize("number", range(11))
def test_every_write_is_undone_and_refused_where_it_has_to_be(graph: AlgebraGraph, number: int) -> None:
    people(graph, "a", "b")
    graph.run(connect(graph, "a", "b"))
    graph.run(graph.insert([graph.new_node(1, ["Thing"], name="thing")]))
    statement = every_write(graph)[number]
    before = everything(graph)
    for level in LEVELS:
        graph.sql(f"begin isolation level {level} read only")
        with pytest.raises(errors.ReadOnlyViolation) as caught:
            graph.run(statement)
        assert caught.value.code == "T003"
        graph.sql("rollback")
        graph.sql(f"begin isolation level {level}")
        graph.sql("savepoint s")
        graph.run(statement)
        assert everything(graph) != before
        graph.sql("rollback to s")
        assert everything(graph) == before
        graph.run(statement)
        graph.sql("rollback")
        assert everything(graph) == before
    graph.run(statement)
    assert everything(graph) != before


# --- who looks at what was written ----------------------------------------


def test_pending_changes_show_elements_by_labels_and_properties(graph: AlgebraGraph) -> None:
    people(graph, "a", "b")
    graph.sql("begin")
    graph.run(connect(graph, "a", "b", since=1999))
    graph.run(
        graph.set(
            named(graph, 1, "a"), [graph.change(graph.node(1), properties={"n": None}, labels_added=("L",))]
        )
    )
    assert graph.sql("prepare commit") == [
        ("public", "home.edges", "insert", 1, "edge"),
        ("public", "home.nodes", "update", 1, "node"),
    ]
    columns = "table_name, kind, key_columns, column_names, column_types, old_values, new_values"
    edge, node = sorted(graph.sql(f"select {columns} from skerry.pending_changes()"))  # type: ignore[type-var]
    names = ("id", "labels", "source", "target", "directed", "properties")
    types = (oids.INT8, oids.TEXT_ARRAY, oids.INT8, oids.INT8, oids.BOOL, oids.GRAPHRECORD)
    new = ("1", "{KNOWS}", "1", "2", "t", '{"since": 1999}')
    assert edge == ("home.edges", "insert", ("id",), names, types, None, new)
    assert node[5:] == (("1", "{Person}", '{"name": "a", "n": 0}'), ("1", "{L,Person}", '{"name": "a"}'))
    graph.sql("rollback")


def test_the_change_feed_shows_elements(graph: AlgebraGraph) -> None:
    ((since,),) = graph.sql("select skerry.subscribe()")
    people(graph, "a", "b")
    graph.run(connect(graph, "a", "b"))
    graph.run(graph.delete(named(graph, 1, "a"), [graph.node(1)], True))
    rows = graph.sql(f"select table_name, kind, row_id, key, old, new from skerry.changes({since})")
    node = '{"id": 1, "labels": ["Person"], "properties": {"n": 0, "name": "a"}}'
    edge = '{"id": 1, "labels": ["KNOWS"], "source": 1, "target": 2, "directed": true, "properties": {}}'
    assert rows[0] == ("home.nodes", "insert", 1, '{"id": 1}', None, node)
    assert rows[2] == ("home.edges", "insert", 1, '{"id": 1}', None, edge)
    assert sorted(rows[3:]) == [
        ("home.edges", "delete", 1, '{"id": 1}', edge, None),
        ("home.nodes", "delete", 1, '{"id": 1}', node, None),
    ]


# --- two at once ----------------------------------------


def begin(graph: AlgebraGraph, level: str, *names: str) -> None:
    for name in names:
        graph.sql(f"begin isolation level {level}", name)
        graph.sql("select 1", name)


class Commit(Running):
    """COMMIT of a session, stepped."""

    def __init__(self, graph: AlgebraGraph, name: str) -> None:
        from support.sessions import answered

        self.rows, self.count, self.tag = [], -1, ""
        self.error, self.is_over, self._wait = None, False, None
        self._steps = answered(graph.database.session(name).session, "commit")


def play(
    graph: AlgebraGraph, level: str, works: dict[str, q.Query], order: str
) -> dict[str, Exception | None]:
    """Two sessions, each a statement and its COMMIT, one letter of `order` a step."""
    begin(graph, level, *works)
    steps: dict[str, list[Callable[[], Running]]] = {
        name: [
            lambda name=name, work=work: graph.start(name, work),  # type: ignore[misc]
            lambda name=name: Commit(graph, name),  # type: ignore[misc]
        ]
        for name, work in works.items()
    }
    running: dict[str, Running] = {}
    failed: dict[str, Exception | None] = dict.fromkeys(works)

    def step(name: str) -> bool:
        if name not in running and steps[name]:
            running[name] = steps[name].pop(0)()
        if name in running:
            if not running[name].go_on():
                return False
            error = running.pop(name).error
            if error is not None:
                failed[name] = failed[name] or error
                steps[name].clear()
                graph.sql("rollback", name)
        return True

    for name in order:
        step(name)
    for _ in range(4):
        for name in works:
            while (running.get(name) or steps[name]) and step(name):
                pass
    assert not running and not any(steps.values()), "they wait for each other"
    return failed


ORDERS = sorted({"".join(p) for p in itertools.permutations("AABB")})


@pytest.mark.parametrize("level", LEVELS)
def test_an_edge_and_the_deletion_of_its_end(level: str) -> None:
    for order in ORDERS:
        for detach in (False, True):
            graph = AlgebraGraph()
            people(graph, "a", "b")
            works: dict[str, q.Query] = {
                "A": connect(graph, "a", "b"),
                "B": graph.delete(named(graph, 1, "b"), [graph.node(1)], detach),
            }
            failed = play(graph, level, works, order)
            ends, count = edge_ends(graph), len(shown(graph))
            assert (ends, count) in (([(1, 2)], 2), ([], 1)), (order, detach, failed)
            if level == "read committed":
                assert failed["A"] is None, (order, failed["A"])  # the edge's end is there, or it finds none
                assert failed["B"] is None or (isinstance(failed["B"], errors.EdgesStillExist) and not detach)
            else:
                assert sum(error is not None for error in failed.values()) == 1, (order, failed)
                assert all(error is None or error.code == "T001" for error in failed.values()), (
                    order,
                    failed,
                )  # type: ignore[attr-defined]


@pytest.mark.parametrize("level", LEVELS)
def test_two_that_merge_one_thing_make_one(level: str) -> None:
    for order in ORDERS:
        graph = AlgebraGraph()
        works: dict[str, q.Query] = {name: merge(graph, q.OneRow(), constant("x")) for name in "AB"}
        failed = play(graph, level, works, order)
        assert len(shown(graph)) == 1, (order, failed)
        if level == "read committed":
            assert failed == {"A": None, "B": None}


@pytest.mark.parametrize("level", LEVELS)
def test_two_that_merge_one_edge_make_one(level: str) -> None:
    for order in ORDERS:
        graph = AlgebraGraph()
        people(graph, "a", "b")
        works: dict[str, q.Query] = {name: merge_edge(graph, "a", "b") for name in "AB"}
        failed = play(graph, level, works, order)
        assert len(edge_ends(graph)) == 1, (order, failed)


@pytest.mark.parametrize("level", LEVELS)
def test_merges_of_two_things_do_not_meet(level: str) -> None:
    for order in ORDERS:
        if level == "serializable":
            continue  # each has read that there was no Thing
        graph = AlgebraGraph()
        works: dict[str, q.Query] = {name: merge(graph, q.OneRow(), constant(name)) for name in "AB"}
        assert play(graph, level, works, order) == {"A": None, "B": None}
        assert len(shown(graph)) == 2


@pytest.mark.parametrize("level", LEVELS)
def test_no_update_is_lost(level: str) -> None:
    for order in ORDERS:
        graph = AlgebraGraph()
        people(graph, "a", "b")
        increment = change(graph, properties={"n": call("+", graph.property(1, "n"), constant(10))})
        failed = play(graph, level, {"A": increment, "B": increment}, order)
        done = sum(error is None for error in failed.values())
        assert done >= 1 and (done == 2 or level != "read committed")
        assert [properties["n"] for _, properties in shown(graph)] == [10 * done, 1 + 10 * done], order


@pytest.mark.parametrize("others", [1, 5, 9])
def test_a_program_that_is_restarted_again_and_again_gets_through(others: int) -> None:
    """READ COMMITTED: each time it finds another row changed; from the fourth time on it locks what is left."""
    graph = AlgebraGraph()
    people(graph, *[f"p{number}" for number in range(others + 1)])
    increment = change(graph, properties={"n": call("+", graph.property(1, "n"), constant(100))})
    for number in range(others):
        name = f"other {number}"
        graph.sql("begin", name)
        one = graph.set(
            named(graph, 1, f"p{number}"), [graph.change(graph.node(1), properties={"n": number + 10})]
        )
        graph.run(one, session_name=name)
    running = graph.start("main", increment)
    for number in range(others):
        assert not running.go_on()
        graph.sql("commit", f"other {number}")
    assert running.go_on() and running.error is None
    assert [properties["n"] for _, properties in shown(graph)] == [
        *[number + 110 for number in range(others)],
        100 + others,
    ]


def test_elements_of_another_graph_are_refused(graph: AlgebraGraph) -> None:
    people(graph, "a")
    foreign = ex.Param(SqlType(oids.NODE), 0)
    value = (1, 2, 1, (1,))
    for statement in (
        graph.insert([graph.new_edge(3, foreign, graph.node(1))], graph.nodes(1)),
        graph.set(q.OneRow(), [graph.change(foreign, properties={"x": 1})]),
        graph.delete(q.OneRow(), [foreign]),
    ):
        with pytest.raises(errors.WrongObjectType):
            graph.run(statement, value)
