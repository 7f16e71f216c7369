"""The run-time forms of graph values, and the types' places in the catalog."""

from __future__ import annotations

from decimal import Decimal

import pytest

import skerry
from skerry_engine.storage.row_codec import pack, unpack
from skerry_engine.values import graphs, oids
from skerry_engine.values.types import ALL_TYPES, format_type, qualified_type, type_by_name, type_info

NODE = graphs.node_value(70, 71, 5, (3, "Alix"))
OTHER = graphs.node_value(70, 71, 6, (3, "Gus"))
EDGE = graphs.edge_value(70, 72, 5, (4, 5, 6), (71, 5), (71, 6))
PATH = (NODE, EDGE, OTHER)


def test_an_element_is_its_table_and_row_id_whatever_its_row_says():
    later = graphs.node_value(70, 71, 5, (3, "Alix", 40))
    assert graphs.identity(NODE) == graphs.identity(later)
    assert graphs.identity(NODE) != graphs.identity(EDGE)
    assert not graphs.is_edge(NODE)
    assert graphs.is_edge(EDGE)


def test_an_edge_knows_its_ends():
    assert graphs.source_of(EDGE) == graphs.identity(NODE)
    assert graphs.target_of(EDGE) == graphs.identity(OTHER)


def test_a_path_has_one_edge_less_than_nodes():
    assert graphs.path_nodes(PATH) == (NODE, OTHER)
    assert graphs.path_edges(PATH) == (EDGE,)
    assert graphs.path_length(PATH) == 1
    assert graphs.path_length((NODE,)) == 0
    assert graphs.path_edges((NODE,)) == ()


@pytest.mark.parametrize(
    ("type_oid", "value", "found"),
    [
        (oids.BOOL, True, oids.BOOL),
        (oids.INT2, 1, oids.INT8),
        (oids.INT8, 1, oids.INT8),
        (oids.FLOAT4, 1.0, oids.FLOAT8),
        (oids.NUMERIC, Decimal(1), oids.NUMERIC),
        (oids.VARCHAR, "a", oids.TEXT),
        (oids.BYTEA, b"a", oids.BYTEA),
        (oids.DATE, 1, oids.DATE),
        (oids.UUID, b"0" * 16, oids.UUID),
        (oids.INT8_ARRAY, (1, 2), oids.INT8_ARRAY),
        (oids.NODE, NODE, oids.NODE),
        (oids.GRAPHRECORD, (("a", 1),), oids.GRAPHRECORD),
    ],
)
def test_an_anyvalue_tells_its_type_and_gives_back_the_value(type_oid: int, value: object, found: int):
    made = graphs.dynamic(type_oid, value)
    assert graphs.type_of(made) == found
    assert graphs.atom_of(made) == value
    assert graphs.dynamic(oids.ANYVALUE, made) is made


def test_null_has_no_type():
    assert graphs.dynamic(oids.DATE, None) is None
    assert graphs.atom_of(None) is None


def test_stored_types_are_wide_and_widening_ends():
    assert graphs.widened(oids.INT2) == graphs.widened(oids.INT4) == oids.INT8
    assert graphs.widened(oids.INT4_ARRAY) == oids.INT8_ARRAY
    assert graphs.widened(oids.DATE) == oids.DATE
    for info in ALL_TYPES:
        wide = graphs.widened(info.oid)
        assert graphs.widened(wide) == wide
        if info.is_array and info.element_oid in graphs.UNTAGGED and info.element_oid != oids.UNKNOWN:
            assert wide == type_info(graphs.widened(info.element_oid)).array_oid


def test_values_are_tuples_of_atoms_and_can_be_kept_as_rows_are():
    record = (("a", graphs.dynamic(oids.DATE, 3)), ("b", None), ("c", (oids.INT8_ARRAY, (1, None))))
    for value in (NODE, EDGE, PATH, record, graphs.dynamic(oids.GRAPHRECORD, record)):
        assert unpack(pack(value)) == value


def test_a_field_is_found_by_name():
    assert graphs.field_of((("a", 1), ("b", 2)), "b") == 2
    assert graphs.field_of((("a", 1),), "b") is None


# --- the catalog --------------------------------------------------------------------------------------------


def test_the_types_are_in_their_own_schema_so_that_their_names_are_free():
    assert type_by_name("node") is None
    found = qualified_type(("skerry", "node"))
    assert found is not None
    assert found.oid == oids.NODE
    assert qualified_type(("public", "node")) is None
    assert qualified_type(("pg_catalog", "int4")) == type_info(oids.INT4)
    assert format_type(oids.NODE_ARRAY) == "skerry.node[]"


def test_pg_type_shows_them_and_no_search_path_finds_them():
    with skerry.open() as db:
        rows = db.execute(
            "SELECT typname, pg_type_is_visible(t.oid) FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace"
            " WHERE nspname = 'skerry' AND typelem = 0 ORDER BY t.oid"
        ).fetchall()
        assert [name for name, _ in rows] == ["node", "edge", "graphpath", "anyvalue", "graphrecord"]
        assert not any(visible for _, visible in rows)
        assert db.execute("SELECT 'skerry.edge[]'::regtype").scalar() == "skerry.edge[]"
        db.execute("CREATE TABLE node (edge int)")
        assert db.execute("SELECT count(*) FROM node").scalar() == 0


@pytest.mark.parametrize("type_name", ["skerry.node", "skerry.edge[]", "skerry.graphpath"])
def test_no_table_keeps_elements(type_name: str):
    with skerry.open() as db, pytest.raises(skerry.NotSupportedError, match="columns of type skerry"):
        db.execute(f"CREATE TABLE t (a {type_name})")
