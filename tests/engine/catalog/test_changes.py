"""Catalog changes: what each DDL effect does to a catalog, and the errors it raises."""

from __future__ import annotations

import pytest

from skerry_engine import errors
from skerry_engine.algebra.expressions import Column as ColumnRef
from skerry_engine.algebra.expressions import Const
from skerry_engine.catalog import changes, cluster_changes, drops, naming
from skerry_engine.catalog.bootstrap import POSTGRES, new_catalog, new_database
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.dependencies import plan_drop
from skerry_engine.catalog.objects import (
    CLASS_CONSTRAINT,
    CLASS_NAMESPACE,
    CLASS_RELATION,
    PUBLIC,
    Address,
    Column,
    Constraint,
    IndexDef,
    IndexKey,
    Schema,
    SequenceDef,
    StoredExpression,
    Table,
    View,
)
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.values.types import SqlType

INT = SqlType(23)
TEXT = SqlType(25)
PATH = SearchPath((11, PUBLIC), PUBLIC, (PUBLIC,))


def table(catalog: Catalog, name: str, *columns: str, oid: int = 0, **extra: object) -> Table:
    made = tuple(Column(c, i + 1, i, INT) for i, c in enumerate(columns))
    number = oid or catalog.oids.allocate()
    return Table(oid=number, name=name, schema_oid=PUBLIC, columns=made, storage_id=number, **extra)  # type: ignore[arg-type]


def with_table(catalog: Catalog, name: str, *columns: str) -> tuple[Catalog, Table]:
    made = table(catalog, name, *columns)
    catalog = changes.create_table(catalog, POSTGRES, made)
    return catalog, made


def key(catalog: Catalog, owner: Table, name: str, kind: str, *attnums: int) -> tuple[Constraint, IndexDef]:
    constraint_oid, index_oid = catalog.oids.allocate(), catalog.oids.allocate()
    index = IndexDef(
        oid=index_oid,
        name=name,
        schema_oid=PUBLIC,
        table_oid=owner.oid,
        keys=tuple(IndexKey(type=INT, attnum=a) for a in attnums),
        unique=True,
        primary=kind == "p",
        constraint_oid=constraint_oid,
    )
    return Constraint(constraint_oid, name, kind, owner.oid, attnums, index_oid=index_oid), index


def parent_and_child() -> tuple[Catalog, Table, Table, Constraint]:
    catalog, a = with_table(new_catalog(), "a", "id", "x")
    catalog = changes.add_constraint(catalog, POSTGRES, *key(catalog, a, "a_pkey", "p", 1))
    catalog, b = with_table(catalog, "b", "a_id")
    index_oid = catalog.database(POSTGRES).table(a.oid).indexes[0].oid
    foreign = Constraint(
        catalog.oids.allocate(), "b_a_id_fkey", "f", b.oid, (1,), index_oid=index_oid,
        referenced_table_oid=a.oid, referenced_columns=(1,),
    )  # fmt: skip
    return changes.add_constraint(catalog, POSTGRES, foreign), a, b, foreign


def test_created_table_is_found_by_name_in_its_schema_and_by_path() -> None:
    catalog, made = with_table(new_catalog(), "t", "a")
    database = catalog.database(POSTGRES)
    assert database.find_relation("t", None, PATH) is made
    assert database.find_relation("t", "public", PATH) is made
    assert database.find_relation("t", "nosuch", PATH) is None
    with pytest.raises(errors.UndefinedTable, match=r'relation "s\.u" does not exist'):
        database.get_relation("u", "s", PATH)


def test_the_old_catalog_is_untouched() -> None:
    before = new_catalog()
    after, _ = with_table(before, "t", "a")
    assert before.database(POSTGRES).find_relation("t", None, PATH) is None
    assert after.version != before.version


def test_relations_share_one_name_space() -> None:
    catalog, _ = with_table(new_catalog(), "t", "a")
    sequence = SequenceDef(oid=catalog.oids.allocate(), name="t", schema_oid=PUBLIC)
    with pytest.raises(errors.DuplicateTable, match='relation "t" already exists'):
        changes.create_sequence(catalog, POSTGRES, sequence)


@pytest.mark.parametrize(
    ("columns", "message"),
    [(("a", "a"), 'column "a" specified more than once'), (("ctid",), "conflicts with a system column name")],
)
def test_wrong_columns_are_refused(columns: tuple[str, ...], message: str) -> None:
    with pytest.raises(errors.DuplicateColumn, match=message):
        with_table(new_catalog(), "t", *columns)


def test_system_schemas_are_closed() -> None:
    catalog = new_catalog()
    made = Table(oid=catalog.oids.allocate(), name="t", schema_oid=11, columns=(), storage_id=1)
    with pytest.raises(errors.InsufficientPrivilege, match=r'permission denied to create "pg_catalog\.t"'):
        changes.create_table(catalog, POSTGRES, made)


def test_a_change_replays_on_a_newer_catalog() -> None:
    catalog, made = with_table(new_catalog(), "t", "a")
    other, _ = with_table(catalog, "u", "a")
    column = Column("b", changes.next_attnum(made), made.width, TEXT)
    for base in (catalog, other):
        result = changes.add_column(base, POSTGRES, made.oid, column).database(POSTGRES).table(made.oid)
        assert [c.name for c in result.columns] == ["a", "b"]
        assert result.version != made.version


def test_two_transactions_states_of_a_table_never_share_a_version() -> None:
    catalog, made = with_table(new_catalog(), "t", "a")
    states = [
        changes.set_not_null(catalog, POSTGRES, made.oid, 1, not_null).database(POSTGRES).table(made.oid)
        for not_null in (True, False)
    ]
    assert len({made.version, *(state.version for state in states)}) == 3


def test_primary_key_makes_columns_not_null_and_stays_single() -> None:
    catalog, made = with_table(new_catalog(), "t", "a", "b")
    catalog = changes.add_constraint(catalog, POSTGRES, *key(catalog, made, "t_pkey", "p", 1))
    now = catalog.database(POSTGRES).table(made.oid)
    assert [c.not_null for c in now.columns] == [True, False]
    assert now.primary_key is not None and now.indexes[0].name == "t_pkey"
    with pytest.raises(errors.InvalidTableDefinition, match='multiple primary keys for table "t"'):
        changes.add_constraint(catalog, POSTGRES, *key(catalog, made, "t_pkey1", "p", 2))


def test_a_foreign_key_changes_the_version_of_both_tables() -> None:
    catalog, a, b, foreign = parent_and_child()
    database = catalog.database(POSTGRES)
    without = plan_drop(database, (Address(CLASS_CONSTRAINT, foreign.oid),), False, PATH)
    keyed = drops.remove_objects(catalog, POSTGRES, without.objects).database(POSTGRES).table(a.oid)
    assert database.referencing(a.oid) == (foreign,)
    assert database.table(a.oid).version != keyed.version
    assert database.table(b.oid).version != b.version


def test_renaming_a_key_renames_index_and_constraint() -> None:
    catalog, made = with_table(new_catalog(), "t", "a")
    constraint, index = key(catalog, made, "t_pkey", "p", 1)
    catalog = changes.add_constraint(catalog, POSTGRES, constraint, index)
    catalog = changes.rename_constraint(catalog, POSTGRES, made.oid, constraint.oid, "k")
    database = catalog.database(POSTGRES)
    assert database.find_relation("k", None, PATH) is database.table(made.oid).indexes[0]
    assert database.find_relation("t_pkey", None, PATH) is None
    assert database.table(made.oid).constraints[0].name == "k"


def test_dropping_a_referenced_table_needs_cascade() -> None:
    catalog, a, b, _ = parent_and_child()
    database = catalog.database(POSTGRES)
    target = (Address(CLASS_RELATION, a.oid),)
    with pytest.raises(errors.DependentObjectsStillExist) as caught:
        plan_drop(database, target, False, PATH)
    assert caught.value.message == "cannot drop table a because other objects depend on it"
    assert caught.value.detail == "constraint b_a_id_fkey on table b depends on table a"
    assert caught.value.hint == "Use DROP ... CASCADE to drop the dependent objects too."
    plan = plan_drop(database, target, True, PATH)
    assert plan.notice == "drop cascades to constraint b_a_id_fkey on table b"
    after = drops.remove_objects(catalog, POSTGRES, plan.objects).database(POSTGRES)
    assert after.relation(a.oid) is None
    assert after.find_relation("a_pkey", None, PATH) is None
    assert after.table(b.oid).constraints == ()


def test_dropping_both_ends_of_a_foreign_key_needs_no_cascade() -> None:
    catalog, a, b, _ = parent_and_child()
    targets = (Address(CLASS_RELATION, a.oid), Address(CLASS_RELATION, b.oid))
    plan = plan_drop(catalog.database(POSTGRES), targets, False, PATH)
    assert plan.notice is None
    assert {a.oid, b.oid} <= set(plan.relation_oids())
    after = drops.remove_objects(catalog, POSTGRES, plan.objects).database(POSTGRES)
    assert [t.name for t in after.listed(Table)] == []


def test_a_keys_index_goes_only_with_its_constraint() -> None:
    catalog, made = with_table(new_catalog(), "t", "a")
    constraint, index = key(catalog, made, "t_pkey", "p", 1)
    catalog = changes.add_constraint(catalog, POSTGRES, constraint, index)
    database = catalog.database(POSTGRES)
    with pytest.raises(errors.DependentObjectsStillExist) as caught:
        plan_drop(database, (Address(CLASS_RELATION, index.oid),), True, PATH)
    assert caught.value.message == "cannot drop index t_pkey because constraint t_pkey on table t requires it"
    assert caught.value.hint == "You can drop constraint t_pkey on table t instead."
    plan = plan_drop(database, (Address(CLASS_CONSTRAINT, constraint.oid),), False, PATH)
    after = drops.remove_objects(catalog, POSTGRES, plan.objects).database(POSTGRES)
    assert after.relation(index.oid) is None
    assert after.table(made.oid).indexes == ()


def test_dropping_a_column_takes_keys_and_owned_sequences_and_keeps_its_place() -> None:
    catalog, made = with_table(new_catalog(), "t", "a", "b")
    catalog = changes.add_constraint(catalog, POSTGRES, *key(catalog, made, "t_b_key", "u", 2))
    sequence = SequenceDef(
        oid=catalog.oids.allocate(), name="t_b_seq", schema_oid=PUBLIC,
        owner_column=Address(CLASS_RELATION, made.oid, 2),
    )  # fmt: skip
    catalog = changes.create_sequence(catalog, POSTGRES, sequence)
    plan = plan_drop(catalog.database(POSTGRES), (Address(CLASS_RELATION, made.oid, 2),), False, PATH)
    after = drops.remove_objects(catalog, POSTGRES, plan.objects).database(POSTGRES)
    now = after.table(made.oid)
    assert [c.name for c in now.columns] == ["a", "........pg.dropped.2........"]
    assert [c.name for c in now.live_columns] == ["a"] and now.width == 2
    assert now.constraints == () and now.indexes == () and after.relation(sequence.oid) is None


def test_a_view_holds_its_table_and_its_columns() -> None:
    catalog, made = with_table(new_catalog(), "t", "a", "b")
    view = View(
        oid=catalog.oids.allocate(), name="v", schema_oid=PUBLIC, columns=(Column("a", 1, 0, INT),),
        source="SELECT a FROM t", references=(Address(CLASS_RELATION, made.oid, 1),),
    )  # fmt: skip
    catalog = changes.create_view(catalog, POSTGRES, view)
    database = catalog.database(POSTGRES)
    with pytest.raises(errors.DependentObjectsStillExist) as caught:
        plan_drop(database, (Address(CLASS_RELATION, made.oid, 1),), False, PATH)
    assert caught.value.detail == "view v depends on column a of table t"
    assert plan_drop(database, (Address(CLASS_RELATION, made.oid, 2),), False, PATH).notice is None
    with pytest.raises(errors.InvalidTableDefinition, match="cannot drop columns from view"):
        changes.replace_view(catalog, POSTGRES, View(
            oid=view.oid, name="v", schema_oid=PUBLIC, columns=(), source="SELECT FROM t"))  # fmt: skip


def test_dropping_a_sequence_used_by_a_default() -> None:
    catalog = new_catalog()
    sequence = SequenceDef(oid=catalog.oids.allocate(), name="s", schema_oid=PUBLIC)
    catalog = changes.create_sequence(catalog, POSTGRES, sequence)
    catalog, made = with_table(catalog, "t", "a")
    default = StoredExpression("nextval('s')", Const(SqlType(2205), sequence.oid))
    catalog = changes.set_default(catalog, POSTGRES, made.oid, 1, default, catalog.oids.allocate())
    target = (Address(CLASS_RELATION, sequence.oid),)
    with pytest.raises(errors.DependentObjectsStillExist) as caught:
        plan_drop(catalog.database(POSTGRES), target, False, PATH)
    assert caught.value.detail == "default value for column a of table t depends on sequence s"
    plan = plan_drop(catalog.database(POSTGRES), target, True, PATH)
    after = drops.remove_objects(catalog, POSTGRES, plan.objects).database(POSTGRES)
    assert after.table(made.oid).columns[0].default is None


def test_schemas_with_content_need_cascade() -> None:
    catalog = new_catalog()
    catalog = cluster_changes.create_schema(catalog, POSTGRES, Schema(catalog.oids.allocate(), "s"))
    schema = catalog.database(POSTGRES).get_schema("s")
    inside = Table(oid=catalog.oids.allocate(), name="t", schema_oid=schema.oid, columns=(), storage_id=1)
    catalog = changes.create_table(catalog, POSTGRES, inside)
    target = (Address(CLASS_NAMESPACE, schema.oid),)
    with pytest.raises(errors.DependentObjectsStillExist) as caught:
        plan_drop(catalog.database(POSTGRES), target, False, PATH)
    assert caught.value.detail == "table s.t depends on schema s"
    plan = plan_drop(catalog.database(POSTGRES), target, True, PATH)
    after = drops.remove_objects(catalog, POSTGRES, plan.objects).database(POSTGRES)
    assert after.schema_named("s") is None and after.relation(inside.oid) is None


def test_reserved_and_duplicate_schema_names() -> None:
    catalog = new_catalog()
    with pytest.raises(errors.ReservedName, match='unacceptable schema name "pg_x"'):
        cluster_changes.create_schema(catalog, POSTGRES, Schema(20000, "pg_x"))
    with pytest.raises(errors.DuplicateSchema, match='schema "public" already exists'):
        cluster_changes.create_schema(catalog, POSTGRES, Schema(20000, "public"))


def test_databases() -> None:
    catalog = cluster_changes.create_database(new_catalog(), new_database(20000, "d"))
    assert catalog.get_database("d").schema_named("public") is not None
    with pytest.raises(errors.DuplicateDatabase, match='database "d" already exists'):
        cluster_changes.create_database(catalog, new_database(20001, "d"))
    with pytest.raises(errors.WrongObjectType, match="cannot drop a template database"):
        cluster_changes.drop_database(catalog, 1)
    assert cluster_changes.drop_database(catalog, 20000).database_named("d") is None


def test_search_path_puts_pg_catalog_first_and_creates_in_the_first_named() -> None:
    database = new_catalog().database(POSTGRES)
    path = database.search_path(["$user", "public"], "skerry")
    assert path.schemas == (11, PUBLIC) and path.creation == PUBLIC and path.named == (PUBLIC,)
    assert database.search_path(["public", "pg_catalog"], "skerry").schemas == (PUBLIC, 11)
    assert database.search_path(["nosuch"], "skerry").creation == 0


def test_chosen_names() -> None:
    catalog, made = with_table(new_catalog(), "t", "a", "b")
    database = catalog.database(POSTGRES)
    assert naming.primary_key_name(database, PUBLIC, "t") == "t_pkey"
    assert naming.unique_name(database, PUBLIC, "t", ["a", "b"]) == "t_a_b_key"
    assert naming.unique_name(database, PUBLIC, "t", ["a"], taken={"t_a_key"}) == "t_a_key1"
    assert naming.check_name(database, PUBLIC, "t", ["a"]) == "t_a_check"
    assert naming.check_name(database, PUBLIC, "t", ["a", "b"]) == "t_check"
    assert naming.foreign_key_name(database, PUBLIC, "t", ["a"]) == "t_a_fkey"
    assert naming.sequence_name(database, PUBLIC, "t", "id") == "t_id_seq"
    reference = ColumnRef(INT, 0, 0, "a")
    assert naming.index_column_names(made, [1, Const(INT, 1), 1]) == ["a", "expr", "a1"]
    assert naming.columns_read(made, StoredExpression("a", reference)) == [1]


def test_long_names_are_cut_from_the_longer_part() -> None:
    assert naming.object_name("t" * 70, "c", "key") == "t" * 57 + "_c_key"
    assert len(naming.object_name("t" * 70, "c" * 70, "pkey")) == 63
    assert naming.truncate_name("é" * 40) == "é" * 31
