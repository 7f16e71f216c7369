"""pg_catalog and information_schema: every relation has rows, is honestly empty or refused;
rows fit their columns."""

from __future__ import annotations

from typing import Any

import pytest
from support.catalog_world import FakeContext, FakeSystem, World

from skerry_engine import errors
from skerry_engine.catalog import changes
from skerry_engine.catalog.bootstrap import POSTGRES, new_catalog
from skerry_engine.catalog.objects import Column, SystemTable
from skerry_engine.catalog.system.registry import MAKERS
from skerry_engine.catalog.system.relations import EMPTY_CATALOGS, EMPTY_INFORMATION, SYSTEM_TABLES, is_empty
from skerry_engine.functions.registry import Function, function_by_oid, functions_named
from skerry_engine.values import oids

NAMES = {11: "pg_catalog", 13207: "information_schema", 9000: "skerry"}
WHOLE = (oids.INT2, oids.INT4, oids.INT8, oids.OID, oids.XID, oids.REGPROC, oids.REGTYPE, oids.TIMESTAMPTZ)
TEXTS = (oids.TEXT, oids.NAME, oids.CHAR, oids.VARCHAR, oids.PG_NODE_TREE)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def system(world: World) -> FakeSystem:
    return FakeSystem(world)


def relation(system: FakeSystem, name: str, schema: str = "pg_catalog") -> SystemTable:
    found = system.database.find_relation(name, schema, system.search_path)
    assert isinstance(found, SystemTable)
    return found


def rows(system: FakeSystem, name: str, schema: str = "pg_catalog", **where: Any) -> list[dict[str, Any]]:
    table = relation(system, name, schema)
    names = [column.name for column in table.columns]
    made = [dict(zip(names, row, strict=True)) for row in table.rows(system)]
    return [row for row in made if all(row[key] == value for key, value in where.items())]


def fits(value: object, column: Column) -> bool:
    """Whether a run-time value is of the column's type."""
    type_oid = column.type.oid
    if value is None:
        return not column.not_null
    if type_oid == oids.BOOL:
        return isinstance(value, bool)
    if type_oid == oids.INTERVAL:
        return isinstance(value, bytes)
    if type_oid in WHOLE:
        return isinstance(value, int) and not isinstance(value, bool)
    if type_oid in TEXTS:
        return isinstance(value, str)
    if type_oid in (oids.FLOAT4, oids.FLOAT8):
        return isinstance(value, float)
    return isinstance(value, tuple)


@pytest.mark.parametrize("table", SYSTEM_TABLES, ids=lambda table: table.name)
def test_rows_fit_the_columns(table: SystemTable, system: FakeSystem) -> None:
    try:
        made = table.rows(system)
    except errors.NotSupportedError as error:
        assert error.message == f"relation {NAMES[table.schema_oid]}.{table.name} is not supported"
        return
    for row in made:
        assert len(row) == len(table.columns)
        for value, column in zip(row, table.columns, strict=True):
            assert fits(value, column), (column.name, value)


def test_empty_relations_are_known_by_name_and_have_no_maker() -> None:
    known = {(NAMES[table.schema_oid], table.name) for table in SYSTEM_TABLES}
    for schema, names in (("pg_catalog", EMPTY_CATALOGS), ("information_schema", EMPTY_INFORMATION)):
        for name in names:
            assert (schema, name) in known
            assert (schema, name) not in MAKERS
            assert is_empty(schema, name)


def test_every_relation_lists_itself(system: FakeSystem) -> None:
    listed = {row["oid"]: row for row in rows(system, "pg_class")}
    attributes: dict[int, list[str]] = {}
    for row in rows(system, "pg_attribute"):
        if row["attnum"] > 0:
            attributes.setdefault(row["attrelid"], []).append(row["attname"])
    for table in SYSTEM_TABLES:
        assert listed[table.oid]["relkind"] == table.kind
        assert attributes[table.oid] == [column.name for column in table.columns]


def test_oids_are_unique_in_every_catalog(system: FakeSystem) -> None:
    for table in SYSTEM_TABLES:
        if table.kind == "r" and table.columns[0].name == "oid":
            seen = [row[0] for row in table.rows(system)]
            assert len(seen) == len(set(seen)), table.name


def test_tables_in_pg_class(system: FakeSystem, world: World) -> None:
    (book,) = rows(system, "pg_class", relname="book")
    assert book["oid"] == world.book
    assert (book["relnamespace"], book["relkind"], book["relnatts"], book["relchecks"]) == (2200, "r", 5, 1)
    assert book["relhasindex"] and book["relhastriggers"]
    assert book["reltuples"] == 100.0
    (index,) = rows(system, "pg_class", relname="book_lower")
    assert (index["relkind"], index["relam"], index["relnatts"]) == ("i", 403, 1)


def test_indexes_in_pg_index(system: FakeSystem, world: World) -> None:
    (part,) = rows(system, "pg_index", indexrelid=world.part_index)
    assert (part["indkey"], part["indoption"], part["indclass"]) == ((4,), (3,), (3125,))
    assert part["indpred"] is not None and not part["indisunique"]
    (lower,) = rows(system, "pg_index", indexrelid=world.lower_index)
    assert (lower["indkey"], lower["indclass"], lower["indcollation"]) == ((0,), (3126,), (100,))
    (attribute,) = rows(system, "pg_attribute", attrelid=world.lower_index)
    assert (attribute["attname"], attribute["atttypid"]) == ("lower", 25)


def test_foreign_keys_in_pg_constraint(system: FakeSystem, world: World) -> None:
    (key,) = rows(system, "pg_constraint", conname="book_author_id_fkey")
    assert (key["contype"], key["conrelid"], key["confrelid"]) == ("f", world.book, world.author)
    assert (key["conkey"], key["confkey"], key["confdeltype"]) == ((2,), (1,), "c")
    assert key["conpfeqop"] == (410,)


def test_dependencies_of_a_serial_column(system: FakeSystem, world: World) -> None:
    (sequence,) = rows(system, "pg_class", relname="book_id_seq")
    owned = rows(system, "pg_depend", objid=sequence["oid"], refobjid=world.book)
    assert [(row["refobjsubid"], row["deptype"]) for row in owned] == [(1, "a")]
    (default,) = rows(system, "pg_attrdef", adrelid=world.book)
    uses = rows(system, "pg_depend", objid=default["oid"], refobjid=sequence["oid"])
    assert [row["deptype"] for row in uses] == ["n"]


def test_row_types_and_built_in_types(system: FakeSystem, world: World) -> None:
    (row_type,) = rows(system, "pg_type", typname="book")
    assert (row_type["typtype"], row_type["typrelid"]) == ("c", world.book)
    (integer,) = rows(system, "pg_type", typname="int4")
    assert (integer["oid"], integer["typarray"], integer["typinput"], integer["typcategory"]) == (
        23,
        1007,
        42,
        "N",
    )


def test_a_change_shows_in_the_next_state_only(world: World) -> None:
    before = FakeSystem(world)
    assert rows(before, "pg_class", relname="renamed") == []
    later = World()
    later.catalog = changes.rename_relation(later.catalog, POSTGRES, later.book, "renamed")
    assert len(rows(FakeSystem(later), "pg_class", relname="renamed")) == 1
    assert rows(before, "pg_class", relname="renamed") == []


def test_information_schema_columns(system: FakeSystem) -> None:
    (identity,) = rows(system, "columns", "information_schema", table_name="author", column_name="id")
    assert (identity["data_type"], identity["is_identity"], identity["identity_generation"]) == (
        "bigint",
        "YES",
        "ALWAYS",
    )
    (name,) = rows(system, "columns", "information_schema", table_name="author", column_name="name")
    assert (name["data_type"], name["character_maximum_length"], name["character_octet_length"]) == (
        "character varying",
        100,
        400,
    )
    (price,) = rows(system, "columns", "information_schema", table_name="book", column_name="price")
    assert (price["numeric_precision"], price["numeric_scale"], price["is_nullable"]) == (10, 2, "YES")
    (serial,) = rows(system, "columns", "information_schema", table_name="book", column_name="id")
    assert serial["column_default"] == "nextval('book_id_seq'::regclass)"


def test_information_schema_constraints(system: FakeSystem) -> None:
    (reference,) = rows(system, "referential_constraints", "information_schema")
    assert (reference["unique_constraint_name"], reference["delete_rule"]) == ("author_pkey", "CASCADE")
    kinds = rows(system, "table_constraints", "information_schema", table_name="book")
    assert sorted(row["constraint_type"] for row in kinds) == [
        "CHECK", "CHECK", "CHECK", "CHECK", "FOREIGN KEY", "PRIMARY KEY",
    ]  # fmt: skip
    (used,) = rows(
        system, "constraint_column_usage", "information_schema", constraint_name="book_author_id_fkey"
    )
    assert (used["table_name"], used["column_name"]) == ("author", "id")


def invoke(name: str, system: FakeSystem, *arguments: object) -> Any:
    """Call a catalog function by name; the arity tells overloads apart here."""
    fitting = [f for f in functions_named(name) if len(f.arg_types) == len(arguments)]
    for function in fitting:
        assert isinstance(function, Function)
        if all(takes(t, a) for t, a in zip(function.arg_types, arguments, strict=True)):
            assert function.implementation is not None, name
            context = (FakeContext(system),) if function.needs_context else ()
            return function.implementation(*context, *arguments)
    raise AssertionError(f"no {name} for {arguments}")


def takes(type_oid: int, argument: object) -> bool:
    if isinstance(argument, bool):
        return type_oid == oids.BOOL
    return (type_oid in TEXTS) == isinstance(argument, str)


def test_functions_print_definitions(system: FakeSystem, world: World) -> None:
    (default,) = rows(system, "pg_attrdef", adrelid=world.book)
    assert invoke("pg_get_expr", system, default["adbin"], world.book) == "nextval('book_id_seq'::regclass)"
    assert invoke("pg_get_expr", system, default["adbin"], 1) is None
    assert invoke("pg_get_indexdef", system, world.lower_index, 1, True) == "lower(title)"
    assert invoke("pg_get_indexdef", system, world.lower_index, 2, True) == ""
    assert invoke("pg_get_constraintdef", system, world.price_check, True) == "CHECK (price >= 0::numeric)"
    assert invoke("pg_get_constraintdef", system, 1) is None
    assert invoke("pg_get_serial_sequence", system, "book", "id") == "public.book_id_seq"
    assert invoke("pg_get_serial_sequence", system, "Public.Book", "title") is None
    with pytest.raises(errors.UndefinedColumn, match='column "x" of relation "book" does not exist'):
        invoke("pg_get_serial_sequence", system, "book", "x")
    with pytest.raises(errors.UndefinedTable, match='relation "nosuch" does not exist'):
        invoke("pg_get_serial_sequence", system, "nosuch", "x")


def test_functions_about_names_and_comments(system: FakeSystem, world: World) -> None:
    assert invoke("pg_table_is_visible", system, world.book) is True
    assert invoke("pg_table_is_visible", FakeSystem(world, ()), world.book) is False
    assert invoke("pg_table_is_visible", system, 1) is None
    assert invoke("obj_description", system, world.book, "pg_class") == "a book"
    assert invoke("col_description", system, world.book, 3) == "its title"
    assert invoke("shobj_description", system, 5, "pg_database") == "the default one"
    assert invoke("to_regclass", system, "public.book") == world.book
    assert invoke("to_regclass", system, "nosuch") is None
    assert invoke("to_regtype", system, "timestamp with time zone") == 1184
    assert invoke("to_regtype", system, "int4[]") == 1007
    assert invoke("to_regtype", system, "book") == world.database.table(world.book).row_type_oid
    assert invoke("format_type", system, 1043, 104) == "character varying(100)"
    assert invoke("pg_get_userbyid", system, 10) == "skerry"
    assert invoke("pg_get_userbyid", system, 77) == "unknown (OID=77)"
    assert invoke("pg_encoding_to_char", system, 6) == "UTF8"


def test_privileges(system: FakeSystem, world: World) -> None:
    assert invoke("has_table_privilege", system, "book", "SELECT, INSERT") is True
    assert invoke("has_table_privilege", system, "pg_database_owner", "book", "select") is False
    assert invoke("has_schema_privilege", system, "public", "USAGE") is True
    with pytest.raises(errors.InvalidParameterValue, match='unrecognized privilege type: "X"'):
        invoke("has_table_privilege", system, "book", "X")
    with pytest.raises(errors.UndefinedObject, match='role "nobody" does not exist'):
        invoke("has_table_privilege", system, "nobody", "book", "SELECT")
    assert invoke("acldefault", system, "r", 10) == ("skerry=arwdDxt/skerry",)


def test_functions_named_by_types_and_operators_exist(system: FakeSystem) -> None:
    known = {row["oid"] for row in rows(system, "pg_proc")}
    for row in rows(system, "pg_operator"):
        assert row["oprcode"] in known
    for row in rows(system, "pg_cast"):
        assert not row["castfunc"] or function_by_oid(row["castfunc"]) is not None


def test_a_new_cluster_has_three_databases() -> None:
    catalog = new_catalog()
    assert sorted(d.name for d in catalog.databases.values()) == ["postgres", "template0", "template1"]
    assert catalog.database_named("postgres") is not None
