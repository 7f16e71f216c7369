"""DDL effects on relations: pure functions from a catalog to its successor.

Each function takes the catalog, the database's OID and what to do, and returns the catalog after it.  A
transaction applies it to its own catalog at once and again, at commit, to the newest one; so a function says
*what changes* (add this column), never *what the result is*, and everything random or counted (OIDs, chosen
names, storage ids) is fixed by the caller before.

What is checked here is what the catalog alone can know: names taken, columns and constraints that exist.
Whatever changes how a statement over a table is planned gives the table a new `version`.

Dropping is in `drops`, schemas, databases, roles and comments in `cluster_changes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.graphs import Graph
from skerry_engine.catalog.objects import (
    SYSTEM_SCHEMAS,
    Address,
    Column,
    ColumnRights,
    Constraint,
    IndexDef,
    MaterializedView,
    Relation,
    SequenceDef,
    StoredExpression,
    Table,
    View,
    new_version,
)
from skerry_engine.catalog.privileges import begun, with_owner
from skerry_engine.catalog.user_types import check_types_exist, type_named
from skerry_engine.values.types import SqlType

MAX_COLUMNS = 1600
SYSTEM_COLUMN_NAMES = frozenset(("tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"))

R = TypeVar("R", bound=Relation)


# --- creating -------------------------------------------------------------------------------------


def create_table(catalog: Catalog, database_oid: int, table: Table) -> Catalog:
    """Put in a table with its constraints; its indexes must be in `table.indexes`.

    Raises DuplicateTable, DuplicateColumn, TooManyColumns, InvalidTableDefinition (two primary keys),
    InsufficientPrivilege (a system schema).
    """
    database = catalog.database(database_oid)
    _check_columns(table)
    check_types_exist(database, table)
    _check_keys(table)
    check_name_free(database, table)
    for index in table.indexes:
        check_name_free(database, index)
    database = database.with_relations((begun(database, table), *table.indexes))
    return catalog.with_database(touch_referenced(database, table.foreign_keys))


def create_view(catalog: Catalog, database_oid: int, view: View) -> Catalog:
    """Put in a view.  Raises DuplicateTable, DuplicateColumn, InsufficientPrivilege."""
    database = catalog.database(database_oid)
    _check_columns(view)
    check_name_free(database, view)
    return catalog.with_database(database.with_relations((begun(database, view),)))


def replace_view(catalog: Catalog, database_oid: int, view: View) -> Catalog:
    """Give the view of the same OID a new definition (CREATE OR REPLACE VIEW).

    Raises InvalidTableDefinition when existing columns would be dropped, renamed or change type.
    """
    database = catalog.database(database_oid)
    old = database.relations[view.oid]
    assert isinstance(old, View)
    _check_replacement(old, view)
    return catalog.with_database(database.with_relations((replace(view, version=new_version()),)))


def create_sequence(catalog: Catalog, database_oid: int, sequence: SequenceDef) -> Catalog:
    """Put in a sequence.  Raises DuplicateTable, InsufficientPrivilege."""
    database = catalog.database(database_oid)
    check_name_free(database, sequence)
    return catalog.with_database(database.with_relations((begun(database, sequence),)))


def create_index(catalog: Catalog, database_oid: int, index: IndexDef) -> Catalog:
    """Put in an index of an existing table.  Raises DuplicateTable."""
    database = catalog.database(database_oid)
    check_name_free(database, index)
    table = database.table(index.table_oid)
    return catalog.with_database(_put(database, replace(table, indexes=(*table.indexes, index)), index))


def check_name_free(database: Database, relation: Relation) -> None:
    """Raise DuplicateTable when the relation's name is taken, InsufficientPrivilege in a system schema."""
    if relation.schema_oid in SYSTEM_SCHEMAS:
        name = f"{database.schemas[relation.schema_oid].name}.{relation.name}"
        raise errors.InsufficientPrivilege(
            f'permission denied to create "{name}"',
            detail="System catalog modifications are currently disallowed.",
        )
    taken = database.relation_named(relation.schema_oid, relation.name)
    if taken is not None and taken.oid != relation.oid and not relation.is_hidden:
        raise errors.DuplicateTable(f'relation "{relation.name}" already exists')
    if isinstance(relation, (Table, View)) and not relation.is_hidden:
        user_type = type_named(database, relation.schema_oid, relation.name)
        if user_type is not None and user_type.name == relation.name:
            raise errors.DuplicateObject(
                f'type "{relation.name}" already exists',
                hint="A relation has an associated type of the same name, so you must use a name that doesn't "
                "conflict with any existing type.",
            )


def _check_columns(relation: Table | View) -> None:
    if len(relation.columns) > MAX_COLUMNS:
        raise errors.TooManyColumns(f"tables can have at most {MAX_COLUMNS} columns")
    seen: set[str] = set()
    for column in relation.columns:
        if isinstance(relation, Table):
            check_column_name(column.name)
        if column.name in seen:
            raise errors.DuplicateColumn(f'column "{column.name}" specified more than once')
        seen.add(column.name)


def check_column_name(name: str) -> None:
    """Raise DuplicateColumn for the name of a system column."""
    if name in SYSTEM_COLUMN_NAMES:
        raise errors.DuplicateColumn(f'column name "{name}" conflicts with a system column name')


def _check_keys(table: Table) -> None:
    if sum(constraint.kind == "p" for constraint in table.constraints) > 1:
        raise _second_primary_key(table)


def _second_primary_key(table: Table) -> errors.InvalidTableDefinition:
    return errors.InvalidTableDefinition(f'multiple primary keys for table "{table.name}" are not allowed')


def _check_replacement(old: View, new: View) -> None:
    if len(new.columns) < len(old.columns):
        raise errors.InvalidTableDefinition("cannot drop columns from view")
    for before, after in zip(old.columns, new.columns, strict=False):
        if before.name != after.name:
            raise errors.InvalidTableDefinition(
                f'cannot change name of view column "{before.name}" to "{after.name}"',
                hint="Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.",
            )
        if before.type != after.type:
            raise errors.InvalidTableDefinition(
                f'cannot change data type of view column "{before.name}" from '
                f"{_type_text(before.type)} to {_type_text(after.type)}"
            )


def _type_text(sql_type: SqlType) -> str:
    from skerry_engine.values.types import format_type

    return format_type(sql_type.oid, sql_type.typmod)


# --- columns --------------------------------------------------------------------------------------


def next_attnum(table: Table) -> int:
    """The attnum that the next added column gets."""
    return len(table.columns) + 1


def add_column(
    catalog: Catalog, database_oid: int, table_oid: int, column: Column, storage_id: int | None = None
) -> Catalog:
    """Add a column (its attnum `next_attnum`, its position `table.width`).  Raises DuplicateColumn,
    TooManyColumns.

    `storage_id` names the rewritten storage where the new column's values are not one constant.
    """
    table = catalog.database(database_oid).table(table_oid)
    check_column_name(column.name)
    if table.column_named(column.name) is not None:
        raise errors.DuplicateColumn(f'column "{column.name}" of relation "{table.name}" already exists')
    if len(table.columns) >= MAX_COLUMNS:
        raise errors.TooManyColumns(f"tables can have at most {MAX_COLUMNS} columns")
    assert column.attnum == next_attnum(table), "another column was added meanwhile"
    check_types_exist(catalog.database(database_oid), replace(table, columns=(column,)))
    columns = (*table.columns, column)
    new_storage = table.storage_id if storage_id is None else storage_id
    return _put_table(catalog, database_oid, replace(table, columns=columns, storage_id=new_storage))


def alter_column(
    catalog: Catalog, database_oid: int, table_oid: int, attnum: int, change: Callable[[Column], Column]
) -> Catalog:
    """Replace one column of a table by what `change` makes of it.  `change` must be replayable, so pure."""
    table = catalog.database(database_oid).table(table_oid)
    return _put_table(catalog, database_oid, with_column(table, change(table.column(attnum))))


def with_column(table: Table, column: Column) -> Table:
    """The table with the column of the same attnum replaced."""
    columns = tuple(column if old.attnum == column.attnum else old for old in table.columns)
    return replace(table, columns=columns)


def set_default(
    catalog: Catalog,
    database_oid: int,
    table_oid: int,
    attnum: int,
    default: StoredExpression | None,
    default_oid: int = 0,
) -> Catalog:
    """Set a column's default, or drop it (None).  `default_oid` is the new pg_attrdef entry's."""
    return alter_column(
        catalog,
        database_oid,
        table_oid,
        attnum,
        lambda column: replace(column, default=default, default_oid=default_oid if default else 0),
    )


def set_not_null(catalog: Catalog, database_oid: int, table_oid: int, attnum: int, not_null: bool) -> Catalog:
    """Set or drop NOT NULL.  Raises InvalidTableDefinition when the column is in a primary key or an
    identity.
    """
    table = catalog.database(database_oid).table(table_oid)
    column = table.column(attnum)
    key = table.primary_key
    if not not_null and key is not None and attnum in key.columns:
        raise errors.InvalidTableDefinition(f'column "{column.name}" is in a primary key')
    if not not_null and column.identity:
        raise errors.SyntaxError(f'column "{column.name}" of relation "{table.name}" is an identity column')
    changed = _with_nullability(table, attnum, not_null)
    touched = (new for new, old in zip(changed.indexes, table.indexes, strict=True) if new is not old)
    return catalog.with_database(_put(catalog.database(database_oid), changed, *touched))


def _with_nullability(table: Table, attnum: int, not_null: bool) -> Table:
    """The table with a column that is NOT NULL, or not; its expressions know of every column whether it may be NULL."""
    column = table.column(attnum)

    def change(node: ex.Expr) -> ex.Expr | None:
        if isinstance(node, ex.Column) and node.range_id == 0 and node.position == column.position:
            return replace(node, nullable=not not_null)
        return None

    def changed(stored: StoredExpression | None) -> StoredExpression | None:
        return None if stored is None else replace(stored, expr=ex.transform(stored.expr, change))

    def changed_index(index: IndexDef) -> IndexDef:
        keys = tuple(replace(key, expression=changed(key.expression)) for key in index.keys)
        predicate = changed(index.predicate)
        if keys == index.keys and predicate == index.predicate:
            return index
        return replace(index, keys=keys, predicate=predicate, version=new_version())

    return replace(
        with_column(table, replace(column, not_null=not_null)),
        constraints=tuple(replace(each, check=changed(each.check)) for each in table.constraints),
        indexes=tuple(changed_index(index) for index in table.indexes),
    )


def set_type(
    catalog: Catalog,
    database_oid: int,
    table_oid: int,
    attnum: int,
    new_type: SqlType,
    collation_oid: int,
    storage_id: int | None = None,
) -> Catalog:
    """Change a column's type; `storage_id` names the rewritten storage where stored values change.

    The caller has checked that nothing bound (views, checks, index expressions) still reads the old type.
    """
    database = catalog.database(database_oid)
    table = database.table(table_oid)
    changed = replace(table.column(attnum), type=new_type, collation_oid=collation_oid)
    indexes = tuple(_retyped(index, attnum, new_type) for index in table.indexes)
    new_storage = table.storage_id if storage_id is None else storage_id
    altered = replace(with_column(table, changed), indexes=indexes, storage_id=new_storage)
    return catalog.with_database(_put(database, altered, *indexes))


def _retyped(index: IndexDef, attnum: int, new_type: SqlType) -> IndexDef:
    keys = tuple(replace(key, type=new_type) if key.attnum == attnum else key for key in index.keys)
    return index if keys == index.keys else replace(index, keys=keys, version=new_version())


def set_storage(catalog: Catalog, database_oid: int, table_oid: int, storage_id: int) -> Catalog:
    """Give a table another storage generation (TRUNCATE, rewrites)."""
    table = catalog.database(database_oid).table(table_oid)
    return _put_table(catalog, database_oid, replace(table, storage_id=storage_id))


def set_populated(catalog: Catalog, database_oid: int, oid: int, storage_id: int, populated: bool) -> Catalog:
    """Give a materialized view other rows, or (not `populated`) none that can be read."""
    view = catalog.database(database_oid).table(oid)
    assert isinstance(view, MaterializedView)
    return _put_table(catalog, database_oid, replace(view, storage_id=storage_id, populated=populated))


def get_column(table: Table, name: str) -> Column:
    """The live column of that name.  Raises UndefinedColumn, worded as ALTER TABLE does."""
    column = table.column_named(name)
    if column is None:
        raise errors.UndefinedColumn(f'column "{name}" of relation "{table.name}" does not exist')
    return column


# --- constraints ----------------------------------------------------------------------------------


def add_constraint(
    catalog: Catalog, database_oid: int, constraint: Constraint, index: IndexDef | None = None
) -> Catalog:
    """Add a constraint, with its index where it is a key.  A primary key makes its columns NOT NULL.

    Raises DuplicateObject (name taken on the table), InvalidTableDefinition (second primary key),
    DuplicateTable.
    """
    database = catalog.database(database_oid)
    table = database.table(constraint.table_oid)
    check_constraint_name(table, constraint.name)
    if constraint.kind == "p":
        if table.primary_key is not None:
            raise _second_primary_key(table)
        for attnum in constraint.columns:
            table = _with_nullability(table, attnum, True)
    table = replace(table, constraints=(*table.constraints, constraint))
    added: tuple[Relation, ...] = ()
    if index is not None:
        check_name_free(database, index)
        table = replace(table, indexes=(*(i for i in table.indexes if i.oid != index.oid), index))
        added = (index,)
    database = _put(database, table, *added)
    if constraint.kind == "f":
        database = touch_referenced(database, (constraint,))
    return catalog.with_database(database)


def check_constraint_name(table: Table, name: str) -> None:
    """Raise DuplicateObject when the table has a constraint of that name."""
    if table.constraint_named(name) is not None:
        raise errors.DuplicateObject(f'constraint "{name}" for relation "{table.name}" already exists')


def get_constraint(table: Table, name: str) -> Constraint:
    """The constraint of that name.  Raises UndefinedObject."""
    constraint = table.constraint_named(name)
    if constraint is None:
        raise errors.UndefinedObject(f'constraint "{name}" of relation "{table.name}" does not exist')
    return constraint


def alter_constraint(
    catalog: Catalog, database_oid: int, table_oid: int, oid: int, change: Callable[[Constraint], Constraint]
) -> Catalog:
    """Replace one constraint by what `change` makes of it (VALIDATE, ALTER CONSTRAINT DEFERRABLE)."""
    table = catalog.database(database_oid).table(table_oid)
    constraints = tuple(change(c) if c.oid == oid else c for c in table.constraints)
    return _put_table(catalog, database_oid, replace(table, constraints=constraints))


# --- renaming, moving, owners ---------------------------------------------------------------------


def rename_relation(catalog: Catalog, database_oid: int, oid: int, name: str) -> Catalog:
    """Rename a table, view, index, sequence or graph.  A key's index takes its constraint along, a graph what is
    called after it.  Raises DuplicateTable.
    """
    database = catalog.database(database_oid)
    relation = database.relations[oid]
    renamed = replace(relation, name=name, version=new_version())
    check_name_free(database, renamed)
    if isinstance(renamed, IndexDef):
        return catalog.with_database(_rename_index(database, renamed))
    if isinstance(renamed, Graph):
        return catalog.with_database(_rename_graph(database, renamed))
    return catalog.with_database(database.with_relations((renamed,)))


def _rename_index(database: Database, index: IndexDef) -> Database:
    table = database.table(index.table_oid)
    constraints = tuple(
        replace(c, name=index.name) if c.oid == index.constraint_oid else c for c in table.constraints
    )
    return _put(database, replace(with_index(table, index), constraints=constraints), index)


def _rename_graph(database: Database, graph: Graph) -> Database:
    """The hidden tables and their hidden indexes have the graph's name in theirs, for messages."""
    put: list[Relation] = [graph]
    for table in (graph.nodes(database), graph.edges(database)):
        name = f"{graph.name}.{table.name.rpartition('.')[2]}"
        indexes = tuple(
            replace(index, name=f"{name}.{index.name.rpartition('.')[2]}") if index.is_hidden else index
            for index in table.indexes
        )
        put += [replace(table, name=name, indexes=indexes, version=new_version()), *indexes]
    return database.with_relations(put)


def _moved(database: Database, relation: Relation, change: Callable[[Relation], Relation]) -> list[Relation]:
    """What a change of schema or owner makes of a relation, a table's indexes and owned sequences, a graph's
    tables."""
    if isinstance(relation, Graph):
        graph = replace(change(relation), version=new_version())
        tables = (relation.nodes(database), relation.edges(database))
        return [graph, *(each for table in tables for each in _moved(database, table, change))]
    changed = replace(change(relation), version=new_version())
    if not isinstance(changed, Table):
        return [changed]
    indexes = tuple(cast(IndexDef, change(index)) for index in changed.indexes)
    if isinstance(relation, MaterializedView) and relation.is_deferred:
        state = _moved(database, database.relations[relation.state_oid], change)
        return [replace(changed, indexes=indexes), *indexes, *state]
    owned = (database.owned_sequence(changed.oid, column.attnum) for column in changed.columns)
    sequences = [replace(change(s), version=new_version()) for s in owned if s is not None]
    return [replace(changed, indexes=indexes), *indexes, *sequences]


def rename_column(catalog: Catalog, database_oid: int, oid: int, attnum: int, name: str) -> Catalog:
    """Rename a column of a table or view.  Raises DuplicateColumn."""
    database = catalog.database(database_oid)
    relation = database.relations[oid]
    assert isinstance(relation, (Table, View))
    if isinstance(relation, Table):
        check_column_name(name)
    if relation.column_named(name) is not None:
        raise errors.DuplicateColumn(f'column "{name}" of relation "{relation.name}" already exists')
    columns = tuple(replace(c, name=name) if c.attnum == attnum else c for c in relation.columns)
    renamed = replace(relation, columns=columns, version=new_version())
    return catalog.with_database(database.with_relations((renamed,)))


def rename_constraint(catalog: Catalog, database_oid: int, table_oid: int, oid: int, name: str) -> Catalog:
    """Rename a constraint, its index with it.  Raises DuplicateObject, DuplicateTable."""
    database = catalog.database(database_oid)
    table = database.table(table_oid)
    constraint = database.constraints()[oid]
    if constraint.kind in "pu":
        return rename_relation(catalog, database_oid, constraint.index_oid, name)
    check_constraint_name(table, name)
    return alter_constraint(catalog, database_oid, table_oid, oid, lambda old: replace(old, name=name))


def set_schema(catalog: Catalog, database_oid: int, oid: int, schema_oid: int) -> Catalog:
    """Move a relation to another schema, a table with its indexes and owned sequences, a graph with its indexes.

    Raises DuplicateTable.
    """
    database = catalog.database(database_oid)
    moved = _moved(database, database.relations[oid], lambda each: replace(each, schema_oid=schema_oid))
    for item in moved:
        taken = database.relation_named(schema_oid, item.name)
        if taken is not None and taken.oid != item.oid and not item.is_hidden:
            schema = database.schemas[schema_oid].name
            raise errors.DuplicateTable(f'relation "{item.name}" already exists in schema "{schema}"')
    return catalog.with_database(database.with_relations(moved))


def set_owner(catalog: Catalog, database_oid: int, oid: int, owner_oid: int) -> Catalog:
    """Give a relation, and a table's indexes and owned sequences, a graph's tables, another owner."""
    database = catalog.database(database_oid)
    changed = _moved(database, database.relations[oid], lambda each: _owned(each, owner_oid))
    return catalog.with_database(database.with_relations(changed))


def _owned(relation: Relation, owner_oid: int) -> Relation:
    rights = with_owner(relation.rights, relation.owner_oid, owner_oid)
    columns = tuple(
        ColumnRights(each.attnum, with_owner(each.rights, relation.owner_oid, owner_oid) or ())
        for each in relation.column_rights
    )
    return replace(relation, owner_oid=owner_oid, rights=rights, column_rights=columns)


def alter_sequence(
    catalog: Catalog, database_oid: int, oid: int, change: Callable[[SequenceDef], SequenceDef]
) -> Catalog:
    """Replace a sequence's definition by what `change` makes of it."""
    database = catalog.database(database_oid)
    sequence = database.relations[oid]
    assert isinstance(sequence, SequenceDef)
    return catalog.with_database(database.with_relations((replace(change(sequence), version=new_version()),)))


def set_sequence_owner(
    catalog: Catalog, database_oid: int, oid: int, owner_column: Address | None
) -> Catalog:
    """ALTER SEQUENCE ... OWNED BY; None for OWNED BY NONE."""
    return alter_sequence(catalog, database_oid, oid, lambda old: replace(old, owner_column=owner_column))


# --- putting in place -----------------------------------------------------------------------------


def with_index(table: Table, index: IndexDef) -> Table:
    """The table with the index of the same OID replaced."""
    return replace(table, indexes=tuple(index if old.oid == index.oid else old for old in table.indexes))


def _put(database: Database, table: Table, *others: Relation) -> Database:
    return database.with_relations((replace(table, version=new_version()), *others))


def _put_table(catalog: Catalog, database_oid: int, table: Table) -> Catalog:
    return catalog.with_database(_put(catalog.database(database_oid), table))


def touch_referenced(database: Database, foreign_keys: tuple[Constraint, ...]) -> Database:
    """A table that a foreign key comes to or leaves is planned differently: its rows' deletion is checked or
    not.
    """
    touched = {fk.referenced_table_oid for fk in foreign_keys if fk.referenced_table_oid != fk.table_oid}
    tables = [database.relations[oid] for oid in sorted(touched) if oid in database.relations]
    return database.with_relations([replace(table, version=new_version()) for table in tables])
