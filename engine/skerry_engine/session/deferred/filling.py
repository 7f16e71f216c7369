"""Making a deferred view's rows and state from nothing: the first time, and when following changes is no way.

    tables AS OF an epoch ──> operators, state in memory ──> the view's rows, its state

Nobody waits: tables are read at a snapshot, and what is committed meanwhile comes from the feed afterwards.  A view
that was never filled gets new storages for rows and state.  One that is read gets the rows that differ written, so that
its readers see either all rows of one epoch or all of another; its state gets a new storage.

All of it is in memory once: the state, and the rows.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from skerry_engine.catalog import changes
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.objects import MaterializedView, Table, ViewState
from skerry_engine.session.deferred.marks import Mark
from skerry_engine.session.deferred.stored_state import ROWS_PER_UNIT
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.tables import new_storage
from skerry_engine.session.definitions.waiting import wait_for
from skerry_engine.session.steps import PAUSE, Rows, Step
from skerry_engine.session.stores import append_rows
from skerry_engine.sql import statements as st
from skerry_engine.sql.front import parse_statement
from skerry_engine.storage.heap import Row
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.table import TableStorage
from skerry_engine.views.compiling import compile_view
from skerry_engine.views.operators import Difference, Output, image_of, place
from skerry_engine.views.state import MemoryState

Steps = Generator[Step, object, None]


class Contents:
    """What a view is to hold: its rows by image, and what its operators remember then."""

    def __init__(self) -> None:
        self.state = MemoryState()
        self.output = Output()


def contents_of(
    context: DefinitionContext, view: MaterializedView, database: Database
) -> Generator[Step, object, Contents]:
    """The contents at the statement's snapshot, whose catalog is `database`'s.  Raises what the query raises."""
    contents = Contents()
    if view.is_recomputed:
        yield from _run_query(context, view, contents.output)
        return contents
    yield from _run_operators(context, view, database, contents)
    return contents


def _run_query(context: DefinitionContext, view: MaterializedView, output: Output) -> Steps:
    query = parse_statement(view.source)
    assert isinstance(query, st.Query)
    for step in context.run_query(query):
        if isinstance(step, Rows):
            output.add([(row, 1) for row in step.rows])
        else:
            yield step


def _run_operators(
    context: DefinitionContext, view: MaterializedView, database: Database, contents: Contents
) -> Steps:
    flow = compile_view(view.query, database)
    epoch = context.transaction.snapshot
    rows_of: dict[int, Difference] = {}
    for oid in sorted(flow.table_oids()):
        reader = TableReader(context.stores.get(database.table(oid).storage_id), epoch, None, 0)
        gathered = rows_of[oid] = []
        after = -1
        while True:
            rows, after = reader.scan_batch(after, ROWS_PER_UNIT)
            gathered += [(row, 1) for row in rows]
            yield PAUSE
            if after == -1:
                break
    for _ in flow.apply(rows_of, contents.state, context.functions, contents.output, True):
        yield PAUSE


# --- a view without rows ------------------------------------------------------------------------------------


def fill(
    context: DefinitionContext, view: MaterializedView, contents: Contents, mark: Mark
) -> Generator[Step, object, int]:
    """Give a view that nobody can read yet its contents, in new storages; the number of rows."""
    storage = empty_storage(context, view)
    for some in _in_slices(contents.output):
        if not view.is_recomputed:
            for row_id, (image, _) in enumerate(some, storage.next_row_id):
                place(contents.state, image, row_id)
        append_rows(context.transaction, storage, [row for _, row in some])
        yield PAUSE
    yield from _replace_state(context, view, contents, mark)
    _replace_rows(context, view, storage)
    return storage.row_count


def _in_slices(output: Output) -> Iterator[list[tuple[bytes, Row]]]:
    """The rows that are to be there (more), each as often as it is, with their images."""
    some: list[tuple[bytes, Row]] = []
    for image, (row, count) in output.rows.items():
        for _ in range(count):
            some.append((image, row))
            if len(some) >= ROWS_PER_UNIT:
                yield some
                some = []
    if some:
        yield some


def empty_storage(context: DefinitionContext, table: Table) -> TableStorage:
    """A new storage for a table of a view, with its indexes."""
    storage = new_storage(context, table.width, table.is_temporary)
    storage.is_watched = not isinstance(table, ViewState)
    for index in table.indexes:
        storage.indexes[index.oid] = context.stores.make_index(index, table, storage.storage_id)
    return storage


def _replace_state(
    context: DefinitionContext, view: MaterializedView, contents: Contents, mark: Mark
) -> Steps:
    """Put the state into a new storage, which takes the place of the present one at commit."""
    table = context.database.table(view.state_oid)
    storage = empty_storage(context, table)
    append_rows(context.transaction, storage, [mark.entry()])
    after: bytes | None = None
    while True:
        entries = contents.state.after(after, ROWS_PER_UNIT)
        if not entries:
            break
        append_rows(context.transaction, storage, list(entries))
        after = entries[-1][0]
        yield PAUSE
    _retire(context, table)
    database_oid, oid, storage_id = context.database_oid, table.oid, storage.storage_id
    change_catalog(context, lambda catalog: changes.set_storage(catalog, database_oid, oid, storage_id))


def _replace_rows(context: DefinitionContext, view: MaterializedView, storage: TableStorage) -> None:
    _retire(context, view)
    database_oid, oid, storage_id = context.database_oid, view.oid, storage.storage_id

    def change(catalog: Catalog) -> Catalog:
        return changes.set_populated(catalog, database_oid, oid, storage_id, True)

    change_catalog(context, change)


def _retire(context: DefinitionContext, table: Table) -> None:
    """Let the table's present storage go at commit."""
    stores, manager, storage_id = context.stores, context.manager, table.storage_id
    context.transaction.note_replaced(stores.get(storage_id))
    context.transaction.on_commit(lambda: stores.retire(storage_id, manager))


# --- a view that is read ------------------------------------------------------------------------------------


def write_difference(
    context: DefinitionContext, view: MaterializedView, contents: Contents, mark: Mark
) -> Steps:
    """Delete the rows that are not among the contents, insert those that are missing, and replace the state."""
    state, remembers = contents.state, not view.is_recomputed
    left = contents.output.rows
    writer = context.transaction.writer(
        context.stores.target(context.database, context.database.table(view.oid))
    )
    reader = context.transaction.reader(writer.storage)
    after = -1
    while True:
        row_ids, rows, after = reader.scan_ids_batch(after, ROWS_PER_UNIT)
        for row_id, row in zip(row_ids, rows, strict=True):
            image = image_of(row)
            entry = left.get(image)
            if entry is None or not entry[1]:
                yield from wait_for(lambda row_id=row_id, row=row: writer.delete(row_id, row))  # type: ignore[misc]
                continue
            entry[1] -= 1
            if remembers:
                place(state, image, row_id)
        yield PAUSE
        if after == -1:
            break
    for some in _in_slices(contents.output):
        added = [row for _, row in some]
        row_id = yield from wait_for(lambda rows=added: writer.insert_many(rows))  # type: ignore[misc]
        for number, (image, _) in enumerate(some):
            if remembers:
                place(state, image, row_id + number)
        yield PAUSE
    yield from _replace_state(context, view, contents, mark)
