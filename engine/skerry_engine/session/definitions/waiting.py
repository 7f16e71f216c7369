"""Locks of definitions: waiting for them, and what must be looked at again afterwards.

A lock that was waited for may have been held by another definition, so what was read before is old.  READ
COMMITTED takes a new snapshot and reads again, and so does a SNAPSHOT transaction whose first statement
this is; later it can't go on when the relation changed (T001, 40001).

Names about to be created are locked too: two creators of one name wait for each other, and the second then
finds it taken (42P07).  A schema is locked (SHARED) while something is put into it,
so that it can't be dropped meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar, cast

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.steps import Step, Wait
from skerry_engine.txn.conflicts import write_conflict
from skerry_engine.txn.locks import LockWait
from skerry_engine.txn.modes import EXCLUSIVE, SHARED

T = TypeVar("T")


def wait_for(call: Callable[[], T]) -> Generator[Step, object, T]:
    """Make a call until it no longer has to wait for a lock."""
    while True:
        try:
            return call()
        except LockWait as blocked:
            request = blocked.request
        yield Wait(request)


def lock_relation(context: DefinitionContext, oid: int, mode: int) -> Generator[Step, object, None]:
    """Lock a relation and see the catalog as it is then.  Raises WriteConflict (T001)
    above READ COMMITTED."""
    transaction = context.transaction
    yield from wait_for(lambda: transaction.lock_table(oid, mode))
    see_newest(context)
    if transaction.is_snapshot:
        _refuse_changed(context, oid)


def see_newest(context: DefinitionContext) -> None:
    """Let READ COMMITTED, and a SNAPSHOT transaction's first statement,
    see what was committed while it waited."""
    transaction = context.transaction
    if transaction.snapshot == context.manager.published:
        return
    if not transaction.is_snapshot:
        transaction.take_snapshot()
    elif transaction.is_untouched():
        transaction.retake_snapshot()


def _refuse_changed(context: DefinitionContext, oid: int) -> None:
    """Raise T001 if a relation was changed by a transaction that the snapshot can't see."""
    manager = context.manager
    seen = cast(Catalog, manager.catalog_at(context.transaction.snapshot)).databases.get(context.database_oid)
    newest = newest_catalog(context).databases.get(context.database_oid)
    before = None if seen is None else seen.relation(oid)
    after = None if newest is None else newest.relation(oid)
    if before is not after:
        raise write_conflict(is_deletion=after is None)


def newest_catalog(context: DefinitionContext) -> Catalog:
    """The catalog of the last commit, which a snapshot may be older than."""
    return cast(Catalog, context.manager.newest_catalog())


def lock_new_name(context: DefinitionContext, schema_oid: int, name: str) -> Generator[Step, object, None]:
    """Lock the name of a relation about to be created, and its schema.

    Raises DuplicateTable if a snapshot can't see that the name is taken,
    InvalidSchemaName if the schema went.
    """
    transaction = context.transaction
    database_oid = context.database_oid
    yield from wait_for(lambda: transaction.lock_name(("schema", database_oid, schema_oid), SHARED))
    yield from wait_for(lambda: transaction.lock_name(("relation", database_oid, schema_oid, name)))
    see_newest(context)
    newest = newest_catalog(context).databases.get(database_oid)
    if schema_oid not in context.database.schemas:
        raise errors.InvalidSchemaName(f"schema with OID {schema_oid} does not exist")
    if newest is None or not transaction.is_snapshot:
        return
    taken = newest.relation_named(schema_oid, name)
    if taken is not None and context.database.relation(taken.oid) is None:
        seen = cast(Catalog, context.manager.catalog_at(transaction.snapshot)).database(database_oid)
        if seen.relation(taken.oid) is None:
            raise errors.DuplicateTable(f'relation "{name}" already exists')


def lock_object_name(context: DefinitionContext, kind: str, *key: object) -> Generator[Step, object, None]:
    """Lock the name of something that is no relation (a database, a schema, a role)
    against its other creators."""
    transaction = context.transaction
    yield from wait_for(lambda: transaction.lock_name((kind, *key), EXCLUSIVE))
    see_newest(context)
