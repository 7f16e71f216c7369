"""Do the rows that are there keep a new constraint?

Rows are read through the transaction in their newest state, own changes included, in bounded slices.  The
caller holds a lock that keeps writers out, so what is found stays true.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from skerry_engine import errors
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.objects import Column, Constraint, IndexDef, Table
from skerry_engine.plan.compile import compile_rows
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.steps import PAUSE, Step
from skerry_engine.storage.heap import Row
from skerry_engine.storage.index import NO_KEY, Index
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.foreign_keys import ForeignKey, has_parent

SLICE_ROWS = 1000


def each_slice(
    context: DefinitionContext, storage: TableStorage, visit: Callable[[list[Row]], None]
) -> Generator[Step, object, None]:
    """Show every row to `visit`, a slice at a time."""
    context.transaction.note_validated(storage)
    reader = context.transaction.newest_reader(storage)
    after = -1
    while True:
        rows, after = reader.scan_batch(after, SLICE_ROWS)
        visit(rows)
        if after == -1:
            return
        yield PAUSE


def validate_check(
    context: DefinitionContext, table: Table, constraint: Constraint
) -> Generator[Step, object, None]:
    """Raise CheckViolation if a row violates the constraint."""
    assert constraint.check is not None
    condition = compile_rows((constraint.check.expr,))
    functions = context.functions

    def visit(rows: list[Row]) -> None:
        if any(condition(functions, row)[0] is False for row in rows):
            raise errors.CheckViolation(
                f'check constraint "{constraint.name}" of relation "{table.name}" is violated by some row',
                schema=context.database.schema_of(table).name,
                table=table.name,
                constraint=constraint.name,
            )

    yield from each_slice(context, context.stores.get(table.storage_id), visit)


def validate_not_null(
    context: DefinitionContext, table: Table, column: Column
) -> Generator[Step, object, None]:
    """Raise NotNullViolation if a row has NULL in the column."""
    position = column.position

    def visit(rows: list[Row]) -> None:
        if any(row[position] is None for row in rows):
            raise contains_nulls(context.database, table, column)

    yield from each_slice(context, context.stores.get(table.storage_id), visit)


def contains_nulls(database: Database, table: Table, column: Column) -> errors.NotNullViolation:
    """The error for rows that a new NOT NULL would violate."""
    return errors.NotNullViolation(
        f'column "{column.name}" of relation "{table.name}" contains null values',
        schema=database.schema_of(table).name,
        table=table.name,
        column=column.name,
    )


def validate_unique(
    context: DefinitionContext, table: Table, definition: IndexDef, index: Index
) -> Generator[Step, object, None]:
    """Raise UniqueViolation if two rows have one key of a unique index."""
    seen: set[object] = set()

    def visit(rows: list[Row]) -> None:
        for row in rows:
            key = index.unique_key(row)
            if key is NO_KEY:
                continue
            if key in seen:
                raise context.stores.unique_key(context.database, table, definition, index).creation_failure(
                    row
                )
            seen.add(key)

    yield from each_slice(context, context.stores.get(table.storage_id), visit)


def validate_foreign_key(context: DefinitionContext, constraint: Constraint) -> Generator[Step, object, None]:
    """Raise ForeignKeyViolation if a row has no parent.  The constraint must be in the catalog already."""
    table = context.database.table(constraint.table_oid)
    target = context.stores.target(context.database, table)
    foreign_key = next(each for each in target.foreign_keys if each.constraint_name == constraint.name)

    def visit(rows: list[Row]) -> None:
        for values in {foreign_key.child_values(row): None for row in rows}:
            _require_parent(context, foreign_key, values)

    yield from each_slice(context, target.storage, visit)


def _require_parent(context: DefinitionContext, foreign_key: ForeignKey, values: Row) -> None:
    """As the kernel checks a new child, but without locking each parent: the table lock keeps them all."""
    if None in values:
        has_parent(context.transaction, foreign_key, values)
        return
    context.transaction.note_validated(foreign_key.parent.storage)
    reader = context.transaction.newest_reader(foreign_key.parent.storage)
    if reader.lookup_id(foreign_key.parent_index, foreign_key.parent_key(values)) < 0:
        raise foreign_key.missing_parent(values)
