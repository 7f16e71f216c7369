"""CREATE TABLE, and CREATE TABLE AS.

    name locked ─> columns (and their sequences) ─> checks ─> keys ─> foreign keys ─> storage, indexes ─> catalog

The whole definition is made first and enters the catalog in one change.  The storage is new, so only this
transaction's catalog leads to it: CREATE TABLE AS puts its rows into it directly, without overlay,
locks or keys.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.catalog import changes, cluster_changes, naming
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.objects import CLASS_RELATION, Address, Column, SequenceDef, Table
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.columns import TableSite, make_column, with_generation
from skerry_engine.session.definitions.constraints import make_check, make_foreign_key, make_key, with_key
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.like import LikeCopy, copied_indexes, like_columns, like_definitions
from skerry_engine.session.definitions.names import check_storable, creation_schema
from skerry_engine.session.definitions.options import check_tablespace, storage_options
from skerry_engine.session.definitions.sequences import set_sequence
from skerry_engine.session.definitions.waiting import lock_new_name, see_newest
from skerry_engine.session.steps import Complete, Description, ResultColumn, Rows, Step, Wait
from skerry_engine.session.stores import append_rows
from skerry_engine.sql import statements as st
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.locks import LockWait
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, type_info

_ON_COMMIT = {"": "preserve", "preserve rows": "preserve", "delete rows": "delete", "drop": "drop"}

# --- CREATE TABLE -------------------------------------------------------------------------------------------


def create_table(context: DefinitionContext, statement: st.CreateTable) -> Generator[Step, object, Complete]:
    """CREATE TABLE.  Raises DuplicateTable, and what is wrong with a column or constraint."""
    _refuse_unsupported(statement)
    site = yield from table_site(context, statement.name, statement.persistence, statement.if_not_exists)
    if site is None:
        return Complete("CREATE TABLE")
    table = empty_table(context, site, storage_options(statement.options))
    sequences: list[SequenceDef] = []
    copies: list[LikeCopy] = []
    constraints: list[st.ConstraintDefinition] = []
    for element in statement.elements:
        if isinstance(element, st.LikeTable):
            table = yield from like_columns(context, site, table, element, sequences, copies)
        else:
            table = yield from _with_column(context, site, table, element, sequences)
            constraints += element.constraints
    for written in statement.elements:
        if isinstance(written, st.ColumnDefinition) and written.generated is not None:
            column = table.column_named(naming.truncate_name(written.name))
            assert column is not None
            table = with_generation(context, table, column, written.generated)
    constraints += statement.constraints
    for copy in copies:
        table, copied = like_definitions(context, site, table, copy)
        constraints += copied
    table = yield from _with_constraints(context, site, table, constraints)
    for copy in copies:
        table = yield from copied_indexes(context, site, table, copy)
    enter_table(context, replace(table, on_commit=_ON_COMMIT[statement.on_commit]), sequences)
    for copy in copies:
        for attnum, text in copy.comments.items():
            _comment_column(context, table, attnum, text)
    return Complete("CREATE TABLE")


def _refuse_unsupported(statement: st.CreateTable) -> None:
    if statement.on_commit and statement.persistence != "t":
        raise errors.InvalidTableDefinition("ON COMMIT can only be used on temporary tables")
    check_tablespace(statement.tablespace)


def table_site(
    context: DefinitionContext, name: st.ObjectName, persistence: str, if_not_exists: bool
) -> Generator[Step, object, TableSite | None]:
    """Where a new table goes, its name locked; None when IF NOT EXISTS finds it taken.
    Raises DuplicateTable."""
    schema = creation_schema(context, name, persistence)
    if schema.name == context.temporary_schema_name:
        persistence = "t"
    table_name = naming.truncate_name(name.name)
    yield from lock_new_name(context, schema.oid, table_name)
    if context.database.relation_named(schema.oid, table_name) is not None:
        if not if_not_exists:
            raise errors.DuplicateTable(f'relation "{table_name}" already exists')
        context.notice(f'relation "{table_name}" already exists, skipping', sqlstate="42P07")
        return None
    return TableSite(context.catalog.oids.allocate(), table_name, schema.oid, persistence, {table_name})


def empty_table(context: DefinitionContext, site: TableSite, options: tuple[str, ...]) -> Table:
    """A table without columns and storage, its types' OIDs given out."""
    allocate = context.catalog.oids.allocate
    array_oid, row_type_oid = allocate(), allocate()
    return Table(
        oid=site.oid,
        name=site.name,
        schema_oid=site.schema_oid,
        owner_oid=context.user_oid,
        persistence=site.persistence,
        columns=(),
        storage_id=0,
        row_type_oid=row_type_oid,
        row_array_oid=array_oid,
        options=options,
    )


def _with_column(
    context: DefinitionContext,
    site: TableSite,
    table: Table,
    written: st.ColumnDefinition,
    sequences: list[SequenceDef],
) -> Generator[Step, object, Table]:
    number = len(table.columns)
    new = yield from make_column(context, site, written, number + 1, number)
    if new.sequence is not None:
        sequences.append(new.sequence)
    if table.column_named(new.column.name) is not None:
        raise errors.DuplicateColumn(f'column "{new.column.name}" specified more than once')
    return replace(table, columns=(*table.columns, new.column))


def _with_constraints(
    context: DefinitionContext, site: TableSite, table: Table, written: Sequence[st.ConstraintDefinition]
) -> Generator[Step, object, Table]:
    """Checks, then keys (the primary first), then foreign keys, as their names are given out."""
    for each in written:
        if each.kind == "check":
            check = make_check(context, site, table, replace(each, not_valid=False))
            table = replace(table, constraints=(*table.constraints, check))
    for each in distinct_keys(table, written):
        constraint, index = yield from make_key(context, site, table, each)
        table = with_key(table, constraint, index)
    for each in written:
        if each.kind == "foreign":
            foreign_key = yield from make_foreign_key(context, site, table, replace(each, not_valid=False))
            table = replace(table, constraints=(*table.constraints, foreign_key))
    return table


def distinct_keys(table: Table, written: Sequence[st.ConstraintDefinition]) -> list[st.ConstraintDefinition]:
    """The key constraints, the primary key first; one that says what an earlier one says is dropped."""
    keys = [each for each in written if each.kind in ("primary", "unique")]
    primary = [each for each in keys if each.kind == "primary"]
    if len(primary) > 1:
        raise errors.InvalidTableDefinition(
            f'multiple primary keys for table "{table.name}" are not allowed', position=primary[1].position
        )
    kept: list[st.ConstraintDefinition] = []
    for each in [*primary, *(key for key in keys if key.kind == "unique")]:
        if each.using_index is not None:
            raise errors.NotSupportedError(
                "USING INDEX in CREATE TABLE is not supported", position=each.position
            )
        double = next((n for n, key in enumerate(kept) if _says_the_same(key, each)), -1)
        if double < 0:
            kept.append(each)
        elif kept[double].name is None:
            kept[double] = replace(kept[double], name=each.name)
    return kept


def _says_the_same(one: st.ConstraintDefinition, other: st.ConstraintDefinition) -> bool:
    return (
        one.columns == other.columns
        and one.include == other.include
        and one.nulls_distinct == other.nulls_distinct
        and one.deferrable == other.deferrable
        and one.initially_deferred == other.initially_deferred
    )


def enter_table(
    context: DefinitionContext,
    table: Table,
    sequences: Sequence[SequenceDef],
    storage: TableStorage | None = None,
) -> Table:
    """Give a table its storage (an empty one if none is given)
    and put it into the catalog with its sequences."""
    if storage is None:
        storage = new_storage(context, table.width, table.is_temporary)
    table = replace(table, storage_id=storage.storage_id)
    for index in table.indexes:
        storage.indexes[index.oid] = context.stores.make_index(index, table)
    database_oid = context.database_oid

    def change(catalog: Catalog) -> Catalog:
        for sequence in sequences:
            catalog = changes.create_sequence(catalog, database_oid, sequence)
        return changes.create_table(catalog, database_oid, table)

    change_catalog(context, change)
    for sequence in sequences:
        set_sequence(context, sequence, context.sequences.create(sequence))
    return table


def new_storage(context: DefinitionContext, width: int, is_temporary: bool) -> TableStorage:
    """A new generation that goes again if the transaction, or its part, is rolled back."""
    stores = context.stores
    storage = stores.create(width, is_temporary)
    context.transaction.note_made(storage)
    context.transaction.on_rollback(lambda: stores.forget(storage.storage_id))
    return storage


def _comment_column(context: DefinitionContext, table: Table, attnum: int, text: str) -> None:
    database_oid, address = context.database_oid, Address(CLASS_RELATION, table.oid, attnum)
    change_catalog(context, lambda catalog: cluster_changes.set_comment(catalog, database_oid, address, text))


# --- CREATE TABLE AS ----------------------------------------------------------------------------------------


def create_table_as(
    context: DefinitionContext, statement: st.CreateTableAs
) -> Generator[Step, object, Complete]:
    """CREATE TABLE AS: the query's rows become the table's."""
    if statement.on_commit and statement.persistence != "t":
        raise errors.InvalidTableDefinition("ON COMMIT can only be used on temporary tables")
    site = yield from table_site(context, statement.name, statement.persistence, statement.if_not_exists)
    if site is None:
        return Complete("CREATE TABLE AS")
    while True:
        try:
            count = yield from _create_filled(context, site, statement)
            return Complete(f"SELECT {count}", count) if statement.with_data else Complete("CREATE TABLE AS")
        except LockWait as blocked:
            request = blocked.request
        yield Wait(request)
        see_newest(context)


def _create_filled(
    context: DefinitionContext, site: TableSite, statement: st.CreateTableAs
) -> Generator[Step, object, int]:
    """Make the table and its rows; returns their number.  Raises LockWait: nothing was done, do it again."""
    columns = _columns_of_query(context.query_columns(statement.query), statement.columns)
    table = replace(
        empty_table(context, site, ()), columns=columns, on_commit=_ON_COMMIT[statement.on_commit]
    )
    storage = new_storage(context, table.width, table.is_temporary)
    count = 0
    if statement.with_data:
        try:
            count = yield from fill(context, statement.query, storage)
        except LockWait:
            context.stores.forget(storage.storage_id)
            raise
    enter_table(context, table, (), storage)
    return count


def _columns_of_query(outputs: Sequence[ResultColumn], names: tuple[str, ...]) -> tuple[Column, ...]:
    if len(names) > len(outputs):
        raise errors.SyntaxError("too many column names were specified")
    found: list[Column] = []
    for number, output in enumerate(outputs):
        name = names[number] if number < len(names) else output.name
        sql_type = SqlType(oids.TEXT) if output.type.oid == oids.UNKNOWN else output.type
        check_storable(sql_type, name)
        collation_oid = type_info(sql_type.oid).collation_oid
        found.append(Column(name, number + 1, number, sql_type, collation_oid=collation_oid))
    return tuple(found)


def fill(context: DefinitionContext, query: st.Query, storage: TableStorage) -> Generator[Step, object, int]:
    """Put a query's rows into a new storage; returns their number."""
    count = 0
    for step in context.run_query(query):
        if isinstance(step, Rows):
            append_rows(context.transaction, storage, step.rows)
            count += len(step.rows)
        elif not isinstance(step, (Description, Complete)):
            yield step
    return count
