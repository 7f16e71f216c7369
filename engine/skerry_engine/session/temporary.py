"""Temporary tables: a schema of the session's own, pg_temp_N, that goes when the session does.

The schema is made by the first CREATE TEMP and stands first in the search path from then on.  Its tables are
tables like any other; only their lifetime differs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.dependencies import plan_drop
from skerry_engine.catalog.drops import remove_objects
from skerry_engine.catalog.objects import CLASS_NAMESPACE, Address
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.errors import DiskFailure, DiskFull, DurabilityLost, TooManyFiles

if TYPE_CHECKING:
    from skerry_engine.session.state import SessionState


def drop_temporary_schema(session: SessionState) -> None:
    """Remove the session's temporary schema and all in it, in a transaction of its own.

    Where the log takes nothing any more they stay, until the database is opened again: nobody else can use them.
    """
    catalog = session.engine.published_catalog()
    if session.database_oid not in catalog.databases:
        return
    database = catalog.database(session.database_oid)
    schema = database.schema_named(session.temporary_schema_name)
    if schema is None:
        return
    tables = [t for t in database.tables() if t.schema_oid == schema.oid]
    transaction = session.engine.manager.begin()
    change = partial(_without_schema, database_oid=session.database_oid, schema_oid=schema.oid)
    transaction.set_catalog_change(change)
    for table in tables:
        transaction.on_commit(partial(session.engine.stores.retire, table.storage_id, session.engine.manager))
    try:
        transaction.commit_fast()
    except (DurabilityLost, DiskFull, DiskFailure, TooManyFiles):
        return
    assert transaction.state != "active", "dropping what nobody else can use waits for no lock"


def _without_schema(catalog: object, database_oid: int, schema_oid: int) -> object:
    whole = cast(Catalog, catalog)
    database = whole.database(database_oid)
    plan = plan_drop(database, [Address(CLASS_NAMESPACE, schema_oid)], True, SearchPath((), 0, ()))
    return remove_objects(whole, database_oid, plan.objects)
