"""New storage generations for tables whose values all change.

The new generation is private to the transaction until its catalog is committed, so rows are put into it
directly.  The old one is forgotten at commit:
ACCESS EXCLUSIVE keeps everybody else away from the table until then.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from skerry_engine import errors
from skerry_engine.catalog.objects import Table
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.tables import new_storage
from skerry_engine.session.definitions.validation import each_slice
from skerry_engine.session.steps import Step
from skerry_engine.session.stores import append_rows
from skerry_engine.storage.heap import Row
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.checks import Check, UniqueCheck
from skerry_engine.txn.foreign_keys import ChildCheck, ParentCheck, ReferentialAction


def empty_generation(context: DefinitionContext, table: Table, width: int | None = None) -> TableStorage:
    """A new generation with the table's indexes; the present one is forgotten at commit."""
    stores = context.stores
    storage = new_storage(context, table.width if width is None else width, table.is_temporary)
    for index in table.indexes:
        storage.indexes[index.oid] = stores.make_index(index, table, storage.storage_id)
    old_storage_id = table.storage_id
    context.transaction.note_replaced(stores.get(old_storage_id))
    context.transaction.on_commit(lambda: stores.retire(old_storage_id, context.manager))
    return storage


def rewrite(
    context: DefinitionContext, old: Table, new: Table, make_row: Callable[[Row], Row]
) -> Generator[Step, object, TableStorage]:
    """A generation for `new`, which the catalog does not know yet, with a row for each row of `old`."""
    before = context.stores.get(old.storage_id)
    storage = empty_generation(context, new)
    context.transaction.note_made(storage, copy_of=before)

    def visit(rows: list[Row]) -> None:
        append_rows(context.transaction, storage, [make_row(row) for row in rows])

    yield from each_slice(context, before, visit)
    return storage


def refuse_pending_checks(context: DefinitionContext, table: Table, verb: str) -> None:
    """Raise ObjectInUse if checks of the table's rows wait for the end of the transaction."""
    transaction = context.transaction
    for check in (*(transaction.deferred or ()), *(transaction.checks or ())):
        if table.storage_id in _storages_of(check):
            raise errors.ObjectInUse(f'cannot {verb} "{table.name}" because it has pending trigger events')


def _storages_of(check: Check) -> tuple[int, ...]:
    if isinstance(check, UniqueCheck):
        return (check.storage.storage_id,)
    if isinstance(check, ChildCheck):
        return (check.foreign_key.child.storage.storage_id,)
    if isinstance(check, (ParentCheck, ReferentialAction)):
        return (check.foreign_key.parent.storage.storage_id, check.foreign_key.child.storage.storage_id)
    return ()
