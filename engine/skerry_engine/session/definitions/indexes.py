"""CREATE INDEX and REINDEX.

An index is built over every retained version of the table's rows while a SHARE lock keeps writers out, in
bounded slices; from its first slice on the storage keeps it in step, but no plan knows it before its
definition is in the catalog.  CONCURRENTLY is accepted where PostgreSQL accepts it, outside a transaction
block: the result is the same index, and writers wait for it as for any other.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.algebra.expressions import Expr
from skerry_engine.catalog import changes, naming
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.objects import (
    Column,
    IndexDef,
    IndexKey,
    MaterializedView,
    SequenceDef,
    Table,
    View,
    new_version,
)
from skerry_engine.catalog.opclasses import METHODS, class_named, default_class
from skerry_engine.session.definitions.binding import bind_index_expression, bind_predicate
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.constraints import require_orderable
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.guards import check_owner
from skerry_engine.session.definitions.names import (
    COLLATIONS,
    as_kind,
    current_table,
    get_relation,
    open_relation,
    undefined_relation,
)
from skerry_engine.session.definitions.options import check_tablespace, storage_options
from skerry_engine.session.definitions.validation import validate_unique
from skerry_engine.session.definitions.waiting import lock_new_name, lock_relation
from skerry_engine.session.steps import PAUSE, Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.storage.index import Index
from skerry_engine.storage.paged_index import PagedIndex
from skerry_engine.txn.modes import ACCESS_EXCLUSIVE, SHARE
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, format_type, type_info

MAX_KEYS = 32


# --- CREATE INDEX -------------------------------------------------------------------------------------------


def create_index(context: DefinitionContext, statement: st.CreateIndex) -> Generator[Step, object, Complete]:
    """CREATE INDEX.  Raises DuplicateTable, UniqueViolation, and what is wrong with the definition."""
    if statement.concurrently and context.in_transaction_block:
        raise errors.ActiveTransaction("CREATE INDEX CONCURRENTLY cannot run inside a transaction block")
    _check_method(statement)
    options = storage_options(statement.options)
    check_tablespace(statement.tablespace)
    found = yield from get_relation(context, statement.table, SHARE)
    if isinstance(found, (View, IndexDef, SequenceDef)):
        kind = {"v": "views", "i": "indexes", "S": "sequences"}[found.kind]
        raise errors.WrongObjectType(
            f'cannot create index on relation "{found.name}"',
            detail=f"This operation is not supported for {kind}.",
        )
    table = found if isinstance(found, MaterializedView) else as_kind(found, Table, "table")
    check_owner(context, table)
    name = yield from _free_name(context, table, statement)
    if name is None:
        return Complete("CREATE INDEX")
    table = current_table(context, table.oid)
    definition = replace(make_definition(context, table, statement, name), options=options)
    yield from add_index(context, table, definition)
    return Complete("CREATE INDEX")


def add_index(
    context: DefinitionContext, table: Table, definition: IndexDef
) -> Generator[Step, object, None]:
    """Build an index and enter its definition."""
    built = yield from build_index(context, table, definition)
    if definition.unique:
        yield from validate_unique(context, table, definition, built)
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: changes.create_index(catalog, database_oid, definition))


def build_index(
    context: DefinitionContext, table: Table, definition: IndexDef
) -> Generator[Step, object, Index]:
    """Build the kernel's index over a table's storage; it goes again if the definition is rolled back."""
    storage = context.stores.get(table.storage_id)
    index = context.stores.make_index(definition, table)
    before = storage.indexes.get(definition.oid)

    def take_back() -> None:
        storage.remove_index(definition.oid)
        if before is not None:
            storage.indexes[definition.oid] = before

    context.transaction.on_rollback(take_back)
    if isinstance(index, PagedIndex) and isinstance(before, PagedIndex):
        index.replaced = before.standing()
        context.transaction.on_commit(index.stand)
    for _ in storage.build_index(index):
        yield PAUSE
    return index


def _check_method(statement: st.CreateIndex) -> None:
    if statement.method == "hash":
        for wanted, what in (
            (statement.unique, "unique indexes"),
            (len(statement.columns) > 1, "multicolumn indexes"),
            (bool(statement.include), "included columns"),
        ):
            if wanted:
                raise errors.NotSupportedError(f'access method "hash" does not support {what}')
    elif statement.method in ("gist", "gin", "brin", "spgist"):
        raise errors.NotSupportedError(f'access method "{statement.method}" is not supported')
    elif statement.method not in METHODS:
        raise errors.UndefinedObject(f'access method "{statement.method}" does not exist')
    if len(statement.columns) + len(statement.include) > MAX_KEYS:
        raise errors.TooManyColumns(f"cannot use more than {MAX_KEYS} columns in an index")


def _free_name(
    context: DefinitionContext, table: Table, statement: st.CreateIndex
) -> Generator[Step, object, str | None]:
    """The index's name, locked; None when IF NOT EXISTS finds it taken."""
    if statement.name is None:
        while True:
            name = _chosen_name(context, table, statement)
            yield from lock_new_name(context, table.schema_oid, name)
            if name == _chosen_name(context, table, statement):
                return name
    name = naming.truncate_name(statement.name)
    yield from lock_new_name(context, table.schema_oid, name)
    if context.database.relation_named(table.schema_oid, name) is None:
        return name
    if not statement.if_not_exists:
        raise errors.DuplicateTable(f'relation "{name}" already exists')
    context.notice(f'relation "{name}" already exists, skipping', sqlstate="42P07")
    return None


def _chosen_name(context: DefinitionContext, table: Table, statement: st.CreateIndex) -> str:
    keys: list[int | Expr] = []
    for written in statement.columns:
        if written.name is not None:
            keys.append(_column(table, written.name).attnum)
        else:
            assert written.expression is not None
            keys.append(bind_index_expression(context, written.expression, table).expr)
    keys.extend(_column(table, name).attnum for name in statement.include)
    columns = naming.index_column_names(table, keys)
    return naming.index_name(context.database, table.schema_oid, table.name, columns)


# --- definitions --------------------------------------------------------------------------------------------


def make_definition(
    context: DefinitionContext, table: Table, statement: st.CreateIndex, name: str
) -> IndexDef:
    """The index's definition.  Raises UndefinedColumn, UndefinedObject, InvalidObjectDefinition,
    NotSupportedError."""
    predicate = None if statement.where is None else bind_predicate(context, statement.where, table)
    return IndexDef(
        oid=context.catalog.oids.allocate(),
        name=name,
        schema_oid=table.schema_oid,
        owner_oid=table.owner_oid,
        persistence=table.persistence,
        table_oid=table.oid,
        keys=tuple(_make_key(context, table, written, statement.method) for written in statement.columns),
        included=tuple(_column(table, each).attnum for each in statement.include),
        unique=statement.unique,
        nulls_not_distinct=not statement.nulls_distinct,
        predicate=predicate,
        method=statement.method,
    )


def _make_key(context: DefinitionContext, table: Table, written: st.IndexColumn, method: str) -> IndexKey:
    if written.name is not None:
        column = _column(table, written.name)
        key = IndexKey(type=column.type, attnum=column.attnum, collation_oid=column.collation_oid)
    else:
        assert written.expression is not None
        stored = bind_index_expression(context, written.expression, table)
        key = IndexKey(
            type=stored.expr.type,
            expression=stored,
            collation_oid=type_info(stored.expr.type.oid).collation_oid,
        )
    if method == "hash" and (written.descending or written.nulls_first is not None):
        raise errors.NotSupportedError('access method "hash" does not support ASC/DESC options')
    nulls_first = written.descending if written.nulls_first is None else written.nulls_first
    return replace(
        key,
        descending=written.descending,
        nulls_first=nulls_first,
        collation_oid=_key_collation(key, written),
        opclass=_operator_class(key.type, written, method),
    )


def _key_collation(key: IndexKey, written: st.IndexColumn) -> int:
    if written.collation is None:
        return key.collation_oid
    if not key.collation_oid:
        raise errors.DatatypeMismatch(f"collations are not supported by type {format_type(key.type.oid)}")
    if written.collation.name not in COLLATIONS:
        raise errors.UndefinedObject(f'collation "{written.collation}" for encoding "UTF8" does not exist')
    return COLLATIONS[written.collation.name]


def _operator_class(sql_type: SqlType, written: st.IndexColumn, method: str) -> str:
    """The operator class as it is kept: '' for the type's default.  Raises UndefinedObject,
    DatatypeMismatch."""
    if written.operator_class is None:
        require_orderable(sql_type, method)
        return ""
    name = written.operator_class.name
    found = class_named(name, method)
    if found is None:
        raise errors.UndefinedObject(f'operator class "{name}" does not exist for access method "{method}"')
    default = default_class(sql_type.oid, method)
    text_family = sql_type.oid in (oids.TEXT, oids.VARCHAR) and found.input_type in (oids.TEXT, oids.VARCHAR)
    if found.input_type != sql_type.oid and not text_family and (default is None or default.oid != found.oid):
        raise errors.DatatypeMismatch(
            f'operator class "{name}" does not accept data type {format_type(sql_type.oid)}'
        )
    return "" if default is not None and default.oid == found.oid else name


def _column(table: Table, name: str) -> Column:
    column = table.column_named(name)
    if column is None:
        raise errors.UndefinedColumn(f'column "{name}" does not exist')
    return column


# --- REINDEX ------------------------------------------------------------------------------------------------


def reindex(context: DefinitionContext, statement: st.Reindex) -> Generator[Step, object, Complete]:
    """REINDEX: build indexes anew from their tables' rows."""
    if statement.concurrently and context.in_transaction_block:
        raise errors.ActiveTransaction("REINDEX CONCURRENTLY cannot run inside a transaction block")
    if statement.kind in ("schema", "database", "system"):
        if context.in_transaction_block:
            raise errors.ActiveTransaction(
                f"REINDEX {statement.kind.upper()} cannot run inside a transaction block"
            )
        for oid in [table.oid for table in _tables_of(context, statement)]:
            yield from _rebuild_if_there(context, oid)
        return Complete("REINDEX")
    relation = yield from open_relation(context, statement.name, ACCESS_EXCLUSIVE)
    if relation is None:
        raise undefined_relation(statement.name)
    check_owner(context, relation)
    if statement.kind == "table":
        is_view = isinstance(relation, MaterializedView)
        table = as_kind(relation, Table, "materialized view" if is_view else "table")
        if not table.indexes:
            context.notice(f'table "{table.name}" has no indexes to reindex')
        yield from _rebuild(context, table, table.indexes)
    else:
        index = as_kind(relation, IndexDef, "index")
        yield from _rebuild(context, current_table(context, index.table_oid), (index,))
    return Complete("REINDEX")


def _tables_of(context: DefinitionContext, statement: st.Reindex) -> list[Table]:
    database = context.database
    if statement.kind != "schema":
        if statement.name.name != database.name:
            raise errors.NotSupportedError("can only reindex the currently open database")
        return [] if statement.kind == "system" else list(database.tables())
    schema = database.get_schema(statement.name.name)
    return [table for table in database.tables() if table.schema_oid == schema.oid]


def _rebuild_if_there(context: DefinitionContext, oid: int) -> Generator[Step, object, None]:
    """Rebuild the indexes of a table unless it was dropped while its turn, or its lock, was waited for."""
    yield from lock_relation(context, oid, ACCESS_EXCLUSIVE)
    table = context.database.relation(oid)
    if isinstance(table, Table):
        yield from _rebuild(context, table, table.indexes)


def _rebuild(
    context: DefinitionContext, table: Table, indexes: tuple[IndexDef, ...]
) -> Generator[Step, object, None]:
    yield from lock_relation(context, table.oid, ACCESS_EXCLUSIVE)
    for definition in indexes:
        built = yield from build_index(context, table, definition)
        if definition.unique:
            yield from validate_unique(context, table, definition, built)
    database_oid, oid = context.database_oid, table.oid
    if indexes:
        change_catalog(context, lambda catalog: touched(catalog, database_oid, oid))


def touched(catalog: Catalog, database_oid: int, oid: int) -> Catalog:
    """A successor in which a relation has another version,
    so that nothing made for it before is used again."""
    database = catalog.database(database_oid)
    relation = database.relations[oid]
    return catalog.with_database(database.with_relations((replace(relation, version=new_version()),)))
