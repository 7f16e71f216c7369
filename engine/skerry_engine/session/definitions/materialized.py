"""CREATE and REFRESH MATERIALIZED VIEW: rows of a query, kept in a table that nothing else writes.

    query ── bound, its text printed as a view's is ── run ──> a new storage generation ──> catalog
                                                        └────> the rows that differ, written (CONCURRENTLY)

REFRESH fills a new generation, as rewriting a table does, under ACCESS EXCLUSIVE: readers wait, and see all rows
of one moment.  CONCURRENTLY takes EXCLUSIVE, so readers go on: the new rows are compared with the present ones,
image by image, and only what differs is deleted and inserted.  It holds the new rows in memory.

Views WITH (refresh = deferred) are of another kind: see `deferred`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.catalog import changes
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.objects import IndexDef, MaterializedView, Table
from skerry_engine.catalog.quoting import quote_qualified
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.guards import check_owner
from skerry_engine.session.definitions.names import as_kind, check_storable, get_relation
from skerry_engine.session.definitions.options import check_tablespace, storage_options
from skerry_engine.session.definitions.tables import (
    empty_table,
    enter_table,
    fill,
    new_storage,
    table_site,
)
from skerry_engine.session.definitions.validation import validate_unique
from skerry_engine.session.definitions.views import (
    bound_and_locked,
    kept_source,
    reads_temporary,
    view_columns,
)
from skerry_engine.session.definitions.waiting import see_newest, wait_for
from skerry_engine.session.steps import PAUSE, Complete, Rows, Step, Wait
from skerry_engine.sql import statements as st
from skerry_engine.sql.front import parse_statement
from skerry_engine.storage.heap import Row
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.locks import LockWait
from skerry_engine.txn.modes import ACCESS_EXCLUSIVE, EXCLUSIVE_TABLE
from skerry_engine.txn.writer import TableWriter

CREATED = "CREATE MATERIALIZED VIEW"
REFRESHED = "REFRESH MATERIALIZED VIEW"
SLICE_ROWS = 1000
_OWN_OPTIONS = {"refresh": ("deferred",), "method": ("incremental", "full")}

# --- CREATE -------------------------------------------------------------------------------------------------


def create_materialized_view(
    context: DefinitionContext, statement: st.CreateMaterializedView
) -> Generator[Step, object, Complete]:
    """CREATE MATERIALIZED VIEW.  Raises DuplicateTable, NotSupportedError, and what is wrong with the query."""
    options, is_deferred = _options(statement)
    if statement.query.tree.find(exp.Insert, exp.Update, exp.Delete) is not None:
        raise errors.NotSupportedError("materialized views must not use data-modifying statements in WITH")
    site = yield from table_site(context, statement.name, "p", statement.if_not_exists)
    if site is None:
        return Complete(CREATED)
    query, references = yield from bound_and_locked(context, statement.query)
    if site.persistence == "t" or reads_temporary(context, references):
        raise errors.NotSupportedError("materialized views must not use temporary tables or views")
    columns = view_columns(query, statement.columns, "too many column names were specified")
    for column in columns:
        check_storable(column.type, column.name)
    empty = empty_table(context, site, options)
    view = MaterializedView(
        oid=empty.oid,
        name=empty.name,
        schema_oid=empty.schema_oid,
        owner_oid=empty.owner_oid,
        columns=columns,
        storage_id=0,
        row_type_oid=empty.row_type_oid,
        row_array_oid=empty.row_array_oid,
        options=options,
        source=kept_source(context, statement.query, query),
        query=query,
        references=references,
        rule_oid=context.catalog.oids.allocate(),
        populated=statement.with_data,
    )
    if is_deferred:
        from skerry_engine.session.definitions.deferred import create_deferred

        return (yield from create_deferred(context, view, statement.with_data))
    if not statement.with_data:
        enter_table(context, view, ())
        return Complete(CREATED)
    storage, count = yield from _filled(context, view)
    enter_table(context, view, (), storage)
    return Complete(f"SELECT {count}", count)


def _options(statement: st.CreateMaterializedView) -> tuple[tuple[str, ...], bool]:
    """(the options as they are kept, whether the view is deferred)."""
    check_tablespace(statement.tablespace)
    own = {option.name.lower(): option for option in statement.options if option.name.lower() in _OWN_OPTIONS}
    kept: list[str] = []
    for name, option in own.items():
        value = str(option.value or "").lower()
        if value not in _OWN_OPTIONS[name]:
            what = "materialized views with" if name == "refresh" else "deferred materialized views with"
            raise errors.NotSupportedError(
                f"{what} {name} = {option.value} are not supported", position=option.position
            )
        kept.append(f"{name}={value}")
    if "method" in own and "refresh" not in own:
        raise errors.InvalidParameterValue(
            'parameter "method" is for materialized views with refresh = deferred'
        )
    others = [option for option in statement.options if option.name.lower() not in _OWN_OPTIONS]
    return (*kept, *storage_options(others)), bool(own)


# --- the query ----------------------------------------------------------------------------------------------


def _query(context: DefinitionContext, view: MaterializedView) -> st.Query:
    """The view's query, to be run.  Raises DatatypeMismatch should it not give what the columns hold."""
    query = parse_statement(view.source)
    assert isinstance(query, st.Query)
    outputs = [output.type for output in context.query_columns(query)]
    if [output.oid for output in outputs] != [column.type.oid for column in view.live_columns]:
        raise errors.DatatypeMismatch(f'the query of materialized view "{view.name}" gives other types')
    return query


def _filled(
    context: DefinitionContext, view: MaterializedView
) -> Generator[Step, object, tuple[TableStorage, int]]:
    """A new generation with the rows of the view's query, its indexes too, and the number of rows."""
    while True:
        query = _query(context, view)
        storage = _empty(context, view)
        try:
            count = yield from fill(context, query, storage)
            return storage, count
        except LockWait as blocked:
            context.stores.forget(storage.storage_id)
            request = blocked.request
        yield Wait(request)
        see_newest(context)


def _empty(context: DefinitionContext, view: Table) -> TableStorage:
    storage = new_storage(context, view.width, view.is_temporary)
    for index in view.indexes:
        storage.indexes[index.oid] = context.stores.make_index(index, view, storage.storage_id)
    return storage


# --- REFRESH ------------------------------------------------------------------------------------------------


def refresh_materialized_view(
    context: DefinitionContext, statement: st.RefreshMaterializedView
) -> Generator[Step, object, Complete]:
    """REFRESH MATERIALIZED VIEW.  Raises WrongObjectType, UniqueViolation, ObjectNotInPrerequisiteState."""
    from skerry_engine.session.definitions.deferred import is_deferred_view, refresh_deferred

    if statement.concurrently and not statement.with_data:
        raise errors.SyntaxError("CONCURRENTLY and WITH NO DATA options cannot be used together")
    mode = EXCLUSIVE_TABLE if statement.concurrently else ACCESS_EXCLUSIVE
    is_deferred = is_deferred_view(context, statement.name)
    found = yield from get_relation(context, statement.name, EXCLUSIVE_TABLE if is_deferred else mode)
    view = as_kind(found, MaterializedView, "materialized view")
    check_owner(context, view)
    if view.is_deferred:
        yield from refresh_deferred(context, view, statement.with_data)
        return Complete(REFRESHED)
    if statement.concurrently:
        yield from _write_difference(context, view)
        return Complete(REFRESHED)
    if statement.with_data:
        storage, _ = yield from _filled(context, view)
        moved = replace(view, storage_id=storage.storage_id)
        for index in view.indexes:
            if index.unique:
                yield from validate_unique(context, moved, index, storage.indexes[index.oid])
    else:
        storage = _empty(context, view)
    _replace_rows(context, view, storage.storage_id, statement.with_data)
    return Complete(REFRESHED)


def _replace_rows(
    context: DefinitionContext, view: MaterializedView, storage_id: int, populated: bool
) -> None:
    """Let the view have another generation; the present one goes at commit."""
    stores, manager, old = context.stores, context.manager, view.storage_id
    context.transaction.note_replaced(stores.get(old))
    context.transaction.on_commit(lambda: stores.retire(old, manager))
    database_oid, oid = context.database_oid, view.oid

    def change(catalog: Catalog) -> Catalog:
        return changes.set_populated(catalog, database_oid, oid, storage_id, populated)

    change_catalog(context, change)


# --- REFRESH CONCURRENTLY -----------------------------------------------------------------------------------


def _write_difference(context: DefinitionContext, view: MaterializedView) -> Generator[Step, object, None]:
    """Delete the rows that the query gives no more, insert those that it gives now."""
    if not view.populated:
        raise errors.NotSupportedError(
            "CONCURRENTLY cannot be used when the materialized view is not populated"
        )
    if not any(_names_each_row(index) for index in view.indexes):
        name = quote_qualified((context.database.schema_of(view).name, view.name))
        raise errors.ObjectNotInPrerequisiteState(
            f'cannot refresh materialized view "{name}" concurrently',
            hint="Create a unique index with no WHERE clause on one or more columns of the materialized view.",
        )
    new = yield from _new_rows(context, view)
    table = context.database.table(view.oid)
    writer = context.transaction.writer(context.stores.target(context.database, table))
    yield from _delete_missing(context, writer, new)
    added = [row for rows in new.values() for row in rows]
    for first in range(0, len(added), SLICE_ROWS):
        rows = added[first : first + SLICE_ROWS]
        yield from wait_for(lambda rows=rows: writer.insert_many(rows))  # type: ignore[misc]
        yield PAUSE


def _names_each_row(index: IndexDef) -> bool:
    """Whether no two rows without nulls can have the same key in it."""
    return index.unique and index.predicate is None and all(key.attnum for key in index.keys)


def _new_rows(
    context: DefinitionContext, view: MaterializedView
) -> Generator[Step, object, dict[str, list[Row]]]:
    """The query's rows by their image.  Raises CardinalityViolation for a row that comes twice."""
    query = _query(context, view)
    found: dict[str, list[Row]] = {}
    for step in context.run_query(query):
        if isinstance(step, Rows):
            for row in step.rows:
                same = found.setdefault(_image(row), [])
                if same and None not in row:
                    raise errors.CardinalityViolation(
                        f'new data for materialized view "{view.name}" contains duplicate rows'
                        " without any null columns"
                    )
                same.append(row)
        else:
            yield step
    return found


def _image(row: Row) -> str:
    """What tells values apart that compare as equal: 1.0 and 1.00, 0.0 and -0.0."""
    return repr(row)


def _delete_missing(
    context: DefinitionContext, writer: TableWriter, new: dict[str, list[Row]]
) -> Generator[Step, object, None]:
    """Delete the present rows that are not among `new`, and take out of it those that are."""
    reader = context.transaction.reader(writer.storage)
    after = -1
    while True:
        row_ids, rows, after = reader.scan_ids_batch(after, SLICE_ROWS)
        for row_id, row in zip(row_ids, rows, strict=True):
            same = new.get(_image(row))
            if same:
                same.pop()
            else:
                yield from wait_for(lambda row_id=row_id, row=row: writer.delete(row_id, row))  # type: ignore[misc]
        if after == -1:
            return
        yield PAUSE
