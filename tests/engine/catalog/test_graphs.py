"""Graphs and graph types in the catalog: name spaces, bytes and back, dependencies and drops."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skerry_engine import errors
from skerry_engine.catalog import drops
from skerry_engine.catalog.bootstrap import POSTGRES, TEMPLATE0, TEMPLATE1, new_catalog
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.codec import apply_delta, decode_catalog, encode_catalog, encode_delta
from skerry_engine.catalog.dependencies import plan_drop
from skerry_engine.catalog.graph_changes import (
    create_graph,
    create_graph_type,
    create_property_graph,
    create_property_index,
    graph_constraints,
)
from skerry_engine.catalog.graphs import (
    OIDS_OF_A_GRAPH,
    EdgeType,
    ElementConstraint,
    ElementEnd,
    ElementLabel,
    ElementProperty,
    ElementTypes,
    Graph,
    GraphElement,
    GraphType,
    NodeType,
    PropertyGraph,
    PropertyIndex,
    PropertyType,
    find_graph,
    find_graph_type,
    new_graph,
)
from skerry_engine.catalog.objects import (
    CLASS_CONSTRAINT,
    CLASS_NAMESPACE,
    CLASS_RELATION,
    PUBLIC,
    Address,
    IndexKey,
    StoredExpression,
    Table,
)
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

PATH = SearchPath((PUBLIC,), PUBLIC, (PUBLIC,))
TEXT, INT8, DYNAMIC = SqlType(oids.TEXT), SqlType(oids.INT8), SqlType(oids.ANYVALUE)
SOCIAL = ElementTypes(
    (
        NodeType("p", ("Person",), (PropertyType("name", TEXT, True), PropertyType("age", INT8))),
        NodeType("", ()),
    ),
    (EdgeType("k", ("KNOWS",), 0, 1, (PropertyType("since", INT8),)),),
)


def with_social(catalog: Catalog) -> Catalog:
    """A type, a graph of it with an index and a constraint, and a property graph over nothing much."""
    allocate = catalog.oids.allocate
    graph_type = GraphType(oid=allocate(), name="social", schema_oid=PUBLIC, elements=SOCIAL)
    catalog = create_graph_type(catalog, POSTGRES, graph_type)
    first = catalog.oids.allocate_many(OIDS_OF_A_GRAPH)
    parts = new_graph(first, "social", PUBLIC, 10, (101, 102), SOCIAL, graph_type.oid)
    catalog = create_graph(catalog, POSTGRES, parts)
    constraint_oid = allocate()
    index = PropertyIndex(
        oid=allocate(),
        name="person_name",
        schema_oid=PUBLIC,
        table_oid=parts[1].oid,
        keys=(IndexKey(type=DYNAMIC),),
        unique=True,
        constraint_oid=constraint_oid,
        label="Person",
        properties=("name",),
    )
    constraint = ElementConstraint(
        constraint_oid,
        "person_name",
        "u",
        parts[1].oid,
        index_oid=index.oid,
        label="Person",
        properties=("name",),
    )
    catalog = create_property_index(catalog, POSTGRES, index, constraint)
    plain = replace(index, oid=allocate(), name="by_age", unique=False, constraint_oid=0, properties=("age",))
    catalog = create_property_index(catalog, POSTGRES, plain)
    vertex = GraphElement(
        allocate(),
        "t",
        parts[2].oid,
        (1,),
        (ElementLabel("T", (ElementProperty("a", StoredExpression("a", _one())),)),),
    )
    edge = replace(vertex, alias="e", source=ElementEnd("t", (1,), (1,)), target=ElementEnd("t", (2,), (1,)))
    mapped = PropertyGraph(
        oid=allocate(), name="mapped", schema_oid=PUBLIC, vertices=(vertex,), edges=(edge,)
    )
    return create_property_graph(catalog, POSTGRES, mapped)


def _one() -> object:
    from skerry_engine.algebra.expressions import Const

    return Const(INT8, 1)


def graph_named(database: Database, name: str) -> Graph:
    found = find_graph(database, name, None, PATH)
    assert isinstance(found, Graph)
    return found


def test_every_database_begins_with_an_open_graph_home_and_storages_of_its_own() -> None:
    catalog = new_catalog()
    storages: list[int] = []
    oids_seen: list[int] = []
    for oid in (POSTGRES, TEMPLATE1, TEMPLATE0):
        database = catalog.database(oid)
        home = graph_named(database, "home")
        assert home.is_open and home.kind == "g"
        tables = (home.nodes(database), home.edges(database))
        assert [[c.name for c in table.columns] for table in tables] == [
            ["shape"],
            ["shape", "source", "target"],
        ]
        assert [len(table.indexes) for table in tables] == [1, 3]
        storages += [table.storage_id for table in tables]
        oids_seen += [home.oid, *(table.oid for table in tables), *(i.oid for t in tables for i in t.indexes)]
    assert storages == [1, 2, 3, 4, 5, 6]
    assert len(set(oids_seen)) == len(oids_seen) == 7 * 3 and max(oids_seen) < 16384


def test_what_is_hidden_has_no_name_and_a_graph_and_its_type_may_share_one() -> None:
    database = with_social(new_catalog()).database(POSTGRES)
    hidden = [each for each in database.relations.values() if each.is_hidden]
    assert {type(each).__name__ for each in hidden} == {"ElementTable", "ElementIndex", "GraphType"}
    assert not {each.oid for each in hidden} & set(database.relation_oids.values())
    assert not list(database.listed(Table))
    found = find_graph_type(database, "social", None, PATH)
    assert found is not None and found.oid == graph_named(database, "social").type_oid
    assert find_graph_type(database, "social", "pg_catalog", PATH) is None
    assert find_graph_type(database, "other", "public", PATH) is None


def test_a_name_that_is_taken_is_refused_and_so_is_one_that_is_no_graph() -> None:
    catalog = with_social(new_catalog())
    database = catalog.database(POSTGRES)
    taken = new_graph(30000, "social", PUBLIC, 10, (201, 202))
    with pytest.raises(errors.DuplicateTable, match='"social" already exists'):
        create_graph(catalog, POSTGRES, taken)
    with pytest.raises(errors.DuplicateObject, match='graph type "social" already exists'):
        create_graph_type(catalog, POSTGRES, GraphType(oid=30001, name="social", schema_oid=PUBLIC))
    with pytest.raises(errors.UndefinedTable, match='graph "nothing" does not exist'):
        find_graph(database, "nothing", None, PATH)
    with pytest.raises(errors.WrongObjectType, match='"by_age" is not a graph'):
        find_graph(database, "by_age", None, PATH)
    index = database.relation_named(PUBLIC, "by_age")
    assert isinstance(index, PropertyIndex)
    with pytest.raises(errors.DuplicateTable, match='"by_age" already exists'):
        create_property_index(catalog, POSTGRES, replace(index, oid=30002))
    (constraint,) = graph_constraints(database, graph_named(database, "social"))
    with pytest.raises(errors.DuplicateObject, match='constraint "person_name" already exists'):
        create_property_index(catalog, POSTGRES, None, replace(constraint, oid=30003))


def test_graphs_come_back_from_their_bytes_whole_and_as_a_difference() -> None:
    before = new_catalog()
    after = with_social(before)
    whole = decode_catalog(encode_catalog(after))
    delta = encode_delta(before, after)
    assert delta is not None
    applied = apply_delta(decode_catalog(encode_catalog(before)), delta)
    for found in (whole, applied):
        assert encode_catalog(found) == encode_catalog(after)
        database = found.database(POSTGRES)
        graph = graph_named(database, "social")
        assert graph.elements == SOCIAL
        nodes = graph.nodes(database)
        assert [index.name for index in nodes.indexes] == ["social.nodes.shape", "person_name", "by_age"]
        assert all(database.relations[index.oid] is index for index in nodes.indexes)
        assert graph_constraints(database, graph) == graph_constraints(
            after.database(POSTGRES), graph_named(after.database(POSTGRES), "social")
        )
        assert find_graph(database, "mapped", None, PATH) == find_graph(
            after.database(POSTGRES), "mapped", None, PATH
        )


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b'"nodes_oid":', b'"nodes_oid":1'),
        (b'"source":0,"target":1', b'"source":0,"target":2'),
        (b'"label":"Person","properties":["name"]},', b'"label":"Person","properties":[]},'),
        (b'"alias":"e"', b'"alias":"t"'),
        (b'"source":{"@":"ElementEnd","alias":"t"', b'"source":{"@":"ElementEnd","alias":"e"'),
        (
            b'"target":{"@":"ElementEnd","alias":"t","columns":[2]',
            b'"target":{"@":"ElementEnd","alias":"t","columns":[4]',
        ),
        (
            b'"target":{"@":"ElementEnd","alias":"t","columns":[2]',
            b'"target":{"@":"ElementEnd","alias":"t","columns":[2,3]',
        ),
        (b'"key":[1]', b'"key":[]'),
    ],
)
def test_a_graph_that_does_not_hang_together_is_damage(good: bytes, bad: bytes) -> None:
    data = encode_catalog(with_social(new_catalog()))
    assert good in data
    with pytest.raises(errors.DatabaseDamaged):
        decode_catalog(data.replace(good, bad))


def test_dropping_a_graph_takes_its_tables_indexes_and_constraints() -> None:
    catalog = with_social(new_catalog())
    database = catalog.database(POSTGRES)
    graph = graph_named(database, "social")
    plan = plan_drop(database, [Address(CLASS_RELATION, graph.oid)], False, PATH)
    assert plan.notice is None
    after = drops.remove_objects(catalog, POSTGRES, plan.objects).database(POSTGRES)
    assert {each.name for each in after.relations.values() if each.schema_oid == PUBLIC} == {
        "home",
        "home.nodes",
        "home.edges",
        "home.nodes.shape",
        "home.edges.shape",
        "home.edges.source",
        "home.edges.target",
        "social",
        "mapped",
    }
    assert find_graph_type(after, "social", None, PATH) is not None


def test_a_type_stays_while_graphs_are_of_it_and_a_constraint_while_it_has_its_index() -> None:
    catalog = with_social(new_catalog())
    database = catalog.database(POSTGRES)
    graph = graph_named(database, "social")
    with pytest.raises(errors.DependentObjectsStillExist) as told:
        plan_drop(database, [Address(CLASS_RELATION, graph.type_oid)], False, PATH)
    assert told.value.detail == "graph social depends on graph type social"
    with pytest.raises(errors.DependentObjectsStillExist) as told:
        plan_drop(database, [Address(CLASS_RELATION, graph.nodes_oid)], False, PATH)
    assert told.value.message == "cannot drop graph social because graph social requires it"
    index = database.relation_named(PUBLIC, "person_name")
    assert isinstance(index, PropertyIndex)
    with pytest.raises(errors.DependentObjectsStillExist) as told:
        plan_drop(database, [Address(CLASS_RELATION, index.oid)], False, PATH)
    assert (
        told.value.message
        == "cannot drop index person_name because constraint person_name on graph social requires it"
    )
    plan = plan_drop(database, [Address(CLASS_CONSTRAINT, index.constraint_oid)], False, PATH)
    after = drops.remove_objects(catalog, POSTGRES, plan.objects).database(POSTGRES)
    assert graph_constraints(after, graph_named(after, "social")) == ()
    assert [i.name for i in graph_named(after, "social").nodes(after).indexes] == [
        "social.nodes.shape",
        "by_age",
    ]


def test_a_schema_takes_its_graphs_along_and_home_goes_silently_where_nobody_misses_it() -> None:
    database = new_catalog().database(POSTGRES)
    home = Address(CLASS_RELATION, graph_named(database, "home").oid)
    schema = Address(CLASS_NAMESPACE, PUBLIC)
    with pytest.raises(errors.DependentObjectsStillExist) as told:
        plan_drop(database, [schema], False, PATH)
    assert told.value.detail == "graph home depends on schema public"
    assert plan_drop(database, [schema], True, PATH).notice == "drop cascades to graph home"
    plan = plan_drop(database, [schema], False, PATH, (home,))
    assert plan.notice is None and home in plan.objects
