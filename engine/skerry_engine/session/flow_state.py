"""The databases' tables of flow state: found, or made when a branch first needs one.

A state table is made by a transaction of its own, which is committed at once: whose branch needs it does not matter,
and if that comes to nothing the table stays, empty.  So branches of older snapshots can use it, too: it is empty at
every epoch before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.flow_state import (
    OIDS_OF_A_STATE_TABLE,
    WIDTH,
    StateTable,
    new_state_table,
    state_table,
    with_state_table,
)
from skerry_engine.errors import ReadOnlyViolation
from skerry_engine.flow.branch import FlowTransaction
from skerry_engine.flow.state import BranchState
from skerry_engine.txn.locking import READ_COMMITTED

if TYPE_CHECKING:
    from skerry_engine.engine import Engine
    from skerry_engine.storage.table import TableStorage


def branch_state(engine: Engine, database_oid: int, branch: FlowTransaction) -> BranchState:
    """The state of flows' nodes in a branch of a transaction of a database.

    Raises ReadOnlyViolation (T003) where there is none yet and the engine is read-only.
    """
    database = _newest(engine).database(database_oid)
    table = state_table(database)
    if table is None:
        table = make_state_table(engine, database_oid)
        database = _newest(engine).database(database_oid)
    target = engine.stores.target(database, table)
    return BranchState(branch.table(target, target.unique_keys[0].index))


def _newest(engine: Engine) -> Catalog:
    return cast("Catalog", engine.manager.newest_catalog())


def make_state_table(engine: Engine, database_oid: int) -> StateTable:
    """Make a database's table, in a transaction of its own.  Raises ReadOnlyViolation (T003)."""
    if engine.read_only:
        raise ReadOnlyViolation("cannot make the table of flow state in a read-only database")
    storage = engine.stores.create(WIDTH)
    storage.is_watched = False
    first_oid = _newest(engine).oids.allocate_many(OIDS_OF_A_STATE_TABLE)
    table = new_state_table(first_oid, storage.storage_id)
    for index in table.indexes:
        storage.indexes[index.oid] = engine.stores.make_index(index, table)
    try:
        _commit(engine, database_oid, storage, table)
    except BaseException:
        engine.stores.forget(storage.storage_id)
        raise
    return table


def _commit(engine: Engine, database_oid: int, storage: TableStorage, table: StateTable) -> None:
    transaction = engine.manager.begin(READ_COMMITTED)
    transaction.note_made(storage)
    transaction.set_catalog_change(
        lambda catalog: with_state_table(cast("Catalog", catalog), database_oid, table)
    )
    transaction.is_synchronous = False  # whoever needs it commits later, and the log keeps the order
    transaction.commit_fast()
