"""Writing batches of rows: the loops that lock, wait, write and recheck.

Generated code calls these once per batch.  A conflict shows as LockWait, which means: wait, then make the
same call again.  A row that turns out newer than a READ COMMITTED statement's snapshot shows as
RestartStatement, which travels up to the session; after a few restarts the statement is not started again,
but the one row is rechecked in place: the source is run over the row's newest state alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from skerry_engine import errors
from skerry_engine.algebra.queries import Target
from skerry_engine.plan.runtime import Batches, Row
from skerry_engine.session.steps import PAUSE, Step, Wait
from skerry_engine.txn.conflicts import RestartStatement
from skerry_engine.txn.locks import LockRequest, LockWait
from skerry_engine.txn.waiting import patiently
from skerry_engine.txn.writer import TableWriter

MAX_RESTARTS = 3
ROWS_PER_UNIT = 64
"""Rows locked and written between two pauses."""

Item = tuple[Any, ...]


def insert_rows(writer: TableWriter, rows: list[Row]) -> Generator[Step, None, None]:
    """Insert a batch."""
    yield from patiently(lambda: writer.insert_many(rows))


def upsert_rows(
    ctx: Any,
    writer: TableWriter,
    rows: list[Row],
    table_oid: int,
    index_oids: tuple[int, ...],
    update: Callable[..., Generator[Step, None, Row | None]] | None,
) -> Generator[Step, None, list[Row]]:
    """INSERT ... ON CONFLICT: the rows inserted or updated.  `update` None means DO NOTHING."""
    indexes = [
        key.index for key in writer.target.unique_keys if not index_oids or key.index.index_id in index_oids
    ]
    written: list[Row] = []
    for position, row in enumerate(rows):
        if position % ROWS_PER_UNIT == ROWS_PER_UNIT - 1:
            yield PAUSE
        result = yield from _upsert(ctx, writer, row, indexes, update)
        if result is not None:
            written.append(result)
    return written


def _upsert(
    ctx: Any,
    writer: TableWriter,
    row: Row,
    indexes: list[Any],
    update: Callable[..., Generator[Step, None, Row | None]] | None,
) -> Generator[Step, None, Row | None]:
    while True:
        try:
            return (yield from _insert_or_update(ctx, writer, row, indexes, update))
        except LockWait as wait:
            request = wait.request
        yield Wait(request)


def _insert_or_update(
    ctx: Any,
    writer: TableWriter,
    row: Row,
    indexes: list[Any],
    update: Callable[..., Generator[Step, None, Row | None]] | None,
) -> Generator[Step, None, Row | None]:
    """One try; raises LockWait: then call again."""
    while True:
        locks = len(writer.transaction.holder.locks)
        found = _first_conflict(writer, row, indexes)
        if found is None:
            writer.insert(row)
            return row
        if update is None:
            writer.transaction.release_since(locks)  # no key was written: others need not wait
            return None
        if writer.written_by_statement(found):
            raise errors.CardinalityViolation(
                "ON CONFLICT DO UPDATE command cannot affect row a second time",
                hint="Ensure that no rows proposed for insertion within the same command"
                " have duplicate constrained values.",
            )
        existing = writer.newest(found)
        if existing is None:
            continue
        new_row = yield from update(ctx, existing, row)
        if new_row is not None:
            writer.update(found, existing, new_row, in_place=True)
        return new_row


def _first_conflict(writer: TableWriter, row: Row, indexes: list[Any]) -> int | None:
    for index in indexes:
        found = writer.find_conflict(row, index)
        if found is not None:
            return found
    return None


Write = Callable[[Item, bool], bool]
"""Writes one item, in place or not; False when this statement had written its row.
Raises as TableWriter does."""


def update_rows(
    ctx: Any, writer: TableWriter, items: list[Item], slot: int, source: Callable[[], Batches]
) -> Generator[Step, None, list[Item]]:
    """Update a batch of (row id, old row, new row, ...); returns the items that were written."""

    def write(item: Item, in_place: bool) -> bool:
        return writer.update(item[0], item[1], item[2], in_place)

    return (yield from _change_rows(ctx, writer, write, items, slot, source))


def delete_rows(
    ctx: Any, writer: TableWriter, items: list[Item], slot: int, source: Callable[[], Batches]
) -> Generator[Step, None, list[Item]]:
    """Delete a batch of (row id, old row, ...); returns the items that were deleted."""

    def write(item: Item, in_place: bool) -> bool:
        return writer.delete(item[0], item[1], in_place)

    return (yield from _change_rows(ctx, writer, write, items, slot, source))


def _change_rows(
    ctx: Any, writer: TableWriter, write: Write, items: list[Item], slot: int, source: Callable[[], Batches]
) -> Generator[Step, None, list[Item]]:
    """Write the items one by one; those that others changed meanwhile are rechecked once restarts
    are used up."""
    written: list[Item] = []
    position = 0
    while position < len(items):
        item = items[position]
        if position % ROWS_PER_UNIT == ROWS_PER_UNIT - 1:
            yield PAUSE
        request: LockRequest | None = None
        try:
            if write(item, False):
                written.append(item)
            position += 1
            continue
        except LockWait as wait:
            request = wait.request
        except RestartStatement:
            if ctx.restarts < MAX_RESTARTS:
                raise
        if request is not None:
            yield Wait(request)
            continue
        rechecked = yield from _recheck(ctx, writer, item[0], slot, source)
        if rechecked is None:
            position += 1
        elif (yield from _write_in_place(write, rechecked)):
            written.append(rechecked)
            position += 1
    return written


def _write_in_place(write: Write, item: Item) -> Generator[Step, None, bool]:
    """Write a rechecked row; False when it changed once more."""
    try:
        return (yield from patiently(lambda: write(item, True)))
    except RestartStatement:
        return False


def _recheck(
    ctx: Any, writer: TableWriter, row_id: int, slot: int, source: Callable[[], Batches]
) -> Generator[Step, None, Item | None]:
    """What the statement makes of the newest state of one row: the item to write,
    or None if it no longer matches."""
    newest = yield from patiently(lambda: writer.newest(row_id))
    if newest is None:
        return None
    with ctx.single_row(slot, row_id, newest):
        for batch in source():
            if isinstance(batch, Step):
                yield batch
            elif batch:
                return batch[0]
    return None


# --- violations ----------------------------------------


def no_arbiter() -> None:
    """Raise 42P10: no unique index is what ON CONFLICT describes."""
    raise errors.InvalidColumnReference(
        "there is no unique or exclusion constraint matching the ON CONFLICT specification"
    )


def not_null_violation(ctx: Any, target: Target, position: int, row: Row) -> None:
    """Raise 23502."""
    column = target.column_names[position]
    raise errors.NotNullViolation(
        f'null value in column "{column}" of relation "{target.name}" violates not-null constraint',
        detail=f"Failing row contains ({ctx.describe_row(target.table_oid, row)}).",
        schema=target.schema,
        table=target.name,
        column=column,
    )


def check_violation(ctx: Any, target: Target, constraint: str, row: Row) -> None:
    """Raise 23514."""
    raise errors.CheckViolation(
        f'new row for relation "{target.name}" violates check constraint "{constraint}"',
        detail=f"Failing row contains ({ctx.describe_row(target.table_oid, row)}).",
        schema=target.schema,
        table=target.name,
        constraint=constraint,
    )
